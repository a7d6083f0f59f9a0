"""What is owed to a service that is away: kept once, bounded, given to one courier at a time, delivered in the end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from scripts.machine import free_port
from shared import redis
from shared.outbox import Courier, Item, Outbox
from shared.redis import Failure
from tests.processes import running_redis

PATIENCE_S = 30.0


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    connected = redis.connect(redis_url, timeout_s=5.0)
    yield connected
    await connected.aclose()


def outbox(client: Redis, items: int = 100, size: int = 10_000, prefix: str = "test:") -> Outbox:
    return Outbox(client, prefix, items=items, size=size)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_an_item_is_there_once_until_it_is_removed(client: Redis) -> None:
    box = outbox(client)
    item = Item("a", bytes(range(256)))
    assert [await box.put(item) for _ in range(3)] == [True] * 3
    assert await box.count() == 1
    assert await box.claim(60, 10) == [item]
    assert await box.claim(60, 10) == []
    assert [await box.remove(item) for _ in range(2)] == [True, False]
    assert await box.count() == 0
    assert await client.get("test:bytes") == b"0"


async def test_a_claim_that_is_not_kept_lapses(client: Redis) -> None:
    box = outbox(client)
    await box.put(Item("a", b"1"))
    assert await box.claim(0.05, 10) == [Item("a", b"1")]
    async with asyncio.timeout(PATIENCE_S):
        while not (again := await box.claim(60, 10)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert again == [Item("a", b"1")]
    await box.postpone(again, 0)
    assert await box.claim(60, 10) == again
    await box.postpone([Item("gone", b"")], 0)
    assert await box.claim(60, 10) == []


async def test_there_is_room_for_so_many_and_so_much(client: Redis) -> None:
    few = outbox(client, items=2)
    assert [await few.put(Item(str(k), b"x")) for k in (0, 1, 2, 1)] == [True, True, False, True]
    small = outbox(client, size=100, prefix="small:")
    assert [await small.put(Item(str(k), bytes(60))) for k in (0, 1)] == [True, False]
    await small.remove(Item("0", b""))
    assert await small.put(Item("1", bytes(60)))


async def test_nothing_of_it_expires(client: Redis) -> None:
    await outbox(client).put(Item("a", b"1"))
    assert {await client.ttl(key) for key in await client.keys("test:*")} == {-1}


async def test_a_courier_delivers_until_it_is_done_and_lets_none_wait_for_one_that_fails(client: Redis) -> None:
    box, tried, done = outbox(client), list[str](), list[str]()

    async def deliver(item: Item) -> bool:
        tried.append(item.id)
        if item.id == "bad" or tried.count(item.id) < 2:
            return False
        done.append(item.id)
        return True

    for name in ("bad", "one", "two"):
        await box.put(Item(name, b""))
    courier = Courier(box, deliver, look_s=0.01, longest_s=0.02)
    courier.start()
    await until(lambda: sorted(done) == ["one", "two"])
    await until(lambda: courier.pending == 1)
    await courier.aclose()
    assert await box.count() == 1


async def test_two_couriers_share(client: Redis) -> None:
    box, done = outbox(client, items=1000), list[str]()

    async def deliver(item: Item) -> bool:
        await asyncio.sleep(0)
        done.append(item.id)
        return True

    for k in range(100):
        await box.put(Item(str(k), b""))
    couriers = [Courier(box, deliver, look_s=0.01) for _ in range(2)]
    for each in couriers:
        each.start()
    await until(lambda: len(done) >= 100)
    for each in couriers:
        await each.aclose()
    assert sorted(done, key=int) == [str(k) for k in range(100)]


async def test_what_a_courier_leaves_undone_is_due_at_once(client: Redis) -> None:
    box, begun = outbox(client), asyncio.Event()
    items = [Item(name, b"") for name in ("one", "two")]

    async def deliver(_: Item) -> bool:
        begun.set()
        await asyncio.Event().wait()
        return True

    for item in items:
        await box.put(item)
    courier = Courier(box, deliver, look_s=0.01)
    courier.start()
    async with asyncio.timeout(PATIENCE_S):
        await begun.wait()
    assert await box.claim(60, 10) == []
    await courier.aclose()
    assert sorted(await box.claim(60, 10)) == items


async def test_what_redis_gives_while_a_courier_is_told_to_stop_is_due_at_once(
    client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    box, given, go_on = outbox(client), asyncio.Event(), asyncio.Event()
    await box.put(Item("a", b""))
    claim = box.claim

    async def held_up(lease_s: float, most: int) -> list[Item]:
        items = await claim(lease_s, most)
        given.set()
        await go_on.wait()
        return items

    async def deliver(_: Item) -> bool:
        raise AssertionError("nothing is to be delivered")

    monkeypatch.setattr(box, "claim", held_up)
    courier = Courier(box, deliver, look_s=0.01)
    courier.start()
    async with asyncio.timeout(PATIENCE_S):
        await given.wait()
        closing = asyncio.create_task(courier.aclose())
        await asyncio.sleep(0)
        go_on.set()
        await closing
    assert await claim(60, 10) == [Item("a", b"")]


async def test_a_courier_outlives_the_redis_it_looks_into(tmp_path: Path) -> None:
    port, done = free_port(), list[str]()

    async def deliver(item: Item) -> bool:
        done.append(item.id)
        return True

    connected = redis.connect(f"redis://127.0.0.1:{port}/0", timeout_s=1.0)
    box = outbox(connected)
    courier = Courier(box, deliver, look_s=0.01)
    courier.start()
    with pytest.raises(Failure):
        await box.put(Item("a", b""))
    with running_redis(tmp_path, port=port):
        await box.put(Item("a", b""))
        await until(lambda: done == ["a"])
        await courier.aclose()
        await connected.aclose()
