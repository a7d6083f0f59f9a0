"""The layer in Redis, against a real one: kept, bounded, and never in the way."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from scripts.machine import free_port
from shared.cache import Cache, Entry, MemoryCache, NoRemote, RedisCache
from shared.redis import connect
from tests.processes import running_redis

KEY = bytes(range(32))
ENTRY = Entry(200, [(b"content-type", b"text/csv")], b"1,2\n" * 5000, 1.5e9)


@asynccontextmanager
async def cache(url: str, *, ttl_s: float = 60.0, max_value_bytes: int = 1 << 20) -> AsyncIterator[RedisCache]:
    remote = RedisCache(connect(url, timeout_s=0.05), ttl_s=ttl_s, max_value_bytes=max_value_bytes, cooldown_s=0.05)
    try:
        yield remote
    finally:
        await remote.aclose()


async def until_available(remote: RedisCache) -> None:
    async with asyncio.timeout(10):
        while not remote.available:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_what_is_set_is_got_by_any_process(redis_url: str) -> None:
    async with cache(redis_url) as one, cache(redis_url) as other:
        assert await one.get(KEY) is None
        await one.set(KEY, ENTRY)
        assert await other.get(KEY) == ENTRY
        assert one.errors == other.errors == 0


async def test_what_is_asked_for_in_one_turn_goes_to_redis_together(tmp_path: Path) -> None:
    keys = [number.to_bytes(32, "big") for number in range(100)]
    with running_redis(tmp_path) as (_, url):
        async with cache(url) as remote:
            await remote.start()
            await asyncio.gather(*(remote.set(key, Entry(200, [], key, 0.0)) for key in keys[:50]))
            found = await asyncio.gather(*(remote.get(key) for key in keys))
            assert [None if entry is None else entry.body for entry in found] == [*keys[:50], *[None] * 50]
            client: Redis = connect(url, timeout_s=5)
            calls = {name: each["calls"] for name, each in (await client.info("commandstats")).items()}
            await client.aclose()
    assert calls["cmdstat_mget"] == 2
    assert calls["cmdstat_set"] == 50
    assert "cmdstat_get" not in calls


async def test_one_who_leaves_takes_nobody_along(redis_url: str) -> None:
    async with cache(redis_url) as remote:
        await remote.set(KEY, ENTRY)
        first, second = (asyncio.create_task(remote.get(KEY)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == ENTRY


async def test_every_entry_has_a_ttl(redis_url: str) -> None:
    async with cache(redis_url, ttl_s=0.2) as remote:
        await remote.set(KEY, ENTRY)
        client: Redis = connect(redis_url, timeout_s=1)
        (name,) = await client.keys()
        assert 0 < await client.pttl(name) <= 200
        await client.aclose()
        async with asyncio.timeout(10):
            while await remote.get(KEY) is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_too_large_a_body_is_not_sent(redis_url: str) -> None:
    async with cache(redis_url, max_value_bytes=len(ENTRY.body) - 1) as remote:
        await remote.set(KEY, ENTRY)
        assert await remote.get(KEY) is None


@pytest.mark.parametrize("frame", [b"", b"nonsense", bytes(500)])
async def test_a_damaged_entry_is_a_miss(redis_url: str, frame: bytes) -> None:
    async with cache(redis_url) as remote:
        client: Redis = connect(redis_url, timeout_s=1)
        await client.set("vernier:cache:" + KEY.hex(), frame)
        await client.aclose()
        assert await remote.get(KEY) is None
        assert remote.errors == 1
        assert remote.available


async def test_a_redis_that_is_not_there_is_asked_once_and_then_left_out() -> None:
    async with cache(f"redis://127.0.0.1:{free_port()}/0") as remote:
        for _ in range(50):
            assert await remote.get(KEY) is None
            await remote.set(KEY, ENTRY)
        assert remote.errors == 1
        assert not remote.available


async def test_a_paused_redis_costs_one_timeout_and_is_used_again_when_it_wakes(tmp_path: Path) -> None:
    with running_redis(tmp_path) as (process, url):
        async with cache(url) as remote:
            await remote.set(KEY, ENTRY)
            process.send_signal(signal.SIGSTOP)
            began = time.monotonic()
            for _ in range(100):
                assert await remote.get(KEY) is None
            # One timeout of 50 ms and no more; the rest is room for a busy machine.
            assert time.monotonic() - began < 1.0
            assert remote.errors == 1
            process.send_signal(signal.SIGCONT)
            await until_available(remote)
            assert await remote.get(KEY) == ENTRY


async def test_a_crowd_before_a_paused_redis_waits_together(tmp_path: Path) -> None:
    with running_redis(tmp_path) as (process, url):
        async with cache(url) as remote:
            await remote.get(KEY)
            process.send_signal(signal.SIGSTOP)
            began = time.monotonic()
            keys = [number.to_bytes(32, "big") for number in range(200)]
            assert await asyncio.gather(*(remote.get(key) for key in keys)) == [None] * 200
            # A wait for a connection, one for the connection's opening, one for the answer: 150 ms, and slack.
            assert time.monotonic() - began < 1.0


async def test_state_is_never_evicted_for_the_cache(tmp_path: Path) -> None:
    """With `volatile-lru` a full Redis gives up what has a TTL, and keeps what has none."""
    with running_redis(tmp_path, "--maxmemory", "4mb", "--maxmemory-policy", "volatile-lru") as (_, url):
        state: Redis = connect(url, timeout_s=5)
        for number in range(100):
            await state.set(f"state:{number}", b"x" * 1000)
        async with cache(url) as remote:
            for number in range(300):
                await remote.set(number.to_bytes(32, "big"), Entry(200, [], os.urandom(40_000), 0.0))
            info = await state.info("stats")
            assert info["evicted_keys"] > 0
            assert sum([await state.exists(f"state:{number}") for number in range(100)]) == 100
        await state.aclose()


async def test_both_layers_answer_as_one(redis_url: str) -> None:
    def both(remote: RedisCache | NoRemote) -> Cache:
        return Cache(MemoryCache(max_bytes=1 << 20, max_entry_bytes=1 << 20, ttl_s=60), remote, clock=lambda: 1.5e9)

    async with cache(redis_url) as one, cache(redis_url) as other:
        first, second, alone = both(one), both(other), both(NoRemote())
        first.store(KEY, ENTRY)
        assert first.peek(KEY) == ENTRY
        await first.settled()
        assert second.peek(KEY) is None
        assert await second.fetch(KEY) == ENTRY
        assert second.peek(KEY) == ENTRY
        assert await alone.fetch(KEY) is None
