"""The batcher with its threads: what it runs, for whom, and what it leaves out."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.admission import FEWEST
from shared.batching import Batcher
from shared.context import RequestContext, current_context
from shared.errors import ClientGone, DeadlinePassed, NotReady, Overloaded, TooLarge
from shared.metrics import Metrics
from tests.polling import until

MODEL = "twice"
PATIENCE_S = 30.0
SETTINGS = settings(max_examples=30, deadline=None)


class Model:
    """Twice each number; refuses the numbers in `poison`, and holds its runs while `shut`."""

    def __init__(self, poison: Sequence[int] = ()) -> None:
        self.poison = frozenset(poison)
        self.runs: list[list[int]] = []
        self.threads: set[str] = set()
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()
        self.open.set()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.threads.add(threading.current_thread().name)
        self.runs.append(list(items))
        self.entered.release()
        assert self.open.wait(PATIENCE_S)
        if bad := self.poison.intersection(items):
            raise ValueError(f"{sorted(bad)} in {len(items)} items")
        return [2 * item for item in items]

    async def busy(self, runs: int = 1) -> None:
        for _ in range(runs):
            assert await asyncio.to_thread(self.entered.acquire, True, PATIENCE_S)


class Given:
    """Makes batchers of one model and ends them."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.made: list[Batcher[int, int]] = []

    def __call__(self, run: Callable[[Sequence[int]], Sequence[int]], **options: Any) -> Batcher[int, int]:
        facts: dict[str, Any] = {
            "model": MODEL, "version": "1", "cost": lambda _: 1, "max_cost": 8, "slots": 1, "max_queue_cost": 10_000,
            "metrics": self.metrics, "max_wait_s": float("inf"), **options,
        }  # fmt: skip
        batcher = Batcher[int, int](run, **facts)
        self.made.append(batcher)
        return batcher

    def count(self, outcome: str) -> float:
        labels = {"model": MODEL, "outcome": outcome}
        return self.metrics.registry.get_sample_value("inference_requests_total", labels) or 0.0

    def sample(self, name: str) -> float:
        return self.metrics.registry.get_sample_value(name, {"model": MODEL}) or 0.0


@pytest.fixture
def given_batcher() -> Iterator[Given]:
    maker = Given()
    yield maker
    for each in maker.made:
        each.close()


async def test_a_list_of_several_runs_takes_every_free_slot(given_batcher: Given) -> None:
    model = Model()
    model.open.clear()
    batcher = given_batcher(model, slots=3, max_cost=2)
    task = asyncio.ensure_future(batcher.submit(list(range(9))))
    await model.busy(3)
    model.open.set()
    assert await task == [2 * item for item in range(9)]
    assert len(model.threads) == 3


async def queued(batcher: Batcher[int, int], *lists: Sequence[int]) -> list["asyncio.Task[list[int]]"]:
    """Submissions that wait, in this order."""
    tasks = [asyncio.ensure_future(batcher.submit(items)) for items in lists]
    await asyncio.sleep(0)
    return tasks


def in_request(timeout_ms: int = 60_000) -> RequestContext:
    """A context for what is submitted next, with a client that may hang up: `context.receive`'s event."""
    context = RequestContext.of([(b"x-request-timeout-ms", str(timeout_ms).encode())], 60.0)
    context.body_read = True
    current_context.set(context)
    return context


def hang_up(context: RequestContext) -> asyncio.Event:
    gone = asyncio.Event()

    async def receive() -> dict[str, str]:
        await gone.wait()
        return {"type": "http.disconnect"}

    context.receive = receive
    return gone


async def test_an_idle_model_runs_at_once_and_a_busy_one_collects(given_batcher: Given) -> None:
    model = Model()
    batcher = given_batcher(model)
    model.open.clear()
    first = await queued(batcher, [1])
    await model.busy()
    rest = await queued(batcher, [2], [3, 4], [5])
    model.open.set()
    assert await asyncio.gather(*first, *rest) == [[2], [4], [6, 8], [10]]
    assert model.runs == [[1], [2, 3, 4, 5]]
    assert given_batcher.count("ok") == 4
    assert given_batcher.sample("inference_queue_depth") == 0
    assert given_batcher.sample("inference_batch_size_sum") == 5
    assert given_batcher.sample("inference_batch_size_count") == 2
    assert given_batcher.sample("inference_queue_duration_seconds_count") == 4
    assert given_batcher.sample("inference_compute_duration_seconds_count") == 2


async def test_a_long_list_hears_what_share_of_it_is_done(given_batcher: Given) -> None:
    shares: list[float] = []
    batcher = given_batcher(Model())
    assert await batcher.submit(list(range(20)), shares.append) == list(range(0, 40, 2))
    assert shares == pytest.approx([0.4, 0.8, 1.0])


async def test_nothing_submitted_is_nothing_computed(given_batcher: Given) -> None:
    model = Model()
    batcher = given_batcher(model)
    assert await batcher.submit([]) == batcher.compute([]) == []
    assert not model.runs


@SETTINGS
@given(
    st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=30), min_size=1, max_size=15),
    st.sets(st.integers(0, 99), max_size=3),
    st.integers(1, 3),
    st.booleans(),
)
def test_each_gets_its_own_results_in_order_or_its_own_fault(
    lists: list[list[int]], poison: set[int], slots: int, threads: bool
) -> None:
    made = Given()
    model = Model(sorted(poison))
    batcher = made(model, slots=slots)

    async def outcomes() -> list[Any]:
        def ask(items: list[int]) -> Any:
            return asyncio.to_thread(batcher.compute, items) if threads else batcher.submit(items)

        return await asyncio.gather(*(ask(items) for items in lists), return_exceptions=True)

    answered = asyncio.run(outcomes())
    batcher.close()
    for items, outcome in zip(lists, answered, strict=True):
        if poison.intersection(items):
            assert isinstance(outcome, ValueError)
            assert int(str(outcome).split("]")[0].strip("[")) in items
            assert str(outcome).endswith("in 1 items")
        else:
            assert outcome == [2 * item for item in items]
    assert max(map(len, model.runs)) <= batcher.max_cost
    failed = sum(1 for items in lists if poison.intersection(items))
    assert (made.count("ok"), made.count("error")) == (len(lists) - failed, failed)
    assert made.sample("inference_queue_depth") == 0
    assert batcher.admission.waiting == batcher.admission.running == 0


async def test_poison_fails_alone(given_batcher: Given) -> None:
    model = Model(poison=[13])
    batcher = given_batcher(model)
    model.open.clear()
    first = await queued(batcher, [0])
    await model.busy()
    rest = await queued(batcher, [1, 2], [13], [3], [4, 5])
    model.open.set()
    results = await asyncio.gather(*first, *rest, return_exceptions=True)
    assert results[:2] + results[3:] == [[0], [2, 4], [6], [8, 10]]
    assert str(results[2]) == "[13] in 1 items"
    assert model.runs == [[0], [1, 2, 13, 3, 4, 5], [1, 2], [13], [3], [4, 5]]
    assert await batcher.submit([6]) == [12]


async def test_what_fails_alone_is_not_tried_again(given_batcher: Given) -> None:
    model = Model(poison=[13])
    with pytest.raises(ValueError, match="13"):
        await given_batcher(model).submit([13])
    assert model.runs == [[13]]


async def test_a_list_that_fails_only_as_a_whole_is_answered(given_batcher: Given) -> None:
    def run(items: Sequence[int]) -> list[int]:
        if len(items) > 1:
            raise MemoryError
        return list(items)

    assert await given_batcher(run).submit([1, 2, 3]) == [1, 2, 3]


async def test_a_panic_of_a_library_ends_no_thread(given_batcher: Given) -> None:
    class Panic(BaseException):
        pass

    def run(items: Sequence[int]) -> list[int]:
        if 13 in items:
            raise Panic
        return list(items)

    batcher = given_batcher(run)
    with pytest.raises(Panic):
        await batcher.submit([13])
    assert await batcher.submit([1]) == [1]


async def test_results_that_are_not_one_an_item_are_a_fault(given_batcher: Given) -> None:
    batcher = given_batcher(lambda items: list(items)[1:])
    with pytest.raises(RuntimeError, match="0 results for 1 items"):
        await batcher.submit([1, 2])


async def test_a_client_that_hangs_up_frees_its_place_before_compute(given_batcher: Given) -> None:
    model = Model()
    batcher = given_batcher(model)
    model.open.clear()
    first = await queued(batcher, [1])
    await model.busy()
    gone = hang_up(in_request())
    (leaving,) = await queued(batcher, [2, 3])
    current_context.set(None)
    (staying,) = await queued(batcher, [4])
    assert batcher.admission.waiting == 3
    gone.set()
    with pytest.raises(ClientGone):
        await leaving
    assert batcher.admission.waiting == given_batcher.sample("inference_queue_depth") == 1
    model.open.set()
    await asyncio.gather(*first, staying)
    assert model.runs == [[1], [4]]
    assert given_batcher.count("cancelled") == 1


async def test_a_deadline_that_passes_in_the_queue_is_never_computed(given_batcher: Given) -> None:
    model = Model()
    batcher = given_batcher(model)
    model.open.clear()
    first = await queued(batcher, [1])
    await model.busy()
    in_request(timeout_ms=20)
    (late,) = await queued(batcher, [2])
    with pytest.raises(DeadlinePassed):
        await late
    model.open.set()
    await asyncio.gather(*first)
    current_context.set(None)
    assert await batcher.submit([3]) == [6]
    assert model.runs == [[1], [3]]
    assert given_batcher.count("timeout") == 1


async def test_a_task_that_is_cancelled_gives_up_its_place(given_batcher: Given) -> None:
    model = Model()
    batcher = given_batcher(model)
    model.open.clear()
    first = await queued(batcher, [1])
    await model.busy()
    (given_up,) = await queued(batcher, [2])
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert batcher.admission.waiting == 0
    model.open.set()
    await asyncio.gather(*first)
    assert model.runs == [[1]]
    assert given_batcher.count("cancelled") == 1


async def test_a_list_half_computed_is_left_when_its_client_hangs_up(given_batcher: Given) -> None:
    model = Model()
    batcher = given_batcher(model)
    model.open.clear()
    gone = hang_up(in_request())
    (leaving,) = await queued(batcher, list(range(100)))
    await model.busy()
    gone.set()
    with pytest.raises(ClientGone):
        await leaving
    model.open.set()
    current_context.set(None)
    assert await batcher.submit([1]) == [2]
    assert model.runs == [list(range(8)), [1]]


async def test_a_full_queue_refuses_lists_whole_and_says_when_to_come_back(given_batcher: Given) -> None:
    model = Model()
    batcher = given_batcher(model, max_queue_cost=10)
    for _ in range(FEWEST):
        await batcher.submit([0])
    rate = 0.5
    for _ in range(200):
        batcher.admission.rate.served(1, 1 / rate)
    model.open.clear()
    first = await queued(batcher, [1])
    await model.busy(FEWEST + 1)
    waiting = await queued(batcher, [2] * 6, [3, 4])
    for refused in ([5, 6, 7], [5] * 10):
        with pytest.raises(Overloaded) as refusal:
            await batcher.submit(refused)
        assert refusal.value.headers["Retry-After"] == str(ceil((8 + 1) / rate))
        with pytest.raises(Overloaded):
            batcher.check(len(refused))
    waiting += await queued(batcher, [8], [9])
    with pytest.raises(Overloaded):
        await batcher.submit([10])
    with pytest.raises(TooLarge, match="11 of cost"):
        await batcher.submit([5] * 11)
    model.open.set()
    await asyncio.gather(*first, *waiting)
    assert not {5, 6, 7, 10}.intersection(item for run in model.runs for item in run)
    assert given_batcher.count("rejected") == 6
    assert await batcher.submit([5]) == [10]


async def test_a_refusal_costs_next_to_nothing(given_batcher: Given) -> None:
    """5 ms are allowed; the thread's own CPU time is counted, since others share the machine."""
    model = Model()
    batcher = given_batcher(model, max_queue_cost=500)
    model.open.clear()
    first = await queued(batcher, [1])
    await model.busy()
    waiting = await queued(batcher, *([number] for number in range(500)))
    start = time.thread_time()
    for _ in range(100):
        with pytest.raises(Overloaded):
            await batcher.submit([1])
    assert (time.thread_time() - start) / 100 < 0.005
    model.open.set()
    await asyncio.gather(*first, *waiting)


async def test_an_item_beyond_a_run_is_too_large(given_batcher: Given) -> None:
    model = Model()
    batcher = given_batcher(model, cost=lambda item: item, max_cost=8)
    with pytest.raises(TooLarge, match="item 1 costs 9, more than the 8"):
        await batcher.submit([1, 9])
    with pytest.raises(TooLarge):
        batcher.compute([9])
    assert not model.runs


async def test_a_list_of_two_thousand_beside_single_items(given_batcher: Given) -> None:
    model = Model()
    batcher = given_batcher(model)
    model.open.clear()
    (large,) = await queued(batcher, list(range(2048)))
    await model.busy()
    singles = await queued(batcher, [-1], [-2], [-3])
    model.open.set()
    assert await asyncio.gather(*singles) == [[-2], [-4], [-6]]
    assert await large == [2 * item for item in range(2048)]
    assert {-1, -2, -3} <= set(model.runs[2])


async def test_a_thread_computes_where_it_stands(given_batcher: Given) -> None:
    model = Model()
    batcher = given_batcher(model)
    assert await asyncio.to_thread(lambda: (threading.current_thread().name, batcher.compute([1]))) == (
        *model.threads, [2],
    )  # fmt: skip


async def test_a_thread_that_is_done_hands_its_slot_on(given_batcher: Given) -> None:
    model = Model()
    batcher = given_batcher(model, max_cost=2)
    model.open.clear()
    leader = asyncio.ensure_future(asyncio.to_thread(batcher.compute, [1]))
    await model.busy()
    rest = await queued(batcher, [2, 3], [4, 5])
    model.open.set()
    assert await leader == [2]
    assert await asyncio.gather(*rest) == [[4, 6], [8, 10]]
    assert len(model.threads) == 2


async def test_a_thread_is_not_refused_for_lack_of_room(given_batcher: Given) -> None:
    model = Model()
    batcher = given_batcher(model, max_queue_cost=1)
    model.open.clear()
    threads = [asyncio.ensure_future(asyncio.to_thread(batcher.compute, [number, number])) for number in range(4)]
    await model.busy()
    model.open.set()
    assert await asyncio.gather(*threads) == [[0, 0], [2, 2], [4, 4], [6, 6]]


async def test_a_thread_stops_waiting_when_its_client_has_gone(given_batcher: Given) -> None:
    model = Model()
    batcher = given_batcher(model)
    model.open.clear()
    first = await queued(batcher, [1])
    await model.busy()
    context = in_request()
    waiting = asyncio.ensure_future(asyncio.to_thread(batcher.compute, [2]))
    await asyncio.to_thread(until, lambda: batcher.admission.waiting > 0, "the thread waits")
    context.gone = True
    with pytest.raises(ClientGone):
        await waiting
    model.open.set()
    await asyncio.gather(*first)
    assert model.runs == [[1]]


async def test_as_many_runs_at_once_as_there_are_slots(given_batcher: Given) -> None:
    model = Model()
    batcher = given_batcher(model, slots=3, max_cost=1)
    model.open.clear()
    tasks = await queued(batcher, *([number] for number in range(9)))
    await model.busy(3)
    assert len(model.runs) == 3
    assert batcher.admission.running == 3
    model.open.set()
    assert len(await asyncio.gather(*tasks)) == 9


async def test_with_a_delay_an_idle_slot_waits_for_its_run_to_fill(given_batcher: Given) -> None:
    model = Model()
    batcher = given_batcher(model, max_cost=4, delay_s=PATIENCE_S)
    tasks = await queued(batcher, [1], [2], [3, 4])
    assert await asyncio.gather(*tasks) == [[2], [4], [6, 8]]
    assert model.runs == [[1, 2, 3, 4]]


async def test_a_delay_ends(given_batcher: Given) -> None:
    model = Model()
    assert await given_batcher(model, delay_s=0.01).submit([1]) == [2]


async def test_closed_it_finishes_what_it_has_and_takes_nothing_more(given_batcher: Given) -> None:
    model = Model()
    batcher = given_batcher(model, delay_s=PATIENCE_S)
    tasks = await queued(batcher, [1], [2])
    closing = asyncio.ensure_future(asyncio.to_thread(batcher.close))
    assert await asyncio.gather(*tasks) == [[2], [4]]
    await closing
    with pytest.raises(NotReady):
        await batcher.submit([3])


async def test_a_fault_of_the_scheduler_leaves_the_slot_free(
    given_batcher: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    batcher = given_batcher(Model())
    with monkeypatch.context() as patched:
        patched.setattr(batcher.statistics, "ran", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await batcher.submit([1])
    assert await batcher.submit([1]) == [2]


async def test_statistics_in_tritons_form(given_batcher: Given) -> None:
    model = Model(poison=[13])
    batcher = given_batcher(model)
    await batcher.submit([1, 2, 3])
    await batcher.submit([1])
    with pytest.raises(ValueError, match="13"):
        await batcher.submit([13])
    facts = batcher.statistics.document("twice", "1")
    assert (facts["name"], facts["version"]) == ("twice", "1")
    assert (facts["inference_count"], facts["execution_count"]) == (4, 2)
    counts = {name: each["count"] for name, each in facts["inference_stats"].items()}
    assert counts["success"] == counts["queue"] == counts["compute_infer"] == 2
    assert counts["fail"] == 1
    assert all(each["ns"] > 0 for name, each in facts["inference_stats"].items() if name in {"success", "queue"})
    assert [each["batch_size"] for each in facts["batch_stats"]] == [1, 3]
    assert facts["last_inference"] / 1e3 == pytest.approx(time.time(), abs=60)
    assert batcher.statistics.failures["error"].count == 1
