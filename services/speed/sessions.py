"""Where the state of streams outlives their connections, so that a client goes on after a break, at any instance."""

from collections.abc import Mapping
from typing import Any, Protocol, cast

import orjson
from redis.asyncio import Redis

from shared.redis import Breaker, Failure, connect

TIMEOUT_S = 0.5
KEY = "vernier:speed:stream:"

TAKE = """
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return {redis.call('HINCRBY', KEYS[1], 'owner', 1), redis.call('HGET', KEYS[1], 'state')}
"""
SAVE = """
local owner = redis.call('HGET', KEYS[1], 'owner')
if owner and owner ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'owner', ARGV[2], 'state', ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1
"""


class TakenOver(Exception):
    """Another connection goes on with this session."""


class Sessions(Protocol):
    """By session id: who goes on with it, a number that grows with each connection, and the state that the last left
    behind. What cannot be reached says None or False and raises nothing."""

    async def take(self, session: str) -> tuple[int, Mapping[str, Any]] | None:
        """The caller's own number and the state, whose former owner can save no more; None where it is not known."""

    async def save(self, session: str, owner: int, state: Mapping[str, Any]) -> bool:
        """Whether it is kept. Raises TakenOver."""

    async def aclose(self) -> None: ...


class NoSessions:
    """Nothing is kept."""

    async def take(self, session: str) -> tuple[int, Mapping[str, Any]] | None:  # noqa: ARG002
        return None

    async def save(self, session: str, owner: int, state: Mapping[str, Any]) -> bool:  # noqa: ARG002
        return False

    async def aclose(self) -> None:
        return


class RedisSessions:
    """Each kept for `keep_s` after it was last saved or taken."""

    def __init__(self, url: str, keep_s: float) -> None:
        self._client: Redis = connect(url, timeout_s=TIMEOUT_S)
        self._breaker = Breaker(self._client)
        self._keep_s = max(1, round(keep_s))
        self._take = self._client.register_script(TAKE)
        self._save = self._client.register_script(SAVE)

    async def take(self, session: str) -> tuple[int, Mapping[str, Any]] | None:
        found = await self._ask(self._take, session)
        if not found:
            return None
        owner, state = found
        try:
            return int(owner), cast(Mapping[str, Any], orjson.loads(state))
        except (orjson.JSONDecodeError, TypeError, ValueError):
            return None

    async def save(self, session: str, owner: int, state: Mapping[str, Any]) -> bool:
        kept = await self._ask(self._save, session, owner, orjson.dumps(state))
        if kept == 0:
            raise TakenOver(session)
        return kept is not None

    async def _ask(self, script: Any, session: str, *arguments: object) -> Any:
        if not self._breaker.closed:
            return None
        try:
            return await script(keys=[KEY + session], args=[self._keep_s, *arguments])
        except Failure as error:
            self._breaker.trip(error)
            return None

    async def aclose(self) -> None:
        await self._breaker.aclose()
        await self._client.aclose()


def sessions(url: str | None, keep_s: float) -> Sessions:
    return RedisSessions(url, keep_s) if url else NoSessions()
