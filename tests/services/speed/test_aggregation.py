"""Speeds on their way into aggregates: a real stats service, away, slow, killed and back; a real Redis, or none."""

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any

import httpx
import pytest
from fastapi import Request

from scripts.machine import free_port
from services.speed.aggregation import Aggregation, aggregating, request_key
from services.speed.settings import SpeedSettings
from services.speed.uploads import Part, Upload
from shared.context import RequestContext
from shared.errors import Malformed, NotFound, Unprocessable
from shared.metrics import Metrics
from tests.polling import until
from tests.processes import Process, running, running_redis
from tests.services.speed.clips import image

PATIENCE_S = 120.0
AWAY = "the stats service is away: the speeds will be added to aggregate fleet once it is back"


class Stats:
    """The stats service at one address, now there and now not."""

    def __init__(self, redis_url: str) -> None:
        self.redis_url, self.port = redis_url, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.aggregates = f"{self.url}/v1/stats/aggregates"

    @contextmanager
    def running(self) -> Iterator[Process]:
        with running("services.stats", REDIS_URL=self.redis_url, VERNIER_STATS_PORT=str(self.port)) as process:
            yield process

    def make(self, id: str = "fleet", *columns: str) -> None:
        body = {"kind": ["count", "sum"], "columns": columns or ["speed_mps"]}
        assert httpx.put(f"{self.aggregates}/{id}", json=body, timeout=PATIENCE_S).status_code == 201

    def found(self, id: str = "fleet") -> tuple[int, float]:
        present = httpx.get(f"{self.aggregates}/{id}", timeout=PATIENCE_S).json()["present"]
        return present["count"]["speed_mps"], present["sum"]["speed_mps"]


@pytest.fixture
def stats(redis_url: str) -> Stats:
    return Stats(redis_url)


@asynccontextmanager
async def aggregation(stats: Stats, redis_url: str | None = None, **settings: Any) -> AsyncIterator["Watched"]:
    metrics = Metrics()
    given = SpeedSettings(stats_url=stats.url, redis_url=redis_url, **settings)
    async with aggregating(given, metrics) as each:
        yield Watched(each, metrics)


class Watched:
    def __init__(self, aggregation: Aggregation, metrics: Metrics) -> None:
        self.add, self.check = aggregation.add, aggregation.check
        self._metrics = metrics

    def counted(self, outcome: str) -> float | None:
        return self._metrics.registry.get_sample_value("speed_additions_total", {"outcome": outcome})

    async def until_counted(self, outcome: str, times: int = 1) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.counted(outcome) != times:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


def context(seconds: float = 600) -> RequestContext:
    return RequestContext.of([(b"x-request-id", b"mine")], seconds)


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stats]:
    """One that is there all the time."""
    with running_redis(tmp_path_factory.mktemp("redis")) as (_, url):
        stats = Stats(url)
        with stats.running():
            yield stats


async def test_speeds_count_once_whoever_sends_them_and_however_often(steady: Stats) -> None:
    steady.make("once")
    async with aggregation(steady, steady.redis_url) as one, aggregation(steady, steady.redis_url) as other:
        for each in (one, one, other, other, one):
            assert await each.add("once", "k", [1.5, None, float("nan"), 2.0], context()) is None
        assert await one.add("once", "l", [3.0], None) is None
        assert await one.add("once", "nothing", [None], context()) is None
        assert (one.counted("added"), one.counted("repeated"), other.counted("repeated")) == (2, 2, 2)
        assert steady.found("once") == (3, 6.5)


async def test_what_can_never_be_added_is_said_before_and_after(steady: Stats) -> None:
    steady.make("fine")
    steady.make("two", "speed_mps", "time_s")
    async with aggregation(steady, steady.redis_url) as each:
        await each.check("fine", context())
        with pytest.raises(NotFound, match="there is no aggregate none; PUT") as unknown:
            await each.check("none", context())
        assert (unknown.value.errors[0].pointer, unknown.value.errors[0].place) == ("/aggregate", "query")
        with pytest.raises(Unprocessable, match="has columns speed_mps, time_s"):
            await each.check("two", context())
        said = await each.add("none", "k", [1.0], context())
        assert said is not None
        assert said.startswith("the speeds were not added to aggregate none: there is no aggregate none")
        assert "is one array" in (await each.add("two", "k", [1.0], context()) or "")
        assert (each.counted("refused"), each.counted("deferred")) == (2, 0)


async def test_a_key_that_was_used_for_other_speeds(steady: Stats) -> None:
    steady.make("keys")
    async with aggregation(steady, steady.redis_url) as each:
        for key in ("key-a", "sent-a"):
            assert await each.add("keys", key, [1.0], context()) is None
        said = await each.add("keys", "key-a", [2.0], context())
        assert said == "aggregate keys has counted other speeds under this Idempotency-Key: these were not added"
        assert await each.add("keys", "sent-a", [1.0000001], context()) is None
        assert steady.found("keys") == (2, 2.0)


async def test_what_stats_missed_is_made_good_once(stats: Stats, redis_url: str) -> None:
    with stats.running() as process:
        stats.make()
        process.popen.kill()
        process.popen.wait()
        async with aggregation(stats, redis_url) as first, aggregation(stats, redis_url) as second:
            await first.check("fleet", context())
            for each in (first, second, first, second, first):
                assert await each.add("fleet", "k", [1.0, 2.0], context()) == AWAY
            assert first.counted("deferred") == 3
    async with aggregation(stats, redis_url) as third:
        with stats.running():
            await third.until_counted("made_good")
            assert await third.add("fleet", "k", [1.0, 2.0], context()) is None
            assert stats.found() == (2, 3.0)
            assert third.counted("made_good") == 1


async def test_what_stats_refuses_after_its_return_is_given_up(stats: Stats, redis_url: str) -> None:
    with stats.running() as process:
        stats.make()
        process.popen.kill()
        process.popen.wait()
        async with aggregation(stats, redis_url) as first:
            assert await first.add("fleet", "k", [1.0], context()) == AWAY
    with stats.running():
        deleted = await asyncio.to_thread(httpx.delete, f"{stats.aggregates}/fleet", timeout=PATIENCE_S)
        assert deleted.status_code == 204
        async with aggregation(stats, redis_url) as second:
            await second.until_counted("refused")
            stats.make()
            assert await second.add("fleet", "l", [2.0], context()) is None
            assert stats.found() == (1, 2.0)


async def test_a_stats_that_hangs_holds_nobody_up_and_counts_once_all_the_same(stats: Stats, redis_url: str) -> None:
    with stats.running() as process:
        stats.make()
        async with aggregation(stats, redis_url) as each:
            process.popen.send_signal(signal.SIGSTOP)
            try:
                async with asyncio.timeout(PATIENCE_S):
                    assert await each.add("fleet", "k", [4.0], context()) == AWAY
                    assert await each.add("fleet", "l", [5.0], context(0.2)) == AWAY
            finally:
                process.popen.send_signal(signal.SIGCONT)
            await each.until_counted("made_good", 2)
            assert stats.found() == (2, 9.0)


async def test_with_redis_away_too_the_client_is_told_to_come_again(stats: Stats) -> None:
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    for redis_url, reason in (
        (None, "cannot be kept for later"),
        (nowhere, "Redis, which would keep them, is away too"),
    ):
        async with aggregation(stats, redis_url) as each:
            said = await each.add("fleet", "k", [1.0], context())
            assert said == (
                f"the stats service is away and the speeds were not added to aggregate fleet ({reason}): "
                "send the same request again later; it counts once"
            )
            assert each.counted("lost") == 1
    with stats.running():
        stats.make()
        async with aggregation(stats) as each:
            for _ in range(2):
                assert await each.add("fleet", "k", [1.0], context()) is None
        assert stats.found() == (1, 1.0)


async def test_what_waits_is_bounded(stats: Stats, redis_url: str) -> None:
    async with aggregation(stats, redis_url, additions_kept=1) as each:
        assert await each.add("fleet", "k", [1.0], context()) == AWAY
        assert "too many wait for that already" in (await each.add("fleet", "l", [1.0], context()) or "")


async def key_of(given: Request, *files: bytes, **fields: list[str]) -> str:
    """The key of a request that uploads these."""
    file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
    parts, offset = [], 0
    for content in files:
        parts.append(Part("frames", "name.jpg", offset, len(content)))
        offset += file.write(content) or 0
    upload = Upload(file, offset, parts, fields)
    try:
        return await request_key(given, upload)
    finally:
        upload.discard()


def request(query: str = "aggregate=a&fps=20", path: str = "/v1/speed/frames", **headers: str) -> Request:
    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": query.encode(), "headers": fields}
    return Request({**scope, "server": ("here", 80), "scheme": "http"})


async def test_a_request_is_known_again_by_what_was_sent() -> None:
    known = await key_of(request(), b"one", b"two")
    for same in (request("fps=20&aggregate=a"), request(accept="text/csv"), request(x_request_id="other")):
        assert await key_of(same, b"one", b"two") == known
    others = [
        await key_of(request(), b"onetwo"),
        await key_of(request(), b"onet", b"wo"),
        await key_of(request(), b"one", b"two", fps=["20"]),
        await key_of(request("aggregate=a&fps=21"), b"one", b"two"),
        await key_of(request(path="/v1/speed/video"), b"one", b"two"),
        await key_of(request(idempotency_key="k"), b"one", b"two"),
    ]
    assert len({known, *others}) == 7
    assert await key_of(request("aggregate=b", idempotency_key="k"), b"other") == others[-1]
    assert all(len(key) < 100 for key in (known, *others))


@pytest.mark.parametrize("key", ["", "a b", "k" * 256, "\xe9"], ids=["empty", "blank", "long", "letters"])
async def test_a_key_that_is_none(key: str) -> None:
    with pytest.raises(Malformed, match="1 to 255 visible ASCII characters"):
        await key_of(request(idempotency_key=key), b"one")


def frames(count: int) -> list[tuple[str, tuple[str, bytes, str]]]:
    return [("frames", (f"{k}.jpg", image(k, width=160, height=96), "image/jpeg")) for k in range(count)]


def test_two_speed_processes_and_a_stats_that_is_killed(stats: Stats, redis_url: str) -> None:
    """Five clients' retries at two processes while stats is dead, and one more when it is back: counted once."""
    env = {"REDIS_URL": redis_url, "VERNIER_SPEED_STATS_URL": stats.url}
    with ExitStack() as stack:
        services = [stack.enter_context(running("services.speed", **env)).address for _ in range(2)]
        client = stack.enter_context(httpx.Client(timeout=PATIENCE_S))

        def send(service: int, **headers: str) -> httpx.Response:
            url = f"{services[service % 2]}/v1/speed/frames?aggregate=fleet&camera=kitti&fps=10"
            return client.post(url, files=frames(3), headers=headers)

        with stats.running() as process:
            assert send(0).status_code == 404
            stats.make()
            process.popen.kill()
            process.popen.wait()
            answers = [send(k, **{"Idempotency-Key": "trip"}) for k in range(5)] + [send(k) for k in range(2)]
            assert [each.status_code for each in answers] == [200] * 7
            assert all(AWAY in each.json()["warnings"] for each in answers)
        with stats.running():
            speeds = [each for each in answers[0].json()["speed_mps"] if each is not None]
            assert speeds
            expected = 2 * len(speeds)
            until(lambda: stats.found()[0] == expected, "both are made good", PATIENCE_S)
            for each in (send(0, **{"Idempotency-Key": "trip"}), send(1)):
                assert not [warning for warning in each.json()["warnings"] if "aggregate" in warning]
            count, total = stats.found()
            assert count == expected
            assert total == pytest.approx(2 * sum(speeds), rel=1e-12)


def test_with_no_stats_and_no_redis_speeds_are_answered(speed_url: str) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    with running("services.speed", VERNIER_SPEED_STATS_URL=nowhere) as process:
        answer = httpx.post(
            f"{process.address}/v1/speed/frames?aggregate=fleet&camera=kitti&fps=10",
            files=frames(3),
            timeout=PATIENCE_S,
        )
    plain = httpx.post(f"{speed_url}/v1/speed/frames?camera=kitti&fps=10", files=frames(3), timeout=PATIENCE_S)
    assert answer.status_code == 200
    assert answer.json()["speed_mps"] == plain.json()["speed_mps"]
    assert "send the same request again later; it counts once" in answer.json()["warnings"][-1]
    assert answer.headers["cache-control"] == "no-store"
