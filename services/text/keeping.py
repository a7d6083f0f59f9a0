"""Results that are kept in Redis under an id: bytes, for as long as they are used.

What has a lifetime here is expired by Redis and may be given up earlier where Redis has no room (`volatile-lru`): a
client can make it again out of what it has, and it must not crowd out what cannot be made again. What has none is
state: it stays until it is deleted.
"""

import secrets
from contextlib import AbstractContextManager
from typing import Annotated, NamedTuple, cast

from fastapi import Path
from redis.asyncio import Redis

from shared.errors import NotFound, Overloaded, TooLarge, Unavailable
from shared.redis import reaching, written

PREFIX = "vernier:text:"
RETRY_AFTER_S = 10.0

ID_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
Id = Annotated[
    str,
    Path(
        pattern=ID_PATTERN,
        description="1 to 128 letters, digits, dots, hyphens and underscores; a letter or digit first",
    ),
]

PUT = """
local index, key, id, content, keep_ms, most = KEYS[1], KEYS[2], ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
if redis.call('SISMEMBER', index, id) == 0 and redis.call('SCARD', index) >= most then
  local prefix, soonest = string.sub(key, 1, #key - #id), -1
  for _, each in ipairs(redis.call('SMEMBERS', index)) do
    local left = redis.call('PTTL', prefix .. each)
    if left == -2 then
      redis.call('SREM', index, each)
    elseif left >= 0 and (soonest < 0 or left < soonest) then
      soonest = left
    end
  end
  if redis.call('SCARD', index) >= most then return soonest end
end
redis.call('SADD', index, id)
if keep_ms > 0 then redis.call('SET', key, content, 'PX', keep_ms) else redis.call('SET', key, content) end
return -2
"""


class Bounds(NamedTuple):
    """Of what is kept of one kind: how many, the bytes of each, and the seconds since its last use; None for state."""

    most: int
    most_bytes: int
    keep_s: float | None


class Shelf:
    """Bytes of one kind by their ids. `kind` is its plural and begins its keys, `noun` its singular; `redis` is None
    where there is none.

    Every method raises Unavailable without Redis or while it is away, and Overloaded while it is full.
    """

    def __init__(self, redis: Redis | None, kind: str, noun: str, bounds: Bounds) -> None:
        self._redis, self._kind, self._noun, self._bounds = redis, kind, noun, bounds
        self._keep_ms = None if bounds.keep_s is None else max(1, round(bounds.keep_s * 1000))

    async def put(self, content: bytes, id: str | None = None) -> str:
        """Its id, one of its own where none is given; what had that id is replaced. In the hands of the system when it
        returns. Raises TooLarge, and Overloaded where there are as many as may be."""
        if len(content) > self._bounds.most_bytes:
            raise TooLarge(
                f"the {self._noun} takes {len(content):,} bytes, more than the {self._bounds.most_bytes:,} kept of one"
            )
        id = id or secrets.token_hex(16)
        redis, keys = self._client, [self._index, self._key(id)]
        with self._reaching():
            refused = await redis.eval(PUT, 2, *keys, id, content, self._keep_ms or 0, self._bounds.most)
            if refused == -2:
                await written(redis)
                return id
        wait_s = min(max(int(refused) / 1000, 1.0), 3600.0) if refused >= 0 else RETRY_AFTER_S
        raise Overloaded(f"there are as many {self._kind} as may be kept; DELETE some", retry_after_s=wait_s)

    async def get(self, id: str) -> bytes:
        """Its lifetime begins anew. Raises NotFound."""
        with self._reaching():
            found = await self._client.getex(self._key(id), px=self._keep_ms)
        if found is None:
            raise self.unknown(id)
        return cast(bytes, found)

    async def touch(self, id: str) -> None:
        """Its lifetime begins anew. Raises NotFound."""
        with self._reaching():
            if self._keep_ms is None:
                there = await self._client.exists(self._key(id))
            else:
                there = await self._client.pexpire(self._key(id), self._keep_ms)
        if not there:
            raise self.unknown(id)

    async def delete(self, id: str) -> None:
        """Raises NotFound."""
        with self._reaching():
            async with self._client.pipeline(transaction=True) as pipeline:
                pipeline.delete(self._key(id))
                pipeline.srem(self._index, id)
                removed, _ = await pipeline.execute()
            await written(self._client)
        if not removed:
            raise self.unknown(id)

    def unknown(self, id: str) -> NotFound:
        if self._bounds.keep_s is None:
            return NotFound(f"there is no {self._noun} {id}")
        hours = f"{self._bounds.keep_s / 3600:,.3g}"
        return NotFound(
            f"there is no {self._noun} {id}: one is kept for {hours} h after its last use, and less where Redis is full"
        )

    @property
    def _client(self) -> Redis:
        if self._redis is None:
            raise Unavailable(
                f"{self._kind} are kept in Redis, and this service has none (REDIS_URL)", retry_after_s=60
            )
        return self._redis

    @property
    def _index(self) -> str:
        return PREFIX + self._kind

    def _key(self, id: str) -> str:
        return f"{PREFIX}{self._kind}:{id}"

    def _reaching(self) -> AbstractContextManager[None]:
        return reaching(self._kind, retry_after_s=RETRY_AFTER_S)
