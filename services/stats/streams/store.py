"""Streams in Redis. A batch reads a stream, and what it makes of it is written only if nobody wrote in between."""

from dataclasses import dataclass

from redis.asyncio import Redis

from services.stats.kept import Kept
from shared.redis import written


@dataclass(frozen=True, slots=True)
class Stored:
    """At one moment: its `state`, b"" before the first batch, `version`, which counts batches, `token`, which tells
    streams of the same id one after the other apart, and what was `seen`, if it was asked for."""

    definition: bytes
    token: bytes
    ttl_s: float | None
    version: bytes
    state: bytes
    seen: list[bytes]


class Store(Kept):
    """Its methods raise what `shared.redis.Failure` lists."""

    def __init__(self, redis: Redis, *, most: int, remembered: int, replicas: int = 0) -> None:
        super().__init__(redis, "streams", most=most, replicas=replicas)
        self.remembered = remembered

    async def read(self, id: str, *, seen: bool = False) -> Stored | None:
        found = await self._run("read", id, int(seen))
        if found is None:
            return None
        definition, token, ttl, version, state, rows = found
        return Stored(definition, token, float(ttl) if ttl else None, version, state, rows)

    async def commit(self, id: str, stored: Stored, state: bytes, seen: list[bytes]) -> bool:
        """False where the stream is not what `stored` says any more."""
        return bool(await self._write("commit", id, stored.token, stored.version, state, self.remembered, *seen))

    async def settled(self) -> None:
        """Until what others committed is in the hands of the system, too."""
        await written(self._redis)
