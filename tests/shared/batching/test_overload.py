"""Queue and door together under more than can be served, on a clock of their own: nothing here depends on the machine.

A run takes what was measured for the sentence model on one core, 2 ms and 0.12 ms a padded token, and up to a fifth of
chance; requests come at random moments, whether those before them are answered or not.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from shared.admission import TURNS, Admission
from shared.batching.batcher import FILLED
from shared.batching.queue import Member, Queue, Run
from shared.errors import Overloaded

SECONDS, WARM_UP_S = 30.0, 3.0
SHORT = (7, 8, 9, 10, 10, 11, 12, 12, 13, 14, 15, 16, 18, 20, 24, 30, 45)
MIXED = (4, 6, 9, 12, 16, 20, 25, 32, 40, 55, 80, 130, 250)


@dataclass
class Service:
    """`texts` a request, of lengths drawn from `lengths`."""

    lengths: tuple[int, ...]
    texts: int = 1
    slots: int = 2
    slowness: float = 1.0
    now: float = 0.0
    refused: int = 0
    latencies: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(1)
        self.queue = Queue(256, overhead=16)
        self.door = Admission(
            slots=self.slots,
            max_cost=600_000,
            max_wait_s=0.03,
            ahead=TURNS,
            together=FILLED * self.slots * 256,
            clock=lambda: self.now,
        )
        self.free = self.slots
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.numbered = 0

    def later(self, delay_s: float, event: Callable[[], None]) -> None:
        self.numbered += 1
        heapq.heappush(self.events, (self.now + delay_s, self.numbered, event))

    def run(self) -> None:
        while self.events[0][0] < SECONDS:
            self.now, _, event = heapq.heappop(self.events)
            event()

    def ask(self, answered: Callable[[], None] = lambda: None) -> None:
        costs = sorted((self.chance.choice(self.lengths) for _ in range(self.texts)), reverse=True)
        member = Member(costs, costs, None)
        member.queued, member.finish = self.now, answered
        try:
            self.door.check(member.cost, None, lambda: self.queue.before(member.cost))
        except Overloaded:
            self.refused += self.now > WARM_UP_S
            return
        self.door.asked(member.cost)
        self.queue.add(member)
        if self.free:
            self.free -= 1
            self.lead()

    def lead(self) -> None:
        run, _ = self.queue.take(self.now)
        self.door.waiting = self.queue.cost
        if not run:
            self.free += 1
            return
        self.door.begin(run.total)
        seconds = (0.002 + 0.00012 * len(run) * run.longest) * self.chance.uniform(1.0, 1.2) * self.slowness
        self.later(seconds, lambda: self.end(run, seconds))

    def end(self, run: Run, seconds: float) -> None:
        self.door.done(run.total, seconds)
        for member, _ in run.picks:
            member.left -= 1
            if not member.left:
                if self.now > WARM_UP_S:
                    self.latencies.append(self.now - member.queued)
                member.finish()
        self.lead()

    @property
    def per_second(self) -> float:
        return len(self.latencies) / (SECONDS - WARM_UP_S)

    @property
    def p99_s(self) -> float:
        return sorted(self.latencies)[int(0.99 * len(self.latencies))]


def closed(clients: int, lengths: tuple[int, ...], texts: int, slowness: float = 1.0) -> Service:
    """Each client asks again when it has been answered."""
    service = Service(lengths, texts, slowness=slowness)

    def ask() -> None:
        service.ask(ask)

    for _ in range(clients):
        service.later(0.0, ask)
    service.run()
    return service


def open_loop(per_second: float, lengths: tuple[int, ...], texts: int, slowness: float = 1.0) -> Service:
    service = Service(lengths, texts, slowness=slowness)
    arrivals = random.Random(2)

    def arrive() -> None:
        service.ask()
        service.later(arrivals.expovariate(per_second), arrive)

    service.later(0.0, arrive)
    service.run()
    return service


@pytest.mark.parametrize(
    ("lengths", "texts", "slowness"), [(SHORT, 1, 1), (SHORT, 1, 5), (MIXED, 1, 1), (MIXED, 1, 5), (SHORT, 32, 1)]
)
def test_at_twice_the_capacity_latency_and_goodput_hold(lengths: tuple[int, ...], texts: int, slowness: float) -> None:
    capacity = closed(32, lengths, texts, slowness)
    assert capacity.refused == 0
    usual = open_loop(0.8 * capacity.per_second, lengths, texts, slowness)
    overload = open_loop(2.0 * capacity.per_second, lengths, texts, slowness)
    assert usual.refused < 0.01 * len(usual.latencies)
    assert overload.refused > 0.8 * len(overload.latencies)
    assert overload.per_second >= 0.9 * capacity.per_second
    assert overload.p99_s <= 2 * usual.p99_s


def test_sharing_runs_serves_more_short_texts() -> None:
    """Against one text a run on both cores."""
    lengths = sum(SHORT) / len(SHORT)
    alone = 2 / (1.1 * (0.002 + 0.00012 * lengths))
    assert closed(32, SHORT, 1).per_second > 1.4 * alone
