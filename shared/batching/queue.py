"""Who waits for a model, whose turn it is, and what else goes into the run.

Requests take turns, a run each: the one whose turn it is gives the run its first item and goes to the back; items that
fit fill the run up, the nearest in length first, of one length in the order of turns. So a request of two thousand
items delays one of a single item by one run a slot, not by all of its own.
"""

import time
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

from shared.context import RequestContext
from shared.errors import ClientGone, DeadlinePassed, VernierError

MOST_PADDING = 0.1
"""Share of a run that may be padding, where it is more than what a run costs besides."""

Place = tuple[Hashable, int]
"""Items of one group and length: they are alike to the queue."""


class Member:
    """One request's items on their way: `results` fill up in the order of `items`, then `finish` is called once.

    `pending` are the items not yet taken, by place; `left` counts those without a result. `report` is told the share of
    those with one after each run.
    """

    __slots__ = (
        "began", "context", "cost", "costs", "done", "ended", "error", "finish", "items", "left", "pending", "queued",
        "report", "results",
    )  # fmt: skip

    def __init__(self, items: Sequence[Any], costs: Sequence[int], context: RequestContext | None) -> None:
        self.items = items
        self.costs = costs
        self.context = context
        self.results: list[Any] = [None] * len(items)
        self.pending: dict[Place, deque[int]] = {}
        self.cost = sum(costs)
        self.left = len(items)
        self.done = False
        self.error: BaseException | None = None
        self.finish: Callable[[], None] = lambda: None
        self.report: Callable[[float], None] | None = None
        self.queued = time.monotonic()
        self.began = self.ended = 0.0

    def fault(self, now: float) -> VernierError | None:
        """Why nobody waits for it any more, if so."""
        if self.context is None:
            return None
        if self.context.gone:
            return ClientGone("the client hung up")
        if self.context.deadline <= now:
            return DeadlinePassed("the request's deadline has passed; allow more time by X-Request-Timeout-Ms")
        return None


class Run:
    """Items that go through the model together, each with whose it is and which; `longest` is what all are padded to,
    `total` the cost of the items themselves.
    """

    __slots__ = ("longest", "picks", "total")

    def __init__(self) -> None:
        self.picks: list[tuple[Member, int]] = []
        self.longest = self.total = 0

    def __len__(self) -> int:
        return len(self.picks)

    @property
    def items(self) -> list[Any]:
        return [member.items[index] for member, index in self.picks]


class Queue:
    """Not thread-safe. `overhead`: None where items are not padded, else what a run costs beside its items, in cost.

    Items of equal length always share a run, those of others as long as all the padding costs less than another run
    would, or a tenth of the run.
    """

    def __init__(self, max_cost: int, group: Callable[[Any], Hashable] | None = None, overhead: int | None = None):
        self.max_cost = max_cost
        self.overhead = overhead
        self._group = group or (lambda _: None)
        self._turns: dict[Member, None] = {}
        self._lengths: dict[Hashable, list[int]] = {}
        self._at: dict[Place, dict[Member, deque[int]]] = {}
        self.items = self.cost = 0

    def __bool__(self) -> bool:
        return bool(self._turns)

    @property
    def oldest(self) -> float:
        """When the one whose turn it is came."""
        return next(iter(self._turns)).queued

    def add(self, member: Member) -> None:
        for index, (item, cost) in enumerate(zip(member.items, member.costs, strict=True)):
            place = self._group(item), 0 if self.overhead is None else cost
            member.pending.setdefault(place, deque()).append(index)
        for place, indices in member.pending.items():
            if place not in self._at:
                self._at[place] = {}
                insort(self._lengths.setdefault(place[0], []), place[1])
            self._at[place][member] = indices
        self._turns[member] = None
        self.items += len(member.items)
        self.cost += member.cost

    def discard(self, member: Member) -> None:
        """What is left of it waits no longer."""
        for place, indices in list(member.pending.items()):
            self.items -= len(indices)
            self._leave(member, place)
        self.cost -= member.cost
        member.cost = 0
        self._turns.pop(member, None)

    def before(self, cost: int) -> int:
        """Cost that is served before a newcomer of `cost` is done: turns are taken, so of each no more than its own."""
        most = max(cost, self.max_cost)
        return sum(min(member.cost, most) for member in self._turns)

    def take(self, now: float) -> tuple[Run, list[tuple[Member, VernierError]]]:
        """The next run, empty where nothing waits, and those dropped on the way since nobody waits for them."""
        run, dropped = Run(), []
        while self._turns and not run:
            lead = next(iter(self._turns))
            if fault := lead.fault(now):
                self.discard(lead)
                dropped.append((lead, fault))
                continue
            self._fill(run, lead, now, dropped)
            if lead in self._turns:
                self._to_the_back(lead)
        return run, dropped

    def _to_the_back(self, member: Member) -> None:
        del self._turns[member]
        self._turns[member] = None
        for place, indices in member.pending.items():
            del self._at[place][member]
            self._at[place][member] = indices

    def _fill(self, run: Run, lead: Member, now: float, dropped: list[tuple[Member, VernierError]]) -> None:
        place = next(iter(lead.pending))
        self._pick(run, [(lead, lead.pending[place][0])], place)
        for length in self._outward(place):
            here = place[0], length
            picks = self._candidates(run, here, now, dropped)
            if self._worth(run, picks, length):
                self._pick(run, picks, here)
            elif run.total >= self.max_cost:
                return

    def _outward(self, place: Place) -> Iterator[int]:
        """The lengths present, the nearest to the place's own first, of two as near the shorter."""
        group, length = place
        lengths = list(self._lengths.get(group, ()))
        right = bisect_left(lengths, length)
        left = right - 1
        while left >= 0 or right < len(lengths):
            if right >= len(lengths) or (left >= 0 and length - lengths[left] <= lengths[right] - length):
                yield lengths[left]
                left -= 1
            else:
                yield lengths[right]
                right += 1

    def _candidates(
        self, run: Run, place: Place, now: float, dropped: list[tuple[Member, VernierError]]
    ) -> list[tuple[Member, int]]:
        """As many of this place as there is room for."""
        picks: list[tuple[Member, int]] = []
        room = self._room(run, place[1])
        for member, indices in list(self._at.get(place, {}).items()):
            if room <= 0:
                break
            if fault := member.fault(now):
                self.discard(member)
                dropped.append((member, fault))
                continue
            for index in indices:
                room -= 1 if self.overhead is not None else member.costs[index]
                if room < 0:
                    break
                picks.append((member, index))
        return picks

    def _room(self, run: Run, length: int) -> int:
        """Items of this length that fit into the run; cost, where items are not padded."""
        if self.overhead is None:
            return self.max_cost - run.total
        return self.max_cost // max(run.longest, length) - len(run)

    def _worth(self, run: Run, picks: list[tuple[Member, int]], length: int) -> bool:
        if not picks or self.overhead is None:
            return bool(picks)
        padded = (len(run) + len(picks)) * max(run.longest, length)
        return padded - run.total - len(picks) * length <= max(self.overhead, MOST_PADDING * padded)

    def _pick(self, run: Run, picks: list[tuple[Member, int]], place: Place) -> None:
        for member, index in picks:
            indices = member.pending[place]
            indices.popleft()
            member.cost -= member.costs[index]
            self.cost -= member.costs[index]
            run.total += member.costs[index]
            if not indices:
                self._leave(member, place)
                if not member.pending:
                    del self._turns[member]
        run.picks += picks
        run.longest = max(run.longest, place[1])
        self.items -= len(picks)

    def _leave(self, member: Member, place: Place) -> None:
        del member.pending[place]
        here = self._at[place]
        del here[member]
        if not here:
            del self._at[place]
            lengths = self._lengths[place[0]]
            lengths.remove(place[1])
            if not lengths:
                del self._lengths[place[0]]


def plan(costs: Sequence[int], max_cost: int, overhead: int | None = None) -> list[list[int]]:
    """The runs that a list alone in the queue makes: indices of its items."""
    queue = Queue(max_cost, overhead=overhead)
    queue.add(Member(costs, costs, None))
    runs = []
    while queue:
        run, _ = queue.take(0.0)
        runs.append([index for _, index in run.picks])
    return runs
