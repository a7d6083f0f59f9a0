"""Each step of a job in Redis: whole, once, and for one worker alone."""

import asyncio
import contextlib
import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError, ResponseError

from gateway.jobs.job import Answer, Request, Work
from gateway.jobs.message import message_of
from gateway.jobs.settings import AcceptanceSettings
from gateway.jobs.store import CONSUMER, GROUP, PREFIX, Counts, Store
from shared import redis
from tests.processes import running_redis

QUEUE = f"{PREFIX}queue:stats"
ANSWER = Answer(200, [("content-type", "text/plain")], b"result")
MANY = 1 << 30


class Twice(Store):
    """Each step as if its first reply had been lost."""

    async def _run(self, name: str, *arguments: Any) -> Any:
        first = await super()._run(name, *arguments)
        second = await super()._run(name, *arguments)
        if name == "begin" and first:
            assert second == [] or second[0] == first[0]
        else:
            assert second == first or (name, first) == ("cancel", b"removed")
        return first


def limits(**changed: Any) -> AcceptanceSettings:
    return AcceptanceSettings(**changed)


async def accept(
    store: Store, job_id: str, body: bytes = b"body", key: str = "", digest: str = "", **given: Any
) -> str:
    request = Request("stats", "trend", "POST", "/work?a=1", [("accept", "x/y")], body, "rid")
    return (await store.accept(job_id, request, message_of(job_id), key, digest, limits(**given))).kind


async def deliver(store: Store) -> None:
    """As a worker's read does: one more entry is held by the group."""
    with contextlib.suppress(ResponseError):  # it is there already
        await store.redis.xgroup_create(QUEUE, GROUP, id="0", mkstream=True)
    await store.redis.xreadgroup(GROUP, CONSUMER, {QUEUE: ">"}, count=1)


async def begin(store: Store, job_id: str) -> Work:
    begun = await store.begin(job_id, 3)
    assert begun is not None
    assert begun[1] is not None
    return begun[1]


async def fill(client: Redis) -> None:
    """Until it takes no more."""
    with contextlib.suppress(OutOfMemoryError):
        for number in itertools.count():
            await client.set(f"state:{number}", b"z" * 50_000)


async def status(store: Store, job_id: str) -> str:
    fields = await store.fields(job_id)
    assert fields is not None
    return fields[b"status"].decode()


async def held(store: Store) -> tuple[int, int]:
    """Entries in the queue, and those that are delivered and not acknowledged."""
    return await store.redis.xlen(QUEUE), (await store.redis.xpending(QUEUE, GROUP))["pending"]


async def test_a_job_from_acceptance_to_removal(store: Store) -> None:
    assert await accept(store, "a") == "accepted"
    assert await store.counts() == Counts(1, 0, 4)
    await deliver(store)
    work = await begin(store, "a")
    assert (work.request.target, work.request.headers, work.request.body) == ("/work?a=1", [("accept", "x/y")], b"body")
    assert 3590 < work.remaining_s <= 3600
    assert await store.counts() == Counts(0, 1, 4)
    assert await store.finish(work, "succeeded", MANY, ANSWER, b"") == 1
    assert await store.counts() == Counts(0, 0, len(ANSWER.body))
    assert await held(store) == (0, 0)
    assert await store.result("a") == b"result"
    assert await store.cancel("a") == "removed"
    assert await store.counts() == Counts(0, 0, 0)
    left = {key for key in await store.redis.keys(f"{PREFIX}*") if await store.redis.type(key) == b"string"}
    assert left == set()
    assert not await store.redis.exists(f"{PREFIX}job:a", f"{PREFIX}events:a")


async def test_each_step_may_be_made_again_where_its_reply_was_lost(store: Store) -> None:
    twice = Twice(store.redis)
    assert await accept(twice, "a", key="k", digest="d") == "accepted"
    await deliver(twice)
    assert await twice.release(await begin(twice, "a"))
    await deliver(twice)
    work = await begin(twice, "a")
    assert await twice.again(work, 2)
    assert await twice.finish(work, "succeeded", MANY, ANSWER, b"") == 1
    assert await accept(twice, "b") == "accepted"
    assert await twice.cancel("b") == "cancelled"
    for job_id, attempts in (("a", b"2"), ("b", b"0")):
        fields = await twice.fields(job_id)
        assert fields is not None
        assert fields[b"attempts"] == attempts
    await _assert_consistent(twice)


async def test_a_job_without_a_body_ends_like_any_other(store: Store) -> None:
    for job_id, answer in (("a", Answer(204, [], b"")), ("b", ANSWER)):
        await accept(store, job_id, b"")
        await deliver(store)
        assert await store.finish(await begin(store, job_id), "succeeded", MANY, answer, b"") == 1
        assert await store.result(job_id) == answer.body
        assert await store.cancel(job_id) == "removed"
    assert await store.counts() == Counts(0, 0, 0)


async def test_nothing_of_a_job_has_a_ttl_so_that_nothing_of_it_is_evicted(store: Store) -> None:
    await accept(store, "a", key="k", digest="d")
    await deliver(store)
    await store.finish(await begin(store, "a"), "succeeded", MANY, ANSWER, b"")
    await accept(store, "b")
    ttls = {key: await store.redis.ttl(key) for key in await store.redis.keys("*")}
    assert set(ttls.values()) == {-1}, ttls


async def test_a_stale_worker_changes_nothing(store: Store) -> None:
    await accept(store, "a")
    await deliver(store)
    stale = await begin(store, "a")
    fresh = await begin(store, "a")
    assert fresh.fence != stale.fence
    assert not await store.renew(stale, 0.9)
    assert not await store.release(stale)
    assert not await store.again(stale, 9)
    assert await store.finish(stale, "succeeded", MANY, Answer(200, [], b"stale"), b"") == 0
    assert await store.finish(fresh, "succeeded", MANY, ANSWER, b"") == 1
    assert await store.finish(stale, "failed", MANY, None, b"{}") == 0
    assert await store.finish(fresh, "failed", MANY, None, b"{}") == 0
    assert (await status(store, "a"), await store.result("a")) == ("succeeded", b"result")


async def test_progress_never_goes_back(store: Store) -> None:
    await accept(store, "a")
    await deliver(store)
    work = await begin(store, "a")
    seen = []
    for share in (0.3, 0.1, 0.305, 0.5, 0.4):
        assert await store.renew(work, share)
        fields = await store.fields("a")
        assert fields is not None
        seen.append(float(fields[b"progress"]))
    assert seen == [0.3, 0.3, 0.3, 0.5, 0.5]
    again = await begin(store, "a")
    await store.renew(again, 0.2)
    fields = await store.fields("a")
    assert fields is not None
    assert float(fields[b"progress"]) == 0.5


async def test_a_sign_of_life_begins_the_lease_anew(store: Store) -> None:
    await accept(store, "a")
    await deliver(store)
    work = await begin(store, "a")
    [entry] = await store.redis.xpending_range(QUEUE, GROUP, "-", "+", 1)
    await store.redis.xclaim(QUEUE, GROUP, CONSUMER, 0, [entry["message_id"]], idle=60_000, justid=True)
    assert await store.renew(work, 0)
    [entry] = await store.redis.xpending_range(QUEUE, GROUP, "-", "+", 1)
    assert int(entry["time_since_delivered"]) < 60_000


async def test_a_job_that_ends_its_workers_fails_after_the_attempts_allowed(store: Store) -> None:
    await accept(store, "a")
    await deliver(store)
    for _ in range(3):
        await begin(store, "a")
    begun = await store.begin("a", 3)
    assert begun is not None
    fields, work = begun
    assert work is None
    assert fields[b"status"] == b"failed"
    assert fields[b"attempts"] == b"3"
    assert b"broke off 3 times" in fields[b"error"]
    assert await held(store) == (0, 0)
    assert await store.begin("a", 3) is None


async def test_what_is_handed_back_is_queued_anew_and_was_no_attempt(store: Store) -> None:
    await accept(store, "a")
    await deliver(store)
    work = await begin(store, "a")
    assert await store.release(work)
    assert await status(store, "a") == "queued"
    assert await store.counts() == Counts(1, 0, 4)
    assert await held(store) == (1, 0)
    await deliver(store)
    await begin(store, "a")
    fields = await store.fields("a")
    assert fields is not None
    assert fields[b"attempts"] == b"1"


async def test_cancelling_and_finishing_at_once_have_one_winner(store: Store) -> None:
    """Twenty times: whoever comes second is told so, and the first one's word holds."""
    winners: Counter[str] = Counter()
    for number in range(20):
        job_id = f"race{number}"
        await accept(store, job_id)
        await deliver(store)
        work = await begin(store, job_id)
        steps = [store.finish(work, "succeeded", MANY, ANSWER, b""), store.cancel(job_id)]
        done = await asyncio.gather(*(steps if number % 2 else steps[::-1]))
        filed, cancelled = done if number % 2 else done[::-1]
        if filed == 1:
            assert cancelled == "removed"
            assert await store.fields(job_id) is None
        else:
            assert (filed, cancelled) == (0, "cancelled")
            assert await status(store, job_id) == "cancelled"
            assert await store.result(job_id) is None
        winners[str(cancelled)] += 1
    assert sum(winners.values()) == 20
    assert (await store.counts()).running == 0


async def test_the_same_key_is_the_same_job_and_of_two_at_once_one_is_made(store: Store) -> None:
    made = await asyncio.gather(*(accept(store, f"j{n}", key="key", digest="digest") for n in range(8)))
    assert Counter(made) == {"accepted": 1, "known": 7}
    assert await accept(store, "other", key="key", digest="another") == "other"
    assert await store.counts() == Counts(1, 0, 4)
    assert len(await store.redis.keys(f"{PREFIX}body:*")) == 1


async def test_limits_are_kept_before_anything_is_stored(store: Store) -> None:
    assert await accept(store, "a", jobs_max_queued=1) == "accepted"
    assert await accept(store, "b", jobs_max_queued=1) == "queued"
    assert await accept(store, "c", b"12345", jobs_max_bytes=8) == "bytes"
    assert await accept(store, "d", b"1234", jobs_max_bytes=8) == "accepted"
    assert await store.counts() == Counts(2, 0, 8)
    assert sorted(await store.redis.keys(f"{PREFIX}*:[bc]")) == []


async def test_a_result_without_room_is_refused_and_the_job_can_still_end(store: Store) -> None:
    await accept(store, "a")
    await deliver(store)
    work = await begin(store, "a")
    assert await store.finish(work, "succeeded", 5, ANSWER, b"") == -1
    assert await status(store, "a") == "running"
    assert await store.finish(work, "failed", 5, None, b"{}") == 1


async def test_what_has_expired_is_gone_at_once_and_then_removed(store: Store) -> None:
    await accept(store, "a", key="k", jobs_result_ttl_s=0.05)
    await deliver(store)
    assert await store.finish(await begin(store, "a"), "succeeded", MANY, ANSWER, b"") == 1
    async with asyncio.timeout(30):
        while await store.fields("a") is not None:  # noqa: ASYNC110 - the clock is that of Redis
            await asyncio.sleep(0.005)
    assert await store.counts() == Counts(0, 0, 0)
    assert await store.redis.keys(f"{PREFIX}*:a") == []
    assert await accept(store, "b", key="k") == "accepted"


async def test_a_full_redis_takes_no_new_job_and_sees_those_taken_to_their_end(tmp_path: Path) -> None:
    options = ["--maxmemory", "4mb", "--maxmemory-policy", "volatile-lru"]
    with running_redis(tmp_path, *options) as (_, url):
        client = redis.connect(url, timeout_s=10)
        store = Store(client)
        for job_id in ("a", "b", "c"):
            assert await accept(store, job_id, b"x" * 1000) == "accepted"
        await deliver(store)
        await client.set("cache", b"y" * 100_000, ex=1000)
        await fill(client)
        assert not await client.exists("cache")
        with pytest.raises(OutOfMemoryError):
            await accept(store, "d", b"x" * 100_000)
        assert not await client.exists(f"{PREFIX}job:d", f"{PREFIX}body:d")
        work = await begin(store, "a")
        assert work.request.body == b"x" * 1000
        assert await store.renew(work, 0.5)
        assert await store.release(work)
        await deliver(store)
        await deliver(store)
        assert await store.finish(await begin(store, "a"), "succeeded", MANY, ANSWER, b"") == 1
        assert await store.result("a") == b"result"
        assert await store.cancel("b") == "cancelled"
        assert await store.counts() == Counts(1, 0, 1006)
        await client.aclose()


STEPS = st.lists(
    st.tuples(st.sampled_from(["accept", "begin", "finish", "stale", "cancel", "release", "renew"]), st.integers(0, 3)),
    max_size=30,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_counts_and_queue_say_what_the_jobs_say_whatever_happens(redis_url: str, steps: list[tuple[str, int]]) -> None:
    async def run() -> None:
        client = redis.connect(redis_url, timeout_s=5)
        await client.flushall()
        await _take(Twice(client), steps)
        await _assert_consistent(Store(client))
        await client.aclose()

    asyncio.run(run())


async def _take(store: Store, steps: list[tuple[str, int]]) -> None:
    works: dict[str, list[Work]] = {}
    for step, number in steps:
        job_id = f"j{number}"
        known = works.setdefault(job_id, [])
        if step == "accept" and not await store.redis.exists(f"{PREFIX}job:{job_id}"):
            assert await accept(store, job_id, b"x" * (number + 1)) == "accepted"
            await deliver(store)
        elif step == "begin":
            begun = await store.begin(job_id, 3)
            if begun is not None and begun[1] is not None:
                known.append(begun[1])
        elif step == "cancel":
            await store.cancel(job_id)
        elif known and step == "finish":
            await store.finish(known[-1], "succeeded", MANY, ANSWER, b"")
        elif known and step == "stale":
            await store.finish(known[0], "failed", MANY, ANSWER, b"{}")
        elif known and step == "release" and await store.release(known[-1]):
            await deliver(store)
        elif known and step == "renew":
            await store.renew(known[-1], number / 3)


async def _assert_consistent(store: Store) -> None:
    client: Any = store.redis
    names = [name.decode().rpartition(":")[2] for name in await client.keys(f"{PREFIX}job:*")]
    statuses = Counter([await status(store, name) for name in names])
    kept = [name for kind in ("body", "result") for name in await client.keys(f"{PREFIX}{kind}:*")]
    sizes = sum([await store.redis.strlen(name) for name in kept])
    assert await store.counts() == Counts(statuses["queued"], statuses["running"], sizes)
    if await store.redis.exists(QUEUE):
        waiting = statuses["queued"] + statuses["running"]
        assert await held(store) == (waiting, waiting)
    for name in names:
        numbers = [int(entry[0].split(b"-")[0]) for entry in await client.xrange(f"{PREFIX}events:{name}")]
        assert numbers == list(range(1, len(numbers) + 1))
