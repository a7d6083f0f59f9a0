"""Runs items of many requests through one model together."""

import asyncio
import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar, cast

from shared.admission import TURNS, Admission
from shared.batching.queue import Member, Queue
from shared.batching.slots import Slots
from shared.batching.statistics import Statistics
from shared.context import current_context
from shared.errors import TooLarge
from shared.metrics import Metrics
from shared.waiting import while_wanted

Item = TypeVar("Item")
Result = TypeVar("Result")

FILLED = 0.75
"""Share of all slots' runs that may always be ahead: with less, runs would not fill."""
LOOK_S = 0.02
"""A thread that waits for its results looks so often whether somebody still waits for them."""


class Batcher(Generic[Item, Result]):
    """`run` takes items to results, one each and in order; it is called on at most `slots` threads at once.

    There is no timer: what a free slot finds is run at once, and a run is what queued while the slots were busy, up to
    `max_cost`. Only with `delay_s` above 0 does a slot wait so long for its run to fill.

    - `cost(item)`: what it takes of `max_cost`, a whole number above 0: pixels, tokens, frames.
    - `group(item)`: only items of equal group share a run; without it all do.
    - `overhead`: for models that pad. Costs are lengths then, a run costs its longest item times the number of its
      items, and lengths mix as long as all padding costs less than `overhead`, what a run costs beside its items.
    - `max_queue_cost` may wait, and in a standing overload no longer than `max_wait_s` (see `shared.admission`).

    A list is admitted whole or not at all. Items whose request hung up or passed its deadline are dropped when a run is
    formed. When a run raises, its members run singly, and a member's items singly, so that only the culprit fails.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        model: str,
        version: str,
        cost: Callable[[Item], int],
        max_cost: int,
        slots: int,
        max_queue_cost: int,
        metrics: Metrics,
        delay_s: float = 0.0,
        max_wait_s: float = 0.03,
        group: Callable[[Item], Hashable] | None = None,
        overhead: int | None = None,
    ) -> None:
        self.model = model
        self.version = version
        self.max_cost = max_cost
        self._cost = cost
        self.admission = Admission(
            slots=slots, max_cost=max_queue_cost, max_wait_s=max_wait_s, ahead=TURNS, together=FILLED * slots * max_cost
        )
        queue = Queue(max_cost, group, overhead)
        self._slots = Slots(
            run, queue, self.admission, metrics.model(model), name=f"{model} {version}", delay_s=delay_s
        )

    @property
    def statistics(self) -> Statistics:
        return self._slots.statistics

    async def submit(self, items: Sequence[Item], report: Callable[[float], None] | None = None) -> list[Result]:
        """One result an item, in order, computed on the batcher's threads; `report` hears there what share is done.

        Raises TooLarge for an item over `max_cost` or a list that may never wait, Overloaded when it may not now,
        ClientGone and DeadlinePassed as soon as they hold, and what `run` raised for an item of this list.
        """
        if not items:
            return []
        member = self._member(items)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        member.finish = lambda: _wake(loop, future)
        member.report = report
        self._slots.enter(member, here=False)
        try:
            await while_wanted(future, member.context)
        except BaseException as error:
            self._slots.fail(member, error)
            raise
        return _results(member)

    def compute(self, items: Sequence[Item]) -> list[Result]:
        """As `submit`, on a worker's thread: it computes right there where a slot is free. Whoever holds a thread has
        been admitted to it, so nothing is refused for lack of room."""
        if not items:
            return []
        member = self._member(items)
        ready = threading.Event()
        member.finish = ready.set
        self._slots.enter(member, here=True)
        try:
            while not ready.wait(LOOK_S):
                if member.context is not None:
                    member.context.check()
        except BaseException as error:
            self._slots.fail(member, error)
            raise
        return _results(member)

    def check(self, cost: int) -> None:
        """Raises what `submit` would raise for this much, before its items are made."""
        self._slots.check(Member((), (cost,), current_context.get()))

    def close(self) -> None:
        """Takes nothing more; returns when what it has taken is done."""
        self._slots.close()

    def _member(self, items: Sequence[Item]) -> Member:
        costs = [self._cost(item) for item in items]
        largest = max(costs)
        if largest > self.max_cost:
            where = f"item {costs.index(largest)} costs {largest:,}"
            raise TooLarge(f"{where}, more than the {self.max_cost:,} of one run of {self.model}")
        return Member(items, costs, current_context.get())


def _results(member: Member) -> list[Result]:
    if member.error is not None:
        raise member.error
    if member.context is not None:
        member.context.admitted = True
        member.context.computed(member.began - member.queued, member.ended - member.began)
    return cast(list[Result], member.results)


def _wake(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[None]") -> None:
    try:
        loop.call_soon_threadsafe(_resolve, future)
    except RuntimeError:  # the loop has ended, and with it whoever waited
        return


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
