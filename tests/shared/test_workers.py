import asyncio
import re
import threading
import time
from collections.abc import Iterator
from math import ceil

import httpx
import pytest

from shared.context import RequestContext, current_context
from shared.errors import ClientGone, DeadlinePassed, Overloaded
from shared.metrics import Metrics
from shared.workers import Workers
from tests.processes import Process
from tests.shared.echo import EchoSettings
from tests.sockets import connect


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def workers(metrics: Metrics) -> Iterator[Workers]:
    pool = Workers(EchoSettings(threads=1, max_queue=1), metrics)
    yield pool
    pool.close()


def computations(metrics: Metrics, outcome: str) -> float:
    return metrics.registry.get_sample_value("inference_requests_total", {"outcome": outcome}) or 0.0


class Busy:
    """Holds the only thread until told to let go."""

    def __init__(self, workers: Workers) -> None:
        self.started = threading.Event()
        self.let_go = threading.Event()
        self.task = asyncio.ensure_future(workers.run(self._hold))

    def _hold(self) -> bool:
        self.started.set()
        return self.let_go.wait(60)


async def test_computes_off_the_loop(workers: Workers, metrics: Metrics) -> None:
    assert await workers.run(threading.current_thread) is not threading.current_thread()
    assert computations(metrics, "ok") == 1


async def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(workers: Workers, metrics: Metrics) -> None:
    busy = Busy(workers)
    await asyncio.to_thread(busy.started.wait, 30)
    waiting = asyncio.ensure_future(workers.run(int))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refusal:
        await workers.run(int)
    assert int(refusal.value.headers["Retry-After"]) >= 1
    assert computations(metrics, "rejected") == 1
    busy.let_go.set()
    assert await waiting == 0
    assert await busy.task
    assert await workers.run(int) == 0


async def test_retry_after_is_the_cost_ahead_by_the_measured_rate(metrics: Metrics) -> None:
    workers = Workers(EchoSettings(threads=1, max_queue=10), metrics)
    for _ in range(100):
        workers.admission.rate.served(1.0, 2.5)
    busy = Busy(workers)
    await asyncio.to_thread(busy.started.wait, 30)
    waiting = [asyncio.ensure_future(workers.run_costing(cost, int)) for cost in (6.0, 3.0)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refusal:
        await workers.run_costing(2.0, int)
    assert refusal.value.headers["Retry-After"] == str(ceil((6 + 3 + 1) * 2.5))
    waiting.append(asyncio.ensure_future(workers.run(int)))
    await asyncio.sleep(0)
    busy.let_go.set()
    assert await asyncio.gather(*waiting) == [0, 0, 0]
    assert await busy.task
    assert await workers.run_costing(11.0, int) == 0
    workers.close()


async def test_what_could_not_begin_before_its_deadline_is_refused_at_once(workers: Workers, metrics: Metrics) -> None:
    workers.admission.max_cost = 10
    for _ in range(100):
        workers.admission.rate.served(1.0, 50.0)
    busy = Busy(workers)
    await asyncio.to_thread(busy.started.wait, 30)
    waiting = asyncio.ensure_future(workers.run(int))
    await asyncio.sleep(0)
    current_context.set(RequestContext.of([], 40.0))
    with pytest.raises(Overloaded, match="deadline"):
        await workers.run(int)
    current_context.set(RequestContext.of([], 400.0))
    later = asyncio.ensure_future(workers.run(int))
    await asyncio.sleep(0)
    current_context.set(None)
    busy.let_go.set()
    assert [await waiting, await later] == [0, 0]
    assert await busy.task
    assert computations(metrics, "rejected") == 1


async def test_a_request_that_has_been_computed_for_is_not_refused(workers: Workers) -> None:
    context = RequestContext.of([], 60.0)
    current_context.set(context)
    assert await workers.run(int) == 0
    assert context.admitted
    current_context.set(None)
    busy = Busy(workers)
    await asyncio.to_thread(busy.started.wait, 30)
    waiting = asyncio.ensure_future(workers.run(int))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await workers.run(int)
    current_context.set(context)
    rest = asyncio.ensure_future(workers.run(int))
    await asyncio.sleep(0)
    current_context.set(None)
    busy.let_go.set()
    assert [await waiting, await rest] == [0, 0]
    assert await busy.task


async def test_a_refusal_costs_next_to_nothing(workers: Workers) -> None:
    """5 ms are allowed; the thread's own CPU time is counted, since others share the machine."""
    busy = Busy(workers)
    await asyncio.to_thread(busy.started.wait, 30)
    waiting = asyncio.ensure_future(workers.run(int))
    await asyncio.sleep(0)
    start = time.thread_time()
    for _ in range(100):
        with pytest.raises(Overloaded):
            await workers.run(int)
    assert (time.thread_time() - start) / 100 < 0.005
    busy.let_go.set()
    assert await waiting == 0
    assert await busy.task


async def test_what_nobody_waits_for_never_starts(workers: Workers, metrics: Metrics) -> None:
    busy = Busy(workers)
    await asyncio.to_thread(busy.started.wait, 30)
    context = RequestContext.of([], 60.0)
    gone = asyncio.Event()

    async def receive() -> dict[str, str]:
        await gone.wait()
        return {"type": "http.disconnect"}

    context.receive, context.body_read = receive, True
    current_context.set(context)
    ran = threading.Event()
    queued = asyncio.ensure_future(workers.run(ran.set))
    await asyncio.sleep(0)
    gone.set()
    with pytest.raises(ClientGone):
        await queued
    current_context.set(None)
    busy.let_go.set()
    await busy.task
    await workers.run(int)
    assert not ran.is_set()
    assert computations(metrics, "cancelled") == 1


async def test_a_deadline_ends_the_wait(workers: Workers, metrics: Metrics) -> None:
    busy = Busy(workers)
    await asyncio.to_thread(busy.started.wait, 30)
    context = RequestContext.of([], 60.0)
    context.deadline = time.monotonic() + 0.02
    current_context.set(context)
    ran = threading.Event()
    with pytest.raises(DeadlinePassed):
        await workers.run(ran.set)
    current_context.set(None)
    busy.let_go.set()
    await busy.task
    await workers.run(int)
    assert not ran.is_set()
    assert computations(metrics, "timeout") == 1


async def test_an_error_is_the_callers(workers: Workers, metrics: Metrics) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        await workers.run(int, "x")
    assert computations(metrics, "error") == 1
    assert await workers.run(int, "1") == 1


def test_a_client_that_hangs_up_frees_its_place(echo: Process, client: httpx.Client) -> None:
    def cancelled() -> bool:
        text = client.get(f"{echo.address}/metrics").text
        found = re.search(r'inference_requests_total\{outcome="cancelled"\} (\S+)', text)
        return found is not None and float(found[1]) == 1.0

    with connect(echo.address) as sock:
        sock.sendall(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        until = time.monotonic() + 30
        while "inference_queue_depth 0.0" not in client.get(f"{echo.address}/metrics").text:
            assert time.monotonic() < until
    until = time.monotonic() + 30
    while not cancelled():
        assert time.monotonic() < until
    client.get(f"{echo.address}/open")
    assert client.post(f"{echo.address}/sum", json={"x": [2]}).json() == {"sum": 2.0}
