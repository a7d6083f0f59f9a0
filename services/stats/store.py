"""Aggregates in Redis: what is read here and written there is never lost between the two, whoever else writes.

An aggregate is a few shards, each a merged state (`base`) and the states that came since (`tail`); a process writes to
one of them, and all of them are merged when it is read. A batch is one step of Redis: its key is looked up and noted
and its state appended, or nothing is. Appending reads nothing first, so that writers do not wait for one another; now
and then one of them merges its shard's tail into its base, which takes effect only if no other process of that shard
did.
"""

import secrets
from dataclasses import dataclass
from typing import Literal

from redis.asyncio import Redis

from services.stats.kept import Kept

SHARDS = 8
"""What the writers of one aggregate are spread over. More cost each reader the merge of one more state."""
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


class Store(Kept):
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
        """`replicas` as of Kept. `shard`: the one that is written to; drawn by chance where it is not said."""
        super().__init__(redis, "aggregates", most=most, replicas=replicas, head=f"local SHARDS = {SHARDS}")
        self._keep_s, self._most_keys = keep_s, most_keys
        self._shard = secrets.randbelow(SHARDS) if shard is None else shard

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
