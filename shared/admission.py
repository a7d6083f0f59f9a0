"""Whether a queue takes one more: bounded by cost, by the time that it would wait, and by its deadline."""

import time
from asyncio import CancelledError
from collections.abc import Callable

from shared.context import RequestContext
from shared.errors import ClientGone, DeadlinePassed, Overloaded, TooLarge, Unavailable

MEMORY = 0.95
"""Weight of what was served before the last run: the rate is that of about the last twenty runs."""
FEWEST = 5
"""Runs before the measured rate refuses anybody: the first ones warm up."""
OUTLIER = 8.0
"""One run counts as at most so many times slower than those before it: slower ones must repeat to be believed."""
FIRST_COME, TURNS = 12, 6
"""While there is no pause, so many typical requests and one a slot may be ahead, however long they take, where the
first come is the first served and where requests take turns: p99 then stays within twice that at 80 % of the capacity.
Typical is the mean square of the costs by their mean, which is what waits grow with (Pollaczek and Khinchine): not the
request's own cost, or large ones would push small ones out.
"""
BURST_S = 0.25
"""So long after a pause the queue may grow as far as its cost and the deadlines allow."""
PAUSE_S = 0.05
UNKNOWN_S = 1.0
"""When to come back where no rate has been measured yet."""


class Rate:
    """Cost served per second by `slots` that work side by side, over about the last twenty runs.

    The ratio of two sums that forget at the same pace, so long runs weigh as much as they take; None before the first.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._cost = self._seconds = 0.0
        self.runs = 0

    def served(self, cost: float, seconds: float) -> None:
        """One run of `cost` kept one slot busy for `seconds`."""
        if self.runs >= FEWEST:
            seconds = min(seconds, OUTLIER * cost * self._seconds / self._cost)
        self._cost = MEMORY * self._cost + cost
        self._seconds = MEMORY * self._seconds + seconds
        self.runs += 1

    @property
    def per_second(self) -> float | None:
        return self._slots * self._cost / max(self._seconds, 1e-9) if self.runs else None


class Admission:
    """The door of one queue before `slots`. The owner keeps `waiting`, the cost that waits, and tells what begins and
    is done; not thread-safe.

    `max_cost` may wait. Once there has been no pause for a quarter of a second, nothing is accepted that by the
    measured rate would wait longer than `max_wait_s`, longer than for `ahead` typical requests and longer than for what
    the slots serve `together`: latency stays bounded when more comes than can be served, and a burst is taken whole.
    Large and small are refused alike.
    """

    def __init__(
        self,
        *,
        slots: int,
        max_cost: float,
        max_wait_s: float,
        ahead: int = FIRST_COME,
        together: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.slots = slots
        self.max_cost = max_cost
        self.max_wait_s = max_wait_s
        self.ahead = ahead
        self.together = together
        self.rate = Rate(slots)
        self.waiting = self.running = 0.0
        self._clock = clock
        self._busy = 0
        self._requests = self._costs = self._squares = 0.0
        self._paused = self._freed = clock()

    def check(self, cost: float, context: RequestContext | None, before: Callable[[], float] | None = None) -> None:
        """Raises Overloaded, with the time to come back in, where `cost` may not enter now, TooLarge where never.

        `before` tells the cost that is served before it is done; without it, all that waits is.
        """
        if cost > self.max_cost:
            raise TooLarge(
                f"this is {cost:,.0f} of cost at once, more than the {self.max_cost:,.0f} that may ever wait"
            )
        if self.waiting + cost > self.max_cost:
            raise self._refusal(f"the queue is full: {self.waiting:,.0f} of cost {self.max_cost:,.0f} wait already")
        if self._busy < self.slots or self.rate.runs < FEWEST:
            return
        wait_s = self.wait_s(self.waiting if before is None else before())
        if context is not None and wait_s >= context.remaining_s():
            raise self._refusal(f"about {wait_s:.3g} s of work are ahead, more than the request's deadline leaves")
        if self._clock() - self._paused > BURST_S and wait_s > self.longest_wait_s:
            raise self._refusal(f"about {wait_s:.3g} s of work are ahead, more than may wait")

    def wait_s(self, cost: float) -> float:
        """Seconds that all slots together take to serve `cost`; 0 where no rate has been measured."""
        rate = self.rate.per_second
        return cost / rate if rate else 0.0

    @property
    def longest_wait_s(self) -> float:
        """While there is no pause."""
        typical = self._squares / self._costs if self._costs else 0.0
        return max(self.max_wait_s, self.wait_s(max(self.together, (self.slots + self.ahead) * typical)))

    @property
    def retry_after_s(self) -> float:
        """Until everything that waits or runs now is served."""
        return self.wait_s(self.waiting + self.running) if self.rate.runs else UNKNOWN_S

    def asked(self, cost: float) -> None:
        """A request of this cost is let in. One giant counts as `OUTLIER` requests of the mean."""
        if self._requests:
            cost = min(cost, OUTLIER * self._costs / self._requests)
        self._requests = MEMORY * self._requests + 1
        self._costs = MEMORY * self._costs + cost
        self._squares = MEMORY * self._squares + cost * cost

    def begin(self, cost: float) -> None:
        """A slot takes it."""
        if self._clock() - self._freed > PAUSE_S:
            self._paused = self._clock()
        self._busy += 1
        self.running += cost

    def done(self, cost: float, seconds: float, failed: bool = False) -> None:
        """A slot is free again after `seconds`; what failed says nothing about the rate."""
        if self._busy == self.slots:
            self._freed = self._clock()
        self._busy -= 1
        self.running -= cost
        if not failed:
            self.rate.served(cost, seconds)

    def _refusal(self, why: str) -> Overloaded:
        return Overloaded(f"{why}; come back later, or send less at once", retry_after_s=self.retry_after_s)


def outcome_of(error: BaseException) -> str:
    """How it counts: `rejected`, `timeout`, `cancelled` or `error`."""
    if isinstance(error, Unavailable | TooLarge):
        return "rejected"
    if isinstance(error, DeadlinePassed):
        return "timeout"
    return "cancelled" if isinstance(error, ClientGone | CancelledError) else "error"
