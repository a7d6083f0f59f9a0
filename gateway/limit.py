"""How many requests a service may be answering at a time, learnt from its latency.

The gradient algorithm, as Envoy's adaptive concurrency filter and Netflix's concurrency-limits (Gradient2) have it:

    gradient = min(1, tolerance / r)                r: latency over the latency of a service without a queue
    limit   <- limit * gradient + sqrt(limit)       the square root is head-room: without it no limit ever grew

https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/adaptive_concurrency_filter
https://github.com/Netflix/concurrency-limits (Gradient2Limit)

Where it differs, and why:

- Each sample is divided by the baseline of its own kind (operation and size of body), so that minutes of video beside
  milliseconds of embedding, or a change of the mix, say nothing; what is averaged is how many times longer than
  without a queue an answer took.
- The baseline is learnt from requests that found less than `IDLE` others inside (Envoy's minRTT without its
  regular pauses). Only when the limit has been in use for so long that no such request has been seen is it lowered
  to `IDLE` for a moment.
- A limit that nobody runs into is not lowered: thirty-two clients that wait for one another's answers are no overload.
  It begins at `largest`, falls when it is reached and the latency says so, and opens again when it is not reached.
- A window counts only requests that began within it: the limit does not fall again for what came before it fell.
"""

import math
from collections.abc import Hashable

IDLE = 2
"""A request that finds less than so many others inside does not queue: its latency makes the baseline."""
WINDOW_S = 0.1
WINDOW_SAMPLES = 10
SMOOTHING = 0.5
LEAST_GRADIENT = 0.25
"""However bad a window looks, this much of the limit stays."""
BACK_OFF, STEEPEST = 0.9, 0.7
"""When the service itself refuses, the limit falls to a tenth below what is inside (Netflix's AIMD limit), by three
tenths at most, and not again before that can have shown."""
MOST_RATIO = 16.0
"""One request that took longer, in baselines, counts as this: a window is no worse for one outlier."""
RECOVERY_S = 1.0
"""A limit that has not been reached doubles in this time, or in twice the time that an answer takes."""
STALE_S = 10.0
"""So long after the last request that found the service idle the baseline is looked at again."""
DIP_S = 1.0
DIP_SAMPLES = 10


class Baseline:
    """Latency of one kind of request while nothing queues, an exponential average that begins as the plain one."""

    __slots__ = ("count", "idle", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.count = 0
        self.idle = False

    def add(self, seconds: float, idle: bool) -> None:
        """Until one of them found the service `idle`, others stand in; from then on those count only downwards."""
        if idle and not self.idle:
            self.idle, self.count = True, 0
        if idle or not self.idle or seconds < self.seconds:
            self.count += 1
            self.seconds += max(1.0 / self.count, 0.05) * (seconds - self.seconds)


class Route:
    """One operation: how many of its requests are inside, and its baselines by size of body."""

    __slots__ = ("baselines", "inside")

    def __init__(self) -> None:
        self.inside = 0
        self.baselines: dict[int, Baseline] = {}


class Place:
    """A request's place inside, from `Limit.enter` to one of `Limit`'s ways out."""

    __slots__ = ("baseline", "began", "idle", "route")

    def __init__(self, route: Route, baseline: Baseline, began: float, idle: bool) -> None:
        self.route = route
        self.baseline = baseline
        self.began = began
        self.idle = idle


class Limit:
    """Of one service. Times are seconds on any clock that does not go backwards; every method is O(1)."""

    def __init__(self, *, smallest: int = 4, largest: int = 128, tolerance: float = 4.0) -> None:
        self.smallest, self.largest, self.tolerance = smallest, largest, tolerance
        self.limit = float(largest)
        self.in_flight = 0
        self._routes: dict[Hashable, Route] = {}
        self._active = 0
        self._reached = -math.inf
        self._backed_off = self._idle_seen = -math.inf
        self._dip_until = 0.0
        self._dip_samples = 0
        self._dip_pause = STALE_S
        self._rate = self._latency = 0.0
        self._begin(0.0)

    def full(self, route: Hashable, now: float) -> bool:
        """Whether `enter` would refuse now.

        Where several operations are in flight, one that has less than its equal share of the limit may enter all the
        same: whoever fills the service with long work closes the door to more of that work and to nothing else.
        """
        if self.in_flight < self._effective(now):
            return False
        known = self._routes.get(route)
        inside = known.inside if known is not None else 0
        share = self.limit / (self._active + (inside == 0))
        if inside < max(1.0, share) and self._active - (inside > 0) > 0:
            return False
        self._recover(now)
        return self.in_flight >= self._effective(now)

    def refuse(self, now: float) -> None:
        """Somebody was turned away: the limit is in use."""
        self._reached = now
        self._hit = True

    def enter(self, route: Hashable, size: int, now: float) -> Place | None:
        """None where it is full. `size`: bytes of the body."""
        if (self.in_flight >= self.limit or now < self._dip_until) and self.full(route, now):
            self.refuse(now)
            return None
        known = self._routes.get(route)
        if known is None:
            known = self._routes[route] = Route()
        baseline = known.baselines.get(size.bit_length() >> 1)
        if baseline is None:
            baseline = known.baselines[size.bit_length() >> 1] = Baseline()
        place = Place(known, baseline, now, self.in_flight < IDLE)
        if not known.inside:
            self._active += 1
        known.inside += 1
        self.in_flight += 1
        return place

    def answered(self, place: Place, now: float) -> None:
        """The service did what was asked."""
        self._leave(place)
        self._count += 1
        seconds, baseline = now - place.began, place.baseline
        if place.idle:
            self._idle_seen = now
            if now < self._dip_until:
                self._dip_samples += 1
                if self._dip_samples >= DIP_SAMPLES:
                    self._dip_until, self._dip_pause = 0.0, STALE_S
        baseline.add(seconds, place.idle)
        if place.began >= self._opened:
            self._sample(seconds, seconds / baseline.seconds if baseline.seconds > 0 else 1.0)
        self._close(now)

    def left(self, place: Place, now: float) -> None:
        """Nobody waits for it any more: it counts where it has lasted long already."""
        self._leave(place)
        seconds = now - place.began
        ratio = seconds / place.baseline.seconds if place.baseline.seconds > 0 else 0.0
        if ratio > 1.0 and place.began >= self._opened:
            self._sample(seconds, ratio)
        self._close(now)

    def turned_away(self, place: Place, now: float) -> None:
        """The service refused for want of room."""
        inside = self.in_flight
        self._leave(place)
        self.refuse(now)
        if now - self._backed_off >= max(WINDOW_S, self._latency):
            self._backed_off = now
            limit = max(STEEPEST * self.limit, BACK_OFF * min(self.limit, inside))
            self.limit = max(float(self.smallest), limit)

    def failed(self, place: Place) -> None:
        """An answer that says nothing about the load: an error of the request or of the service."""
        self._leave(place)
        self._count += 1

    def retry_after_s(self) -> float:
        """Time in which all who are inside will have been answered, by the rate measured; at least 1, at most 60."""
        return min(60.0, max(1.0, self.in_flight / self._rate)) if self._rate > 0 else 1.0

    def _effective(self, now: float) -> float:
        return IDLE if now < self._dip_until else self.limit

    def _recover(self, now: float) -> None:
        """Lets the limit grow for the time in which it has not been reached."""
        pace = max(RECOVERY_S, 2.0 * self._latency)
        spared = (now - self._reached) / pace - 0.5
        if spared > 0 and self.limit < self.largest:
            self.limit = min(float(self.largest), self.limit * 2.0 ** min(spared, 30.0))

    def _leave(self, place: Place) -> None:
        place.route.inside -= 1
        if not place.route.inside:
            self._active -= 1
        self.in_flight -= 1

    def _sample(self, seconds: float, ratio: float) -> None:
        self._samples += 1
        self._seconds += seconds
        self._ratios += ratio if ratio < MOST_RATIO else MOST_RATIO

    def _begin(self, now: float) -> None:
        self._opened = now
        self._samples = self._count = 0
        self._ratios = self._seconds = 0.0
        self._hit = False

    def _close(self, now: float) -> None:
        span = now - self._opened
        if span < WINDOW_S or self._samples < WINDOW_SAMPLES:
            return
        rate = self._count / span
        self._latency = self._seconds / self._samples
        self._rate = rate if not self._rate else self._rate + 0.3 * (rate - self._rate)
        if self._hit and now >= self._dip_until:
            self._adapt()
            self._look_again(now)
        self._begin(now)

    def _adapt(self) -> None:
        gradient = min(1.0, max(LEAST_GRADIENT, self.tolerance * self._samples / self._ratios))
        target = self.limit * gradient + math.sqrt(self.limit)
        limit = self.limit + SMOOTHING * (target - self.limit)
        self.limit = min(float(self.largest), max(float(self.smallest), limit))

    def _look_again(self, now: float) -> None:
        """Lowers the limit for a moment, where the baseline has not been seen for long."""
        if now - max(self._idle_seen, self._dip_until) > self._dip_pause and self.limit > self.smallest:
            self._dip_until, self._dip_samples = now + DIP_S, 0
            self._dip_pause *= 2
