"""A circuit breaker: what failed several times running is left alone for a while, so that nobody waits to find out.

The pattern is M. Nygard's ("Release It!", 2007): closed, open, half-open.
"""

import time
from collections.abc import Callable


class Breaker:
    """Opens after `failures` failures without a success between them, and then calls `opened`. `pause_s` later one
    caller may probe; when the probe fails too it stays open, twice as long each time, up to `longest_s`. Not for use
    by several threads."""

    def __init__(
        self,
        *,
        failures: int = 5,
        pause_s: float = 1.0,
        longest_s: float = 30.0,
        opened: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._opened = opened
        self._allowed = failures
        self._shortest_s, self._longest_s = pause_s, longest_s
        self._clock = clock
        self._failures = 0
        self._pause_s = pause_s
        self._until: float | None = None
        self._probing = False
        self.heard = float("-inf")
        """When `success` was last called."""

    @property
    def closed(self) -> bool:
        return self._until is None

    @property
    def failing(self) -> bool:
        """Whether the last thing heard was a failure."""
        return self._failures > 0

    @property
    def state(self) -> str:
        """`closed`, `open` or `half_open`."""
        if self._until is None:
            return "closed"
        return "half_open" if self._probing or self._clock() >= self._until else "open"

    @property
    def wait_s(self) -> float:
        """Seconds until the next probe may go; 0 while it is closed."""
        return 0.0 if self._until is None else max(0.0, self._until - self._clock())

    def allows(self) -> bool:
        """Whether to ask now; changes nothing."""
        return self._until is None or (not self._probing and self._clock() >= self._until)

    def enter(self) -> bool:
        """As `allows`; whoever is let through while it is open is the probe, and owes `success`, `failure` or
        `withdraw`."""
        if self._until is None:
            return True
        if self._probing or self._clock() < self._until:
            return False
        self._probing = True
        return True

    def success(self) -> None:
        self.heard = self._clock()
        self._failures = 0
        if self._until is not None:
            self._until, self._probing, self._pause_s = None, False, self._shortest_s

    def failure(self) -> None:
        self._failures += 1
        if self._until is not None:
            if self._probing:
                self._pause_s = min(self._longest_s, 2 * self._pause_s)
                self._open()
        elif self._failures >= self._allowed:
            self._open()
            self._opened()

    def withdraw(self) -> None:
        """The probe ended without an answer to the question: the next caller may be one."""
        self._probing = False

    def _open(self) -> None:
        self._until = self._clock() + self._pause_s
        self._probing = False
