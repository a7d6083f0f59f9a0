"""The steps that Redis takes, in a real one."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from services.stats.store import SHARDS, Batch, Store

DEFINITION = b'{"kind":["count"],"columns":["x"]}'


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


def store(redis: Redis, shard: int = 0, most: int = 10) -> Store:
    return Store(redis, most=most, keep_s=100.0, most_keys=100, shard=shard)


async def test_writers_of_different_shards_are_merged_on_read(redis: Redis) -> None:
    stores = [store(redis, shard) for shard in range(SHARDS)]
    await stores[0].create("a", DEFINITION)
    for k, each in enumerate(stores):
        outcome = await each.append("a", Batch(DEFINITION, b"state %d" % k))
        assert (outcome.kind, outcome.length, outcome.size) == ("added", 1, 7)
    found = await stores[3].read("a")
    assert found is not None
    assert found.states == [b"state %d" % k for k in range(SHARDS)]
    own = await stores[3].read_own("a")
    assert own is not None
    assert own.states == [b"state 3"]


async def test_settling_a_shard_is_no_business_of_the_others(redis: Redis) -> None:
    first, second = store(redis, 1), store(redis, 2)
    await first.create("a", DEFINITION)
    await first.append("a", Batch(DEFINITION, b"1"))
    await second.append("a", Batch(DEFINITION, b"2"))
    mine, theirs = await first.read_own("a"), await second.read_own("a")
    assert mine is not None
    assert theirs is not None
    await first.append("a", Batch(DEFINITION, b"3"))
    assert await first.settle("a", mine, b"one") is True
    assert await second.settle("a", theirs, b"two") is True
    assert await first.settle("a", mine, b"one") is False  # it was settled since
    found = await first.read("a")
    assert found is not None
    assert found.states == [b"one", b"3", b"two"]
    assert (await first.append("a", Batch(DEFINITION, b"4"))).size == 2


async def test_a_key_counts_once_whatever_the_shard(redis: Redis) -> None:
    first, second = store(redis, 1), store(redis, 2)
    await first.create("a", DEFINITION)
    batch = Batch(DEFINITION, b"s", b"key", b"meant")
    assert [(await each.append("a", batch)).kind for each in (first, second, first)] == [
        "added",
        "repeated",
        "repeated",
    ]


async def test_another_of_the_same_id_has_nothing_of_the_first(redis: Redis) -> None:
    each = store(redis, 5)
    await each.create("a", DEFINITION)
    await each.append("a", Batch(DEFINITION, b"s", b"key", b"meant"))
    old = await each.read_own("a")
    assert old is not None
    assert await each.remove("a") is True
    assert await redis.keys("*") == []
    assert await each.remove("a") is False
    await each.create("a", DEFINITION)
    assert await each.settle("a", old, b"merged") is False
    assert (await each.append("a", Batch(DEFINITION, b"s", b"key", b"meant"))).kind == "added"


async def test_a_time_to_live_runs_from_the_last_addition(redis: Redis) -> None:
    each = store(redis)
    assert await each.create("a", DEFINITION, 1_000.0) == "created"
    due = await redis.zscore("vernier:aggregates::expiring", "a")
    assert due is not None
    await each.append("a", Batch(DEFINITION, b"s"))
    later = await redis.zscore("vernier:aggregates::expiring", "a")
    assert later is not None
    assert later > due
    found = await each.read("a")
    assert found is not None
    assert found.ttl_s == 1_000.0
    assert await redis.ttl("vernier:aggregates:a") == -1  # Redis may not make room by it
    assert await each.create("a", DEFINITION) == "same"
    assert await redis.zcard("vernier:aggregates::expiring") == 0
    found = await each.read("a")
    assert found is not None
    assert (found.ttl_s, found.states) == (None, [b"s"])


async def test_what_has_lived_is_gone_for_everyone_and_makes_room(redis: Redis) -> None:
    each = store(redis, most=2)
    for id in ("a", "b"):
        await each.create(id, DEFINITION, 1_000.0)
        await each.append(id, Batch(DEFINITION, b"s", b"key", b"meant"))
    assert await each.create("c", DEFINITION) == "full"
    await redis.zadd("vernier:aggregates::expiring", {"a": 1.0, "b": 1.0})
    assert await each.definition("a") is None
    assert await each.read("a") is None
    assert (await each.append("a", Batch(DEFINITION, b"s"))).kind == "unknown"
    assert await each.create("c", DEFINITION) == "created"
    assert sorted(await redis.keys("*")) == [b"vernier:aggregates:", b"vernier:aggregates:c"]
    assert await each.remove("b") is False


async def test_what_is_not_asked_for_again_is_swept_up_by_other_writes(redis: Redis) -> None:
    each = store(redis)
    for id in ("a", "b", "c"):
        await each.create(id, DEFINITION, 1_000.0)
    await each.create("d", DEFINITION)
    await redis.zadd("vernier:aggregates::expiring", {"a": 1.0, "b": 1.0, "c": 1.0})
    for left in (1, 0):
        await each.append("d", Batch(DEFINITION, b"s"))
        assert await redis.zcard("vernier:aggregates::expiring") == left
    assert await redis.smembers("vernier:aggregates:") == {b"d"}


async def test_what_an_earlier_version_kept_is_read_and_added_to(redis: Redis) -> None:
    """It had one base and one tail."""
    await redis.sadd("vernier:aggregates:", "a")
    for field, value in {"definition": DEFINITION, "token": "t", "base": "old", "merges": 3, "bytes": 4}.items():
        await redis.hset("vernier:aggregates:a", field, value)  # type: ignore[arg-type]
    await redis.rpush("vernier:aggregates:a:tail", "tail")
    each, first = store(redis, 6), store(redis, 0)
    await each.append("a", Batch(DEFINITION, b"new"))
    found = await each.read("a")
    assert found is not None
    assert found.states == [b"old", b"tail", b"new"]
    own = await first.read_own("a")
    assert own is not None
    assert await first.settle("a", own, b"merged") is True
    found = await each.read("a")
    assert found is not None
    assert found.states == [b"merged", b"new"]
