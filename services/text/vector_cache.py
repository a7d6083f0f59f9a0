"""Vectors kept in Redis, text by text: a request whose texts are half known computes half.

A key is the sha256 of the model's digest, the longest text it takes, which end is cut, and the text's UTF-8; what is
kept is the whole vector in float32 with the length it had, so that shortened and unnormalised answers come out of it
too, bit for bit as from the vector that was computed. It holds because a vector does not depend on its neighbours.

Bounded by a TTL, by what may wait to be written, and by the server's own `maxmemory` with `volatile-lru`.
"""

from __future__ import annotations

import asyncio
import hashlib
import struct
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from redis.asyncio import Redis

from services.text.embedder import Vectors
from shared.ending import end
from shared.metrics import Metrics
from shared.redis import Breaker, Failure, connect

PREFIX = b"vernier:vector:"
HEAD = struct.Struct("<IHBx")
"""CRC-32 of what follows, tokens, whether the text was cut; then the vector and the length it had, little-endian."""
TOGETHER = 128
"""Vectors that one command asks for, and that one pipeline stores: 0.2 MB."""
MOST_PENDING = 16
"""Requests whose vectors wait to be stored, at most; those of others are not."""


class Known(NamedTuple):
    """What is kept of a text: `row` is float32 (dimensions + 1), the vector and the length it had."""

    tokens: int
    truncated: bool
    row: Vectors


class VectorCache:
    """No method raises, and `get` takes no longer than `timeout_s`: a failing Redis knows nothing."""

    def __init__(
        self,
        client: Redis,
        metrics: Metrics,
        *,
        ttl_s: float,
        timeout_s: float,
        from_characters: int,
        cooldown_s: float = 1.0,
    ) -> None:
        self.client = client
        self._breaker = Breaker(client, cooldown_s=cooldown_s)
        self._ttl_ms = max(1, int(ttl_s * 1e3))
        self._timeout_s = timeout_s
        self._from_characters = from_characters
        self.writes: set[asyncio.Task[None]] = set()
        lookups = metrics.counter("text_vector_cache_lookups", "Texts looked for in the vector cache", ("result",))
        self._hits, self._misses = lookups.labels("hit"), lookups.labels("miss")
        self._errors = metrics.counter("text_vector_cache_errors", "Commands to Redis that failed, vectors damaged")

    def takes(self, texts: Sequence[str]) -> bool:
        """Whether to ask for these: to ask costs about as much as a very short text takes to compute."""
        return self._breaker.closed and sum(map(len, texts)) >= self._from_characters

    async def get(self, keys: Sequence[bytes], dimensions: int) -> list[Known | None]:
        found: list[Known | None] = []
        try:
            async with asyncio.timeout(self._timeout_s):
                for start in range(0, len(keys), TOGETHER):
                    values = await self.client.mget(keys[start : start + TOGETHER])
                    found += [None if value is None else self._unpacked(value, dimensions) for value in values]
        except Failure as error:
            self._failed(error)
        found += [None] * (len(keys) - len(found))
        hits = sum(each is not None for each in found)
        self._hits.inc(hits)
        self._misses.inc(len(found) - hits)
        return found

    def put(self, entries: Sequence[tuple[bytes, Known]]) -> None:
        """Stores them in the background."""
        if entries and self._breaker.closed and len(self.writes) < MOST_PENDING:
            task = asyncio.create_task(self._store(entries))
            self.writes.add(task)
            task.add_done_callback(self.writes.discard)

    async def _store(self, entries: Sequence[tuple[bytes, Known]]) -> None:
        try:
            for start in range(0, len(entries), TOGETHER):
                async with self.client.pipeline(transaction=False) as pipeline:
                    for key, known in entries[start : start + TOGETHER]:
                        pipeline.set(key, packed(known), px=self._ttl_ms)
                    await pipeline.execute()
        except Failure as error:
            self._failed(error)

    def _unpacked(self, value: Any, dimensions: int) -> Known | None:
        known = unpacked(value, dimensions)
        if known is None:
            self._errors.inc()
        return known

    def _failed(self, error: BaseException) -> None:
        self._errors.inc()
        self._breaker.trip(error)

    async def aclose(self) -> None:
        for task in list(self.writes):
            await end(task)
        await self._breaker.aclose()
        await self.client.aclose()


def packed(known: Known) -> bytes:
    row = np.ascontiguousarray(known.row, dtype="<f4").tobytes()
    facts = HEAD.pack(0, known.tokens, known.truncated)[4:] + row
    return zlib.crc32(facts).to_bytes(4, "little") + facts


def unpacked(value: bytes, dimensions: int) -> Known | None:
    """None for what `packed` did not write, or not for so many dimensions."""
    if len(value) != HEAD.size + 4 * (dimensions + 1):
        return None
    check, tokens, truncated = HEAD.unpack_from(value)
    if check != zlib.crc32(memoryview(value)[4:]):
        return None
    return Known(tokens, bool(truncated), np.frombuffer(value, dtype="<f4", offset=HEAD.size))


def keys_of(texts: Sequence[str], identity: str) -> list[bytes]:
    """`identity` names everything else that the vectors depend on."""
    common = hashlib.sha256(f"{identity}\0".encode())
    keys = []
    for text in texts:
        digest = common.copy()
        digest.update(text.encode())
        keys.append(PREFIX + digest.hexdigest().encode())
    return keys


def open_cache(
    url: str | None, metrics: Metrics, *, ttl_s: float, timeout_s: float, from_characters: int
) -> VectorCache | None:
    """None without a Redis, or where nothing is to be kept."""
    if url is None or ttl_s == 0:
        return None
    client = connect(url, timeout_s=timeout_s)
    return VectorCache(client, metrics, ttl_s=ttl_s, timeout_s=timeout_s, from_characters=from_characters)
