"""States of streams in a real Redis."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from services.speed.sessions import KEY, NoSessions, RedisSessions, Sessions, TakenOver, sessions
from tests.processes import running_redis

STATE = {"stream": {"track": [1.5, None]}, "additions": None}


def with_sessions(url: str, do: Callable[[RedisSessions], Awaitable[None]]) -> None:
    async def run() -> None:
        kept = RedisSessions(url, 60)
        try:
            await do(kept)
        finally:
            await kept.aclose()

    asyncio.run(run())


def test_a_state_is_taken_by_one_after_the_other(tmp_path: Path) -> None:
    async def do(kept: RedisSessions) -> None:
        assert await kept.take("a") is None
        assert await kept.save("a", 1, STATE)
        assert await kept.save("a", 1, {**STATE, "more": 1})
        assert await kept.take("a") == (2, {**STATE, "more": 1})
        with pytest.raises(TakenOver):
            await kept.save("a", 1, STATE)
        assert await kept.save("a", 2, STATE)
        assert await kept.take("a") == (3, STATE)
        assert await kept.take("b") is None

    with running_redis(tmp_path) as (_, url):
        with_sessions(url, do)


def test_it_is_kept_for_a_while_after_it_was_last_touched(tmp_path: Path) -> None:
    async def do(kept: RedisSessions) -> None:
        for _ in range(2):
            await kept.save("a", 1, STATE)
            assert 55 < await kept._client.ttl(KEY + "a") <= 60
            await kept._client.expire(KEY + "a", 20)
        await kept.take("a")
        assert await kept._client.ttl(KEY + "a") > 55
        await kept._client.delete(KEY + "a")
        assert await kept.take("a") is None

    with running_redis(tmp_path) as (_, url):
        with_sessions(url, do)


def test_what_is_damaged_is_not_known(tmp_path: Path) -> None:
    async def do(kept: RedisSessions) -> None:
        await kept._client.hset(KEY + "a", mapping={"owner": 1, "state": "no json"})
        assert await kept.take("a") is None
        await kept._client.set(KEY + "b", "of another kind")
        assert await kept.take("b") is None

    with running_redis(tmp_path) as (_, url):
        with_sessions(url, do)


def test_without_redis_nothing_is_kept_and_nothing_fails() -> None:
    async def do(kept: Sessions) -> None:
        assert await kept.take("a") is None
        assert not await kept.save("a", 1, STATE)

    with_sessions("redis://127.0.0.1:9/0", do)

    async def none() -> None:
        nowhere = sessions(None, 60)
        assert isinstance(nowhere, NoSessions)
        await do(nowhere)
        await nowhere.aclose()

    asyncio.run(none())
