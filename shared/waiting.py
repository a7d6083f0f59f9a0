"""Waiting for a computation only as long as somebody waits for its answer."""

import asyncio
from typing import TypeVar

from shared.context import RequestContext
from shared.errors import DeadlinePassed

T = TypeVar("T")

PATIENCE_S = 0.02
"""Answers that come sooner are not watched over: a task that looks for the client's hang-up costs a twentieth of what a
sentence does."""


async def while_wanted(future: "asyncio.Future[T]", context: RequestContext | None) -> T:
    """The future's result. Raises ClientGone when the client hangs up, DeadlinePassed when its time is over; the
    future is cancelled then.
    """
    if context is None:
        return await future
    watch = _Watch(future, context)
    try:
        return await future
    except asyncio.CancelledError:
        if watch.ended_it:
            context.check()
            raise DeadlinePassed("the request's deadline has passed; allow more time by X-Request-Timeout-Ms") from None
        raise
    finally:
        watch.stop()


class _Watch:
    """Cancels the future at the deadline or when the client hangs up, whichever comes first."""

    def __init__(self, future: "asyncio.Future[T]", context: RequestContext) -> None:
        self._future = future
        self._context = context
        self._hangup: asyncio.Task[None] | None = None
        self.ended_it = False
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(max(0.0, min(PATIENCE_S, context.remaining_s())), self._look)

    def _look(self) -> None:
        self._timer = self._loop.call_later(max(0.0, self._context.remaining_s()), self._end)
        self._hangup = self._loop.create_task(self._context.hangup())
        self._hangup.add_done_callback(self._hung_up)

    def _hung_up(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and task.exception() is None:
            self._end()

    def _end(self) -> None:
        self.ended_it = self._future.cancel()

    def stop(self) -> None:
        self._timer.cancel()
        if self._hangup is not None:
            self._hangup.cancel()
