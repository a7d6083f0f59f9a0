"""Connections to Redis, and a switch that makes a slow or dead Redis cost nothing."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, RedisError

from shared.ending import end
from shared.errors import Overloaded, Unavailable, VernierError

log = structlog.get_logger()

WRITTEN_S, WRITTEN_PAUSE_S = 5.0, 0.005
"""Redis waits for a busy disk for two seconds at most."""

Failure = (RedisError, OSError, TimeoutError)
"""Whatever a command raises when Redis is gone, slow, or answers nonsense."""


def connect(url: str, *, timeout_s: float, connections: int = 16, retries: int = 0) -> Redis:
    """A client on a bounded pool; nothing is opened yet. `timeout_s` bounds waiting for a pooled connection,
    connecting and each reply, so that one command takes at most about three of them. `retries`: how often a command
    is sent again whose connection broke off; only for those that may be done twice."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=timeout_s,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), retries, supported_errors=(RedisConnectionError,)),
        client_name="vernier",
    )
    return Redis.from_pool(pool)


async def written(client: Redis) -> None:
    """Until all so far is in the hands of the system, so that it survives the death of Redis: while a disk is busy
    with an fsync, Redis answers before it has written. What it keeps in memory alone has nothing to wait for."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(WRITTEN_S):
            while (await client.info("persistence")).get("aof_buffer_length", 0):  # noqa: ASYNC110
                await asyncio.sleep(WRITTEN_PAUSE_S)
            return
    log.warning("what was just stored may be lost if Redis dies now: it has not written for long", seconds=WRITTEN_S)


def scripts(client: Redis, folder: Path, library: str = "") -> dict[str, AsyncScript]:
    """The Lua scripts of a folder by their names, `library` before each; common.lua, part of libraries, is none."""
    paths = [path for path in folder.glob("*.lua") if path.stem != "common"]
    return {path.stem: client.register_script(f"{library}\n{path.read_text()}") for path in paths}


@contextlib.contextmanager
def reaching(kept: str, *, retry_after_s: float, hint: str = "") -> Iterator[None]:
    """What Redis fails at within, said to the client: raises Overloaded where it is full, else Unavailable. `kept`, a
    plural, is what it keeps; `hint` ends the sentence that it does not answer."""
    try:
        yield
    except VernierError:
        raise
    except Failure as error:
        log.warning(f"{kept} unavailable", error=str(error) or type(error).__name__)
        if isinstance(error, OutOfMemoryError) or "OOM" in str(error):
            raise Overloaded(f"the Redis that keeps {kept} is full", retry_after_s=retry_after_s) from error
        raise Unavailable(f"{kept} are kept in Redis, and it does not answer{hint}") from error


class Breaker:
    """Whether Redis may be asked. After a failure it may not; a background task pings it every `cooldown_s`
    until it answers again, so that no request ever waits to find out."""

    def __init__(self, client: Redis, *, cooldown_s: float = 1.0) -> None:
        self.closed = True
        self._client = client
        self._cooldown_s = cooldown_s
        self._probe: asyncio.Task[None] | None = None

    def trip(self, error: BaseException) -> None:
        """To be called with each failure."""
        if self.closed:
            self.closed = False
            log.warning("redis left out", error=str(error) or type(error).__name__)
            self._probe = asyncio.create_task(self._ping_until_answered())

    async def _ping_until_answered(self) -> None:
        while not self.closed:
            await asyncio.sleep(self._cooldown_s)
            with contextlib.suppress(*Failure):
                await self._client.ping()
                self.closed = True
        log.info("redis answers again")

    async def aclose(self) -> None:
        self.closed = True
        if self._probe is not None:
            await end(self._probe)
