"""The layer that gateways share: entries in Redis, each with a TTL.

Bounded three ways: no value above `max_value_bytes`, no entry older than `ttl_s`, and the server's own
`maxmemory` with the policy `volatile-lru`, which evicts what has a TTL (cache), never what has none (state).
"""

import asyncio
from typing import Any, Protocol

import structlog
from redis.asyncio import Redis

from shared.cache.entry import Entry, EntryError, decode, encode
from shared.cache.turn import Turn
from shared.redis import Breaker, Failure

log = structlog.get_logger()

OFF_LOOP_FROM_BYTES = 256 << 10
"""Larger bodies are packed and unpacked on a thread: the event loop serves others meanwhile."""
READ_TOGETHER = 64
WRITE_TOGETHER = 16


class RemoteCache(Protocol):
    errors: int
    """Commands that failed and entries that were damaged, so far."""

    @property
    def available(self) -> bool:
        """Whether it may be asked now."""
        ...

    async def start(self) -> None: ...

    async def get(self, key: bytes) -> Entry | None: ...

    async def set(self, key: bytes, entry: Entry) -> None: ...

    async def aclose(self) -> None: ...


class NoRemote:
    """Where there is no Redis: holds nothing."""

    errors = 0
    available = False

    async def start(self) -> None:
        pass

    async def get(self, key: bytes) -> Entry | None:  # noqa: ARG002
        return None

    async def set(self, key: bytes, entry: Entry) -> None:
        pass

    async def aclose(self) -> None:
        pass


class RedisCache:
    """No method raises, and `get` takes no longer than `timeout_s`: a failing Redis is a miss.

    What is looked for within one turn of the event loop is looked for by one MGET; what is stored goes out in one
    pipeline.
    """

    def __init__(
        self,
        client: Redis,
        *,
        ttl_s: float,
        max_value_bytes: int,
        timeout_s: float = 1.0,
        cooldown_s: float = 1.0,
        prefix: bytes = b"vernier:cache:",
    ) -> None:
        self.errors = 0
        self._client = client
        self._breaker = Breaker(client, cooldown_s=cooldown_s)
        self._ttl_ms = max(1, int(ttl_s * 1e3))
        self._max_value_bytes = max_value_bytes
        self._timeout_s = timeout_s
        self._prefix = prefix
        self._reads: Turn[bytes, Any] = Turn(self._read, most=READ_TOGETHER)
        self._writes: Turn[tuple[bytes, bytes], Any] = Turn(self._write, most=WRITE_TOGETHER)

    @property
    def available(self) -> bool:
        return self._breaker.closed

    async def start(self) -> None:
        """Opens a connection, so that no request waits for that, or leaves Redis out from the start."""
        try:
            await self._client.ping()
        except Failure as error:
            self._failed(error)

    async def get(self, key: bytes) -> Entry | None:
        if not self._breaker.closed:
            return None
        frame = await self._reads.ask(self._name(key))
        return None if frame is None else await self._decoded(frame, key)

    async def _read(self, names: list[bytes]) -> list[Any]:
        try:
            async with asyncio.timeout(self._timeout_s):
                return list(await self._client.mget(names))
        except Failure as error:
            self._failed(error)
            return [None] * len(names)

    async def _decoded(self, frame: bytes, key: bytes) -> Entry | None:
        try:
            if len(frame) >= OFF_LOOP_FROM_BYTES:
                return await asyncio.to_thread(decode, frame, key, max_body_bytes=self._max_value_bytes)
            return decode(frame, key, max_body_bytes=self._max_value_bytes)
        except EntryError as error:
            self.errors += 1
            log.warning("cache entry damaged", error=str(error))
            return None

    async def set(self, key: bytes, entry: Entry) -> None:
        if not self._breaker.closed or len(entry.body) > self._max_value_bytes:
            return
        large = len(entry.body) >= OFF_LOOP_FROM_BYTES
        frame = await asyncio.to_thread(encode, entry, key) if large else encode(entry, key)
        await self._writes.ask((self._name(key), frame))

    async def _write(self, entries: list[tuple[bytes, bytes]]) -> list[None]:
        try:
            if self._breaker.closed:
                async with self._client.pipeline(transaction=False) as pipeline:
                    for name, frame in entries:
                        pipeline.set(name, frame, px=self._ttl_ms)
                    await pipeline.execute()
        except Failure as error:
            self._failed(error)
        return [None] * len(entries)

    def _failed(self, error: BaseException) -> None:
        self.errors += 1
        self._breaker.trip(error)

    def _name(self, key: bytes) -> bytes:
        return self._prefix + key.hex().encode()

    async def aclose(self) -> None:
        await self._breaker.aclose()
        await self._client.aclose()
