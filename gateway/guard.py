"""What stands before each service: its circuit breaker, its concurrency limit, and a budget of second tries.

Together with the services' own bounded queues: the limit keeps as many requests inside as a service answers without
their queueing for long, so that the queue there fills only where requests come past this gateway or all at once. When
a service does turn a request away (503 with Retry-After), the limit falls below what was inside.
"""

import time
from collections.abc import Callable, Hashable, Iterable

from gateway.limit import Limit, Place
from gateway.settings import GatewaySettings
from shared.breaker import Breaker
from shared.errors import CircuitOpen, Overloaded
from shared.metrics import Metrics

SPARE_RETRIES = 10.0
"""Second tries that may be made at once, after calm."""


class RetryBudget:
    """Second tries are at most `share` of the requests, with a few to spare for a service that is seldom asked:
    a service that fails is asked little more than one that does not (Finagle's retry budget)."""

    __slots__ = ("_left", "_share")

    def __init__(self, share: float) -> None:
        self._share = share
        self._left = SPARE_RETRIES if share > 0 else 0.0

    def request(self) -> None:
        self._left = min(SPARE_RETRIES, self._left + self._share)

    def spend(self) -> bool:
        """Whether a second try may be made; it is counted then."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class Guard:
    """Of one service."""

    def __init__(
        self,
        service: str,
        limit: Limit,
        breaker: Breaker,
        retries: RetryBudget,
        refused: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.service = service
        self.limit = limit
        self.breaker = breaker
        self.retries = retries
        self._refused = refused
        self._clock = clock

    def check(self, route: Hashable) -> None:
        """Raises what `enter` would raise now: to refuse a request before its body is read."""
        if self.breaker.closed and self.limit.in_flight < self.limit.smallest:
            return
        self.check_breaker()
        if self.limit.full(route, self._clock()):
            self.limit.refuse(self._clock())
            raise self._overloaded()

    def enter(self, route: Hashable, size: int) -> "Passage":
        """To be called right before the service is asked; `size` is that of the body, in bytes.

        Raises Overloaded beyond the limit and CircuitOpen while the service is left alone.
        """
        breaker, now = self.breaker, self._clock()
        self.check_breaker()
        place = self.limit.enter(route, size, now)
        if place is None:
            raise self._overloaded()
        probe = not breaker.closed and breaker.enter()
        self.retries.request()
        return Passage(self, place, probe)

    def check_breaker(self) -> None:
        """Raises CircuitOpen."""
        if not self.breaker.closed and not self.breaker.allows():
            self._refused("breaker")
            raise CircuitOpen(
                f"the {self.service} service failed several times running and is left alone for a moment",
                retry_after_s=self.breaker.wait_s,
            )

    def now(self) -> float:
        return self._clock()

    def silent_s(self) -> float:
        """Since it last said that it is there."""
        return self._clock() - self.breaker.heard

    def _overloaded(self) -> Overloaded:
        self._refused("limit")
        return Overloaded(
            f"the {self.service} service answers {self.limit.in_flight} requests already, as many as it can without "
            f"their waiting long",
            retry_after_s=self.limit.retry_after_s(),
        )


class Passage:
    """One request on its way through a service: exactly one of the methods below ends it."""

    __slots__ = ("_guard", "_place", "_probe")

    def __init__(self, guard: Guard, place: Place, probe: bool) -> None:
        self._guard = guard
        self._place = place
        self._probe = probe

    def answered(self, status: int, *, retry_after: bool = False) -> None:
        """The head of the answer is there; `retry_after`: with that header."""
        guard = self._guard
        if status == 502:
            guard.breaker.failure()
        elif self._probe or guard.breaker.failing:
            guard.breaker.success()
        if status < 400:
            guard.limit.answered(self._place, guard.now())
        elif status == 503 and retry_after:
            guard.limit.turned_away(self._place, guard.now())
        else:
            guard.limit.failed(self._place)

    def failed(self) -> None:
        """The service could not be reached, or broke off."""
        self._guard.breaker.failure()
        self._guard.limit.failed(self._place)

    @property
    def probe(self) -> bool:
        """Whether it is to show that a service that was left alone is well again."""
        return self._probe

    def unsent(self) -> None:
        """The service never got it, and is to be asked again."""
        if self._probe:
            self._guard.breaker.withdraw()
        self._guard.limit.failed(self._place)

    def left(self) -> None:
        """The client hung up, or the deadline passed."""
        if self._probe:
            self._guard.breaker.withdraw()
        self._guard.limit.left(self._place, self._guard.now())


class Guards:
    """All of them, by the service's name."""

    def __init__(self, services: Iterable[str], settings: GatewaySettings, metrics: Metrics) -> None:
        limits = metrics.gauge("gateway_concurrency_limit", "Requests that a service may be answering", ("service",))
        inside = metrics.gauge("gateway_in_flight", "Requests that a service is answering", ("service",))
        states = metrics.gauge("gateway_breaker_open", "1 while a service is left alone", ("service",))
        opened = metrics.counter("gateway_breaker_opened", "Times that a service came to be left alone", ("service",))
        refusals = metrics.counter(
            "gateway_rejections", "Requests refused unasked, by reason: limit, breaker", ("service", "reason")
        )
        self._named: dict[str, Guard] = {}
        for service in services:
            counted = {reason: refusals.labels(service, reason) for reason in ("limit", "breaker")}
            guard = self._named[service] = Guard(
                service,
                Limit(
                    smallest=settings.limit_smallest,
                    largest=max(settings.limit_smallest, settings.limit_largest),
                    tolerance=settings.limit_tolerance,
                ),
                Breaker(
                    failures=settings.breaker_failures,
                    pause_s=settings.breaker_pause_s,
                    opened=opened.labels(service).inc,
                ),
                RetryBudget(settings.retry_share),
                lambda reason, counted=counted: counted[reason].inc(),  # type: ignore[misc]
            )
            limits.labels(service).set_function(lambda guard=guard: guard.limit.limit)  # type: ignore[misc]
            inside.labels(service).set_function(lambda guard=guard: guard.limit.in_flight)  # type: ignore[misc]
            states.labels(service).set_function(lambda guard=guard: float(not guard.breaker.closed))  # type: ignore[misc]

    def __getitem__(self, service: str) -> Guard:
        return self._named[service]
