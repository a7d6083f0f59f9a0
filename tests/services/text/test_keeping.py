"""What is kept, in a real Redis."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from services.text.keeping import PREFIX, Bounds, Shelf
from shared.errors import NotFound, Overloaded, TooLarge, Unavailable
from shared.redis import connect
from tests.processes import running_redis

KEPT = Bounds(most=3, most_bytes=1000, keep_s=60)


def with_shelf(url: str, do: Callable[[Shelf], Awaitable[None]], bounds: Bounds = KEPT) -> None:
    async def run() -> None:
        client = connect(url, timeout_s=2)
        try:
            await do(Shelf(client, "maps", "map", bounds))
        finally:
            await client.aclose()

    asyncio.run(run())


async def refusal(asked: Awaitable[object]) -> str | None:
    try:
        await asked
    except Overloaded as error:
        return error.detail
    return None


def test_bytes_come_back_under_their_ids(redis_url: str) -> None:
    async def do(shelf: Shelf) -> None:
        made = await shelf.put(b"\x00\xff")
        assert await shelf.get(made) == b"\x00\xff"
        assert await shelf.put(b"one", "given") == "given"
        await shelf.put(b"other", "given")
        assert await shelf.get("given") == b"other"
        await shelf.delete("given")
        for ask in (shelf.get, shelf.touch, shelf.delete):
            with pytest.raises(NotFound, match="no map given"):
                await ask("given")
        assert await shelf.get(made) == b"\x00\xff"

    with_shelf(redis_url, do)


def test_each_use_begins_its_lifetime_anew(redis_url: str) -> None:
    async def do(shelf: Shelf) -> None:
        client = shelf._client
        key = f"{PREFIX}maps:{await shelf.put(b'', 'a')}"
        for use in (shelf.get, shelf.touch):
            assert 55 < await client.ttl(key) <= 60
            await client.expire(key, 20)
            await use("a")
        assert 55 < await client.ttl(key) <= 60

    with_shelf(redis_url, do)


def test_what_has_no_lifetime_stays(redis_url: str) -> None:
    async def do(shelf: Shelf) -> None:
        await shelf.put(b"x", "a")
        await shelf.touch("a")
        assert await shelf.get("a") == b"x"
        assert await shelf._client.ttl(PREFIX + "maps:a") == -1

    with_shelf(redis_url, do, KEPT._replace(keep_s=None))


def test_no_more_than_may_be(redis_url: str) -> None:
    async def do(shelf: Shelf) -> None:
        for id in "abc":
            await shelf.put(b"x", id)
        with pytest.raises(Overloaded, match="DELETE some") as refused:
            await shelf.put(b"x", "d")
        assert 55 < int(refused.value.headers["Retry-After"]) <= 60
        await shelf.put(b"y", "a")
        await shelf.delete("b")
        await shelf.put(b"x", "d")
        # Gone without being deleted, as when Redis expires or evicts it.
        await shelf._client.delete(PREFIX + "maps:c")
        await shelf.put(b"x", "e")
        assert await shelf._client.smembers(PREFIX + "maps") == {b"a", b"d", b"e"}
        with pytest.raises(TooLarge, match="1,001 bytes"):
            await shelf.put(b"x" * 1001)

    with_shelf(redis_url, do)


def test_without_redis_it_says_so() -> None:
    async def away(shelf: Shelf) -> None:
        for asked in (shelf.get("a"), shelf.touch("a"), shelf.delete("a"), shelf.put(b"")):
            with pytest.raises(Unavailable, match="does not answer"):
                await asked

    with_shelf("redis://127.0.0.1:9/0", away)

    async def none() -> None:
        with pytest.raises(Unavailable, match="REDIS_URL"):
            await Shelf(None, "maps", "map", KEPT).get("a")

    asyncio.run(none())


def test_a_full_redis_keeps_state_and_gives_up_the_rest(tmp_path: Path) -> None:
    large = Bounds(most=100, most_bytes=1 << 20, keep_s=60)

    async def do(shelf: Shelf) -> None:
        state = Shelf(shelf._client, "corpora", "corpus", large._replace(keep_s=None))
        await state.put(b"x" * (500 << 10), "kept")
        for number in range(20):
            await shelf.put(b"x" * (500 << 10), str(number))
        assert await state.get("kept")
        with pytest.raises(NotFound, match="less where Redis is full"):
            await shelf.get("0")
        async with asyncio.TaskGroup() as group:
            puts = [group.create_task(refusal(state.put(b"x" * (500 << 10), str(number)))) for number in range(20)]
        assert {put.result() for put in puts} == {None, "the Redis that keeps corpora is full"}
        assert await state.get("kept")

    with running_redis(tmp_path, "--maxmemory", "6mb", "--maxmemory-policy", "volatile-lru") as (_, url):
        with_shelf(url, do, large)
