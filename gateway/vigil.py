"""Keeps watch while a request waits: its deadline, and whether its client is still there."""

import asyncio
from types import TracebackType

from shared.context import RequestContext
from shared.errors import ClientGone, DeadlinePassed, VernierError

PATIENCE_S = 0.1
"""A request is looked at once it has lasted for so long, twice that at most: most have ended before and never pay for
a timer of their own."""


class Watch:
    """Wakes the vigils that have lasted for a while: one timer for all of them."""

    def __init__(self) -> None:
        self._new: dict[Vigil, None] = {}
        self._ripe: dict[Vigil, None] = {}
        self._ticking = False

    def add(self, vigil: "Vigil") -> None:
        self._new[vigil] = None
        if not self._ticking:
            self._ticking = True
            vigil.loop.call_later(PATIENCE_S, self._tick, vigil.loop)

    def drop(self, vigil: "Vigil") -> None:
        if self._new.pop(vigil, self) is self:
            self._ripe.pop(vigil, None)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        lasted, self._ripe, self._new = self._ripe, self._new, {}
        for vigil in lasted:
            vigil.look()
        self._ticking = bool(self._ripe)
        if self._ticking:
            loop.call_later(PATIENCE_S, self._tick, loop)


class Vigil:
    """Within the `with` block, a passed deadline raises DeadlinePassed and a hang-up raises ClientGone."""

    __slots__ = ("_context", "_fault", "_handle", "_hangup", "_task", "_watch", "loop")

    def __init__(self, context: RequestContext, watch: Watch) -> None:
        self._context = context
        self._watch = watch
        self._fault: VernierError | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._hangup: asyncio.Task[None] | None = None

    def __enter__(self) -> "Vigil":
        self.loop = asyncio.get_running_loop()
        self._task = asyncio.current_task(self.loop)
        remaining = self._context.remaining_s()
        if remaining > 2 * PATIENCE_S:
            self._watch.add(self)
        else:
            self._handle = self.loop.call_later(max(0.0, min(PATIENCE_S, remaining)), self.look)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            self._handle.cancel()
        else:
            self._watch.drop(self)
        if self._hangup is not None:
            self._hangup.remove_done_callback(self._left)
            self._hangup.cancel()
        if self._fault is None or self._task is None:
            return
        if self._task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise self._fault from None

    def unlimited(self) -> None:
        """From here on only a hang-up ends it: an event stream lasts as long as its client listens."""
        self._context.deadline = float("inf")

    def look(self) -> None:
        """At the deadline and at the connection; sets the timer for the next look."""
        remaining = self._context.remaining_s()
        if remaining <= 0:
            self._end(DeadlinePassed("the deadline has passed; allow more time by X-Request-Timeout-Ms"))
        elif not self._context.body_read:
            self._handle = self.loop.call_later(max(0.0, min(PATIENCE_S, remaining)), self.look)
        else:
            if self._hangup is None:
                self._hangup = self.loop.create_task(self._context.hangup())
                self._hangup.add_done_callback(self._left)
            self._handle = self.loop.call_later(min(remaining, 3600.0), self.look)

    def _left(self, hangup: "asyncio.Task[None]") -> None:
        if not hangup.cancelled() and self._context.gone:
            self._end(ClientGone("the client hung up"))

    def _end(self, fault: VernierError) -> None:
        if self._fault is None and self._task is not None:
            self._fault = fault
            self._task.cancel()
