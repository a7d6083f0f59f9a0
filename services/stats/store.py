"""Aggregates in Redis: what is read here and written there is never lost between the two, whoever else writes.

An aggregate is a merged state (`base`) and the states that came since (`tail`). A batch is one step of Redis: its key
is looked up and noted and its state appended, or nothing is. Appending reads nothing first, so that writers do not wait
for one another; now and then one of them merges the tail into the base, which takes effect only if nobody else did.
Nothing of it expires, keys included, so that Redis never makes room by it.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from redis.asyncio import Redis

from shared.redis import written

PREFIX = "vernier:aggregates:"
_LUA = Path(__file__).parent / "lua"

Created = Literal["created", "same", "other", "full"]
Appended = Literal["added", "repeated", "other", "crowded", "unknown", "changed"]


@dataclass(frozen=True, slots=True)
class Stored:
    """At one moment; `token` tells aggregates that had the same id one after the other apart."""

    definition: bytes
    base: bytes
    tail: list[bytes]
    token: bytes
    merges: bytes

    @property
    def states(self) -> list[bytes]:
        return [self.base, *self.tail] if self.base else self.tail


@dataclass(frozen=True, slots=True)
class Batch:
    """A state to be appended to the aggregate of this definition. `key` counts once, `meant` tells what it stood for;
    both digests, or b""."""

    definition: bytes
    state: bytes
    key: bytes = b""
    meant: bytes = b""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch, and if it was added the tail's length and bytes since."""

    kind: Appended
    length: int
    size: int


class Store:
    """Its methods raise what `shared.redis.Failure` lists."""

    def __init__(self, redis: Redis, *, most: int, keep_s: float, most_keys: int) -> None:
        self._redis = redis
        self._most, self._keep_s, self._most_keys = most, keep_s, most_keys
        common = (_LUA / "common.lua").read_text()
        self._scripts = {
            path.stem: redis.register_script(f"{common}\n{path.read_text()}")
            for path in _LUA.glob("*.lua")
            if path.stem != "common"
        }

    async def _run(self, name: str, *arguments: Any) -> Any:
        return await self._scripts[name](args=arguments)

    async def create(self, id: str, definition: bytes) -> Created:
        found = await self._run("create", id, definition, secrets.token_hex(8), self._most)
        await written(self._redis)
        return cast(Created, found.decode())

    async def definition(self, id: str) -> bytes | None:
        return cast(bytes | None, await self._redis.hget(PREFIX + id, "definition"))

    async def read(self, id: str) -> Stored | None:
        definition, base, token, merges, tail = await self._run("read", id)
        return None if definition is None else Stored(definition, base, tail, token, merges)

    async def append(self, id: str, batch: Batch) -> Outcome:
        """In the hands of the system when it returns: Redis may die then, and loses it not."""
        kind, length, size = await self._run(
            "append", id, batch.definition, batch.state, batch.key, batch.meant, self._keep_s, self._most_keys
        )
        if kind in {b"added", b"repeated"}:
            await written(self._redis)
        return Outcome(kind.decode(), length, size)

    async def settle(self, id: str, stored: Stored, base: bytes) -> bool:
        """`base` takes the place of all that `stored` has. False where another was faster."""
        size = sum(map(len, stored.tail))
        return bool(await self._run("settle", id, stored.token, stored.merges, base, len(stored.tail), size))

    async def remove(self, id: str) -> bool:
        removed = bool(await self._run("remove", id))
        await written(self._redis)
        return removed
