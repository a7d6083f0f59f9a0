"""Aggregates in Redis: what is read here and written there is never lost between the two, whoever else writes.

An aggregate is a few shards, each a merged state (`base`) and the states that came since (`tail`); a process writes to
one of them, and all of them are merged when it is read. A batch is one step of Redis: its key is looked up and noted
and its state appended, or nothing is. Appending reads nothing first, so that writers do not wait for one another; now
and then one of them merges its shard's tail into its base, which takes effect only if no other process of that shard
did. Nothing expires by Redis's own means, keys and aggregates with a time to live included, so that it never makes room
by them.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.redis import written

SHARDS = 8
"""What the writers of one aggregate are spread over. More cost each reader the merge of one more state."""
REPLICATED_S = 1.0
"""Replicas have so long to say that they have a batch."""
_LUA = Path(__file__).parent / "lua"

Created = Literal["created", "same", "other", "full"]
Appended = Literal["added", "repeated", "other", "crowded", "unknown", "changed"]


@dataclass(frozen=True, slots=True)
class Shard:
    """`merges` counts how often its tail was merged into its base."""

    base: bytes
    merges: bytes
    tail: list[bytes]

    @property
    def states(self) -> list[bytes]:
        return [self.base, *self.tail] if self.base else self.tail


@dataclass(frozen=True, slots=True)
class Stored:
    """At one moment; `token` tells aggregates that had the same id one after the other apart. `ttl_s`: seconds after
    the last addition at which it is forgotten, None for never."""

    definition: bytes
    token: bytes
    ttl_s: float | None
    shards: list[Shard]

    @property
    def states(self) -> list[bytes]:
        return [state for shard in self.shards for state in shard.states]


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


class NotReplicated(RedisError):
    """What was written may be lost if the primary dies now."""


class Store:
    """Its methods raise what `shared.redis.Failure` lists."""

    def __init__(
        self,
        redis: Redis,
        *,
        most: int,
        keep_s: float,
        most_keys: int,
        replicas: int = 0,
        shard: int | None = None,
    ) -> None:
        """`replicas`: how many must have what is written before its method returns; else it raises NotReplicated.
        `shard`: the one that is written to; drawn by chance where it is not said."""
        self._redis = redis
        self._most, self._keep_s, self._most_keys = most, keep_s, most_keys
        self._replicas = replicas
        self._shard = secrets.randbelow(SHARDS) if shard is None else shard
        common = f"local SHARDS = {SHARDS}\n{(_LUA / 'common.lua').read_text()}"
        self._scripts = {
            path.stem: redis.register_script(f"{common}\n{path.read_text()}")
            for path in _LUA.glob("*.lua")
            if path.stem != "common"
        }

    async def _run(self, name: str, *arguments: Any) -> Any:
        return await self._scripts[name](args=arguments)

    async def _write(self, name: str, *arguments: Any) -> Any:
        """As `_run`, and what it wrote is in the hands of the system and of the replicas: Redis may die then."""
        if not self._replicas:
            found = await self._run(name, *arguments)
        else:
            async with self._redis.client() as connection:  # WAIT is for what its own connection saw written
                found = await self._scripts[name](args=arguments, client=connection)
                reached = await connection.wait(self._replicas, int(REPLICATED_S * 1000))
            if reached < self._replicas:
                raise NotReplicated(f"{reached} replicas have what was written, not {self._replicas}")
        await written(self._redis)
        return found

    async def create(self, id: str, definition: bytes, ttl_s: float | None = None) -> Created:
        """Of one that there is with this definition, the time to live is set anew."""
        ttl = "" if ttl_s is None else repr(ttl_s)
        found = await self._write("create", id, definition, secrets.token_hex(8), self._most, ttl)
        return cast(Created, found.decode())

    async def definition(self, id: str) -> bytes | None:
        return cast(bytes | None, await self._run("definition", id))

    async def read(self, id: str) -> Stored | None:
        return await self._read(id, "")

    async def read_own(self, id: str) -> Stored | None:
        """Only the shard that is written to."""
        return await self._read(id, str(self._shard))

    async def _read(self, id: str, shard: str) -> Stored | None:
        found = await self._run("read", id, shard)
        if found is None:
            return None
        definition, token, ttl, shards = found
        return Stored(definition, token, float(ttl) if ttl else None, [Shard(*each) for each in shards])

    async def append(self, id: str, batch: Batch) -> Outcome:
        kept = self._keep_s, self._most_keys, self._shard
        found = await self._write("append", id, batch.definition, batch.state, batch.key, batch.meant, *kept)
        kind, length, size = found
        return Outcome(kind.decode(), length, size)

    async def settle(self, id: str, own: Stored, base: bytes) -> bool:
        """`base` takes the place of all that `own`, as `read_own` gave it, has. False where another was faster."""
        (shard,) = own.shards
        tail = len(shard.tail), sum(map(len, shard.tail))
        return bool(await self._run("settle", id, own.token, self._shard, shard.merges, base, *tail))

    async def remove(self, id: str) -> bool:
        return bool(await self._write("remove", id))
