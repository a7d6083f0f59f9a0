"""The limit before a queueing service of known capacity, in virtual time."""

import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.limit import Limit, Place

Duration = Callable[[float, int], float]
"""Seconds that a batch of so many takes, begun at that time."""
SERVERS = 2
STEADY_S = 0.003
CAPACITY = SERVERS / STEADY_S


@dataclass
class Run:
    """`answered`: (arrival, latency) in seconds, by operation; `limits`: (time, limit)."""

    answered: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    refused: dict[str, list[float]] = field(default_factory=dict)
    limits: list[tuple[float, float]] = field(default_factory=list)

    def rate(self, start: float, end: float, route: str = "a") -> float:
        return sum(start <= arrival < end for arrival, _ in self.answered.get(route, ())) / (end - start)

    def p99(self, start: float, end: float, route: str = "a") -> float:
        latencies = sorted(latency for arrival, latency in self.answered[route] if start <= arrival < end)
        return latencies[int(0.99 * len(latencies))]

    def refusals(self, start: float, end: float, route: str = "a") -> int:
        return sum(start <= arrival < end for arrival in self.refused.get(route, ()))


def simulate(
    limit: Limit, arrivals: Iterable[tuple[float, str]], durations: dict[str, Duration], *, batch: int = 1
) -> Run:
    """First come, first served, by `SERVERS` servers; each takes up to `batch` of one operation at once."""
    run, queue, order = Run(), list[tuple[Place, float, str]](), 0
    ends: list[tuple[float, int, list[tuple[Place, float, str]]]] = []
    coming = iter(arrivals)
    following = next(coming, None)
    while following is not None or ends:
        if ends and (following is None or ends[0][0] <= following[0]):
            now, _, done = heapq.heappop(ends)
            for place, arrival, route in done:
                limit.answered(place, now)
                run.answered.setdefault(route, []).append((arrival, now - arrival))
        else:
            assert following is not None
            now, route = following
            following = next(coming, None)
            entered = limit.enter(route, 1000, now)
            if entered is None:
                run.refused.setdefault(route, []).append(now)
            else:
                queue.append((entered, now, route))
        while queue and len(ends) < SERVERS:
            kind = queue[0][2]
            taken = [each for each in queue if each[2] == kind][:batch]
            queue = [each for each in queue if each not in taken] if batch > 1 else queue[1:]
            order += 1
            heapq.heappush(ends, (now + durations[kind](now, len(taken)), order, taken))
        run.limits.append((now, limit.limit))
    return run


def poisson(rate: float, start: float, end: float, route: str = "a", seed: int = 1) -> Iterator[tuple[float, str]]:
    draw = random.Random(seed).expovariate
    now = start + draw(rate)
    while now < end:
        yield now, route
        now += draw(rate)


def steady(_now: float, _batch: int) -> float:
    return STEADY_S


def load(*phases: tuple[float, float], rate: float = CAPACITY) -> Iterator[tuple[float, str]]:
    """Phases of (seconds, share of the capacity), one after the other."""
    start = 0.0
    for number, (seconds, share) in enumerate(phases):
        yield from poisson(share * rate, start, start + seconds, seed=number)
        start += seconds


def test_twice_the_capacity_is_answered_at_the_capacity_and_in_time() -> None:
    run = simulate(Limit(), load((10, 0.8), (20, 2.0)), {"a": steady})
    assert run.refusals(0, 10) == 0
    assert run.rate(13, 30) >= 0.99 * CAPACITY
    assert run.p99(13, 30) <= 2 * run.p99(0, 10)


def test_the_same_where_durations_vary_much() -> None:
    draw = random.Random(3).expovariate
    run = simulate(Limit(), load((10, 0.8), (20, 2.0)), {"a": lambda _now, _batch: draw(1 / STEADY_S)})
    assert run.refusals(0, 10) == 0
    assert run.rate(13, 30) >= 0.95 * CAPACITY
    assert run.p99(13, 30) <= 2 * run.p99(0, 10)


@pytest.mark.parametrize(("fixed_s", "each_s"), [(0.002, 0.002), (0.003, 0.001)])
def test_a_service_that_batches_keeps_enough_to_batch(fixed_s: float, each_s: float) -> None:
    """Its capacity grows with what is inside: a limit that looks at latency alone would choke it. The capacity is that
    of batches of eight, which sixteen clients make."""
    capacity = SERVERS * 8 / (fixed_s + 8 * each_s)
    durations: dict[str, Duration] = {"a": lambda _now, batch: fixed_s + each_s * batch}
    run = simulate(Limit(), load((10, 0.8), (20, 2.0), (10, 0.8), rate=capacity), durations, batch=32)
    assert run.rate(13, 30) >= 0.9 * capacity
    assert run.p99(13, 30) <= 2 * run.p99(0, 10)
    assert run.refusals(32, 40) == 0


def test_it_finds_the_idle_latency_under_load_that_never_ends() -> None:
    run = simulate(Limit(), load((60, 3.0)), {"a": steady})
    assert run.rate(10, 60) >= 0.97 * CAPACITY
    assert run.p99(30, 60) <= 0.04


def test_a_slow_phase_lowers_it_and_its_end_brings_it_back() -> None:
    def slow(now: float, _batch: int) -> float:
        return 4 * STEADY_S if 20 <= now < 30 else STEADY_S

    run = simulate(Limit(), load((60, 2.0)), {"a": slow})
    assert run.rate(22, 30) >= 0.95 * CAPACITY / 4
    assert run.rate(32, 60) >= 0.97 * CAPACITY
    assert run.p99(50, 60) <= 0.08


def test_it_opens_again_when_the_load_is_gone() -> None:
    limit = Limit(largest=100)
    simulate(limit, load((10, 3.0), (10, 0.5)), {"a": steady})
    assert limit.limit < 40  # nobody has asked for more since
    places = [limit.enter("a", 1000, 30.0) for _ in range(60)]
    assert None not in places


def test_clients_that_wait_for_their_answers_are_never_refused() -> None:
    """A closed loop: as many requests as clients, however long each takes."""
    limit, clients, refused = Limit(largest=64), 64, 0
    waiting: list[tuple[float, Place]] = []
    now = 0.0
    for _ in range(20_000):
        while len(waiting) < clients:
            place = limit.enter("a", 1000, now)
            refused += place is None
            assert place is not None
            waiting.append((now, place))
        now += STEADY_S / SERVERS
        limit.answered(waiting.pop(0)[1], now)
    assert not refused


def test_long_work_closes_the_door_to_more_of_it_and_to_nothing_else() -> None:
    """Sixty-second videos come twice as fast as they can be computed, beside small requests."""
    limit = Limit(largest=32)
    now, inside = 0.0, Counter[str]()
    for _ in range(200):
        now += 0.1
        inside["video"] += limit.enter("video", 10_000_000, now) is not None
        place = limit.enter("embed", 100, now)
        assert place is not None
        limit.answered(place, now + STEADY_S)
    assert 16 <= inside["video"] <= 32


def test_a_change_of_the_mix_is_no_overload() -> None:
    """Operations that differ a thousandfold, none of which ever waits: at whatever mix, none is refused."""
    limit = Limit(largest=16)
    now = 0.0
    for share in (0.0, 0.5, 1.0):
        for turn in range(300):
            long = (turn % 100) < 100 * share
            place = limit.enter("long" if long else "short", 1000, now)
            assert place is not None
            now += 5.0 if long else 0.005
            limit.answered(place, now)
    assert limit.limit == 16


def test_sizes_of_bodies_are_told_apart() -> None:
    limit = Limit(smallest=4, largest=16)
    now = 0.0
    for turn in range(400):
        size = 1_000_000 if turn % 2 else 100
        places = [limit.enter("a", size, now) for _ in range(16)]
        for place in places:
            if place is not None:
                limit.answered(place, now + (2.0 if size > 100 else 0.002))
        now += 2.0 if size > 100 else 0.002
    assert limit.limit > 12


def test_a_service_that_refuses_lowers_it() -> None:
    """By what it had inside when it refused, in steps, once for each refusal that can have shown."""
    limit, now = Limit(largest=100), 0.0
    inside = [limit.enter("a", 1000, now) for _ in range(20)]
    steps = 0
    while limit.limit > 24:
        steps += 1
        now += 0.2
        place = limit.enter("a", 1000, now)
        again = limit.enter("a", 1000, now)
        assert place is not None
        assert again is not None
        before = limit.limit
        limit.turned_away(place, now)
        assert limit.limit >= 0.7 * before
        fallen = limit.limit
        limit.turned_away(again, now + 0.01)
        assert limit.limit == fallen
    assert steps == 5
    assert limit.limit == pytest.approx(0.9 * 22)
    assert None not in inside


def test_requests_that_are_given_up_count_as_slow() -> None:
    limit = Limit(largest=16)
    now = 0.0
    for _ in range(20):
        place = limit.enter("a", 1000, now)
        assert place is not None
        now += 0.01
        limit.answered(place, now)
    for _ in range(30):
        places = [limit.enter("a", 1000, now) for _ in range(20)]
        now += 1.0
        for place in places:
            if place is not None:
                limit.left(place, now)
    assert limit.limit < 8


def test_retry_after_is_the_time_to_serve_who_is_inside() -> None:
    limit = Limit(largest=1000)
    assert limit.retry_after_s() == 1.0
    now = 0.0
    for _ in range(100):
        place = limit.enter("a", 1000, now)
        assert place is not None
        now += 0.1
        limit.answered(place, now)
    for _ in range(200):
        limit.enter("a", 1000, now)
    assert limit.retry_after_s() == pytest.approx(20.0, rel=0.1)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["enter", "answered", "left", "turned_away", "failed"]), st.floats(0, 10), st.integers(0, 2)
        )
    )
)
def test_whatever_happens_it_counts_right_and_stays_in_its_bounds(events: list[tuple[str, float, int]]) -> None:
    limit = Limit(smallest=2, largest=5)
    now, inside = 0.0, list[Place]()
    for event, pause, route in events:
        now += pause
        if event == "enter":
            full = limit.full(str(route), now)
            place = limit.enter(str(route), 10**route, now)
            assert (place is None) == full
            if place is not None:
                inside.append(place)
        elif inside:
            place = inside.pop(route % len(inside))
            if event == "failed":
                limit.failed(place)
            else:
                getattr(limit, event)(place, now)
        assert limit.in_flight == len(inside)
        assert 2 <= limit.limit <= 5
        assert len(inside) <= 2 * 5 + 1
    if len(inside) < 2:
        assert limit.enter("0", 1, now) is not None, "the door is closed though nobody is inside"
