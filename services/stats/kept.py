"""What is kept in Redis by id: made of a definition, forgotten when asked to or when its time to live is over.

Nothing expires by Redis's own means, so that it never makes room by it.
"""

import secrets
from pathlib import Path
from typing import Any, Literal, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.redis import scripts, written

_LUA = Path(__file__).parent / "lua"

REPLICATED_S = 1.0
"""Replicas have so long to say that they have a batch."""

Created = Literal["created", "same", "other", "full"]


class NotReplicated(RedisError):
    """What was written may be lost if the primary dies now."""


class Kept:
    """At most `most` things of a kind, whose steps in Redis are lua/`folder`, after the lines `head`. Its methods raise
    what `shared.redis.Failure` lists.

    `replicas`: how many must have what is written before its method returns; else it raises NotReplicated.
    """

    def __init__(self, redis: Redis, folder: str, *, most: int, replicas: int = 0, head: str = "") -> None:
        self._redis = redis
        self._most, self._replicas = most, replicas
        own = _LUA / folder
        library = f"{head}\n{(own / 'common.lua').read_text()}\n{(_LUA / 'common.lua').read_text()}"
        self._scripts = scripts(redis, _LUA, library) | scripts(redis, own, library)

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

    async def remove(self, id: str) -> bool:
        return bool(await self._write("remove", id))
