import heapq
import random
from collections import deque
from collections.abc import Callable
from functools import partial
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.admission import BURST_S, FEWEST, PAUSE_S, Admission, Rate
from shared.context import RequestContext
from shared.errors import Overloaded, TooLarge


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def door(clock: Clock) -> Admission:
    return Admission(slots=2, max_cost=1000, max_wait_s=0.05, clock=clock)


def occupy(door: Admission, cost: float = 10.0) -> None:
    for _ in range(door.slots):
        door.begin(cost)


def serve(door: Admission, runs: int, cost: float = 10.0, seconds: float = 0.01) -> None:
    for _ in range(runs):
        door.begin(cost)
        door.done(cost, seconds)


def stand(door: Admission, clock: Clock) -> None:
    """All slots busy for longer than a burst, requests of cost 1 being typical."""
    serve(door, 20)
    for _ in range(100):
        door.asked(1.0)
    occupy(door)
    clock.now += BURST_S + 0.01


def test_the_rate_is_cost_by_time_of_all_slots() -> None:
    rate = Rate(slots=3)
    assert rate.per_second is None
    for cost, seconds in ((10, 0.1), (40, 0.2), (10, 0.3)):
        rate.served(cost, seconds)
    assert rate.per_second == pytest.approx(3 * 60 / 0.6, rel=0.15)


@given(st.floats(1e-6, 1e3), st.floats(1e-6, 1e3), st.integers(1, 64))
def test_a_steady_rate_is_found(cost: float, seconds: float, slots: int) -> None:
    rate = Rate(slots)
    for _ in range(30):
        rate.served(cost, seconds)
    assert rate.per_second == pytest.approx(slots * cost / seconds)


def test_one_slow_run_hardly_counts_but_slowness_that_stays_is_believed() -> None:
    rate = Rate(slots=1)
    for _ in range(50):
        rate.served(10, 0.1)
    rate.served(10, 1000.0)
    after_one = rate.per_second
    assert after_one is not None
    assert 60 < after_one < 100
    for _ in range(100):
        rate.served(10, 1.0)
    assert rate.per_second == pytest.approx(10, rel=0.05)


def test_the_memory_is_short() -> None:
    rate = Rate(slots=1)
    for seconds in [1.0] * 100 + [0.1] * 100:
        rate.served(1, seconds)
    assert rate.per_second == pytest.approx(10, rel=0.1)


def test_without_samples_nobody_is_refused_by_time(door: Admission, clock: Clock) -> None:
    context = RequestContext.of([], 60.0)
    serve(door, FEWEST - 1, seconds=100.0)
    occupy(door)
    door.waiting = 900
    clock.now += 10
    door.check(1, context)
    assert Admission(slots=1, max_cost=1, max_wait_s=1).retry_after_s == 1.0


def test_a_full_queue_refuses_until_all_that_is_ahead_is_served(door: Admission) -> None:
    serve(door, 10, cost=10, seconds=0.5)
    occupy(door, cost=10)
    door.waiting = 995
    with pytest.raises(Overloaded) as refusal:
        door.check(6, None)
    assert refusal.value.headers["Retry-After"] == str(ceil((995 + 20) / (2 * 10 / 0.5)))
    door.check(5, None)


def test_what_can_never_wait_is_too_large(door: Admission) -> None:
    with pytest.raises(TooLarge, match="1,001"):
        door.check(1001, None)
    door.check(1000, None)


def test_what_could_not_begin_before_its_deadline_is_refused(door: Admission) -> None:
    serve(door, 10, cost=1, seconds=2.0)
    occupy(door)
    door.waiting = 5.0
    door.check(1, RequestContext.of([], 60.0))
    with pytest.raises(Overloaded, match="deadline"):
        door.check(1, RequestContext.of([(b"x-request-timeout-ms", b"4000")], 60.0))


def test_a_burst_is_taken_and_a_standing_overload_refused(door: Admission, clock: Clock) -> None:
    serve(door, 20)
    clock.now += 1.0
    occupy(door)
    door.waiting = 500
    clock.now += BURST_S / 2
    door.check(1, None)
    for _ in range(100):
        door.asked(1.0)
    clock.now += BURST_S
    with pytest.raises(Overloaded, match="more than may wait"):
        door.check(1, None)
    door.waiting = 0.04 * 2000
    door.check(1, None)


def test_a_pause_of_one_slot_opens_the_door_again(door: Admission, clock: Clock) -> None:
    stand(door, clock)
    door.waiting = 500
    with pytest.raises(Overloaded):
        door.check(1, None)
    door.done(10, 0.01)
    clock.now += PAUSE_S * 1.1
    door.begin(10)
    door.check(1, None)


def test_a_free_slot_takes_whatever_the_rate_says(door: Admission, clock: Clock) -> None:
    """So an estimate that is wrong cannot keep the door closed: what runs next corrects it."""
    serve(door, 200, seconds=1e6)
    door.begin(10)
    clock.now += 60
    door.waiting = 900
    door.check(1, RequestContext.of([], 1.0))


def test_one_outlier_does_not_close_the_door(door: Admission, clock: Clock) -> None:
    stand(door, clock)
    door.waiting = 0.03 * 2000
    door.check(1, None)
    door.done(10, 3600.0)
    door.begin(10)
    door.check(1, None)


def test_where_requests_take_long_all_may_wait_longer(door: Admission, clock: Clock) -> None:
    stand(door, clock)
    door.waiting = 700
    with pytest.raises(Overloaded):
        door.check(100, None)
    for _ in range(200):
        door.asked(100.0)
    door.check(100, None)
    door.check(1, None)


def test_one_giant_is_not_typical(door: Admission, clock: Clock) -> None:
    stand(door, clock)
    door.asked(1e6)
    door.waiting = 200
    with pytest.raises(Overloaded):
        door.check(1, None)


def test_failures_are_no_sign_of_speed(door: Admission) -> None:
    serve(door, 10)
    before = door.rate.per_second
    for _ in range(100):
        door.begin(10)
        door.done(10, 1e-6, failed=True)
    assert door.rate.per_second == before


class FirstCome:
    """Requests that take 0.1 s each, give or take a fifth, before `slots`, on a clock of its own."""

    def __init__(self, slots: int) -> None:
        self.clock = Clock()
        self.clock.now = 0.0
        self.chance = random.Random(4)
        self.door = Admission(slots=slots, max_cost=10_000, max_wait_s=0.03, clock=self.clock)
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.numbered = self.busy = self.refused = 0
        self.queue: deque[float] = deque()
        self.latencies: list[float] = []

    def later(self, delay_s: float, event: Callable[[], None]) -> None:
        self.numbered += 1
        heapq.heappush(self.events, (self.clock.now + delay_s, self.numbered, event))

    def run(self, per_second: float, seconds: float) -> "FirstCome":
        def arrive() -> None:
            self.ask()
            self.later(self.chance.expovariate(per_second), arrive)

        self.later(0.0, arrive)
        while self.events[0][0] < seconds:
            self.clock.now, _, event = heapq.heappop(self.events)
            event()
        return self

    def ask(self) -> None:
        try:
            self.door.check(1.0, None)
        except Overloaded:
            self.refused += 1
            return
        self.door.asked(1.0)
        self.door.waiting += 1
        self.queue.append(self.clock.now)
        self.serve()

    def serve(self) -> None:
        while self.queue and self.busy < self.door.slots:
            came, seconds = self.queue.popleft(), self.chance.uniform(0.08, 0.12)
            self.busy += 1
            self.door.waiting -= 1
            self.door.begin(1.0)
            self.later(seconds, partial(self.end, came, seconds))

    def end(self, came: float, seconds: float) -> None:
        self.busy -= 1
        self.door.done(1.0, seconds)
        if self.clock.now > 5.0:
            self.latencies.append(self.clock.now - came)
        self.serve()

    @property
    def p99_s(self) -> float:
        return sorted(self.latencies)[int(0.99 * len(self.latencies))]


@pytest.mark.parametrize("slots", [1, 2, 4, 16])
def test_at_twice_the_capacity_latency_and_goodput_hold(slots: int) -> None:
    capacity = slots / 0.1
    usual = FirstCome(slots).run(0.8 * capacity, 100.0)
    overload = FirstCome(slots).run(2.0 * capacity, 100.0)
    assert usual.refused < 0.01 * len(usual.latencies)
    assert overload.refused > 0.9 * len(overload.latencies)
    assert len(overload.latencies) / 95.0 >= 0.97 * capacity
    assert overload.p99_s <= 2 * usual.p99_s
