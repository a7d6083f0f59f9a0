"""Single flight: identical work that is wanted several times at once is done once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Flight(Generic[T]):
    """One computation and those who wait for it. It belongs to none of them: whoever leaves, it goes on while
    one is left, and is cancelled with the last."""

    __slots__ = ("_abandoned", "task", "waiters")

    def __init__(self, task: asyncio.Task[T], abandoned: Callable[[], None]) -> None:
        self.task = task
        self.waiters = 0
        self._abandoned = abandoned

    async def wait(self) -> T:
        self.waiters += 1
        try:
            return await asyncio.shield(self.task)
        except asyncio.CancelledError:
            if self.waiters == 1:
                self._abandoned()
            raise
        finally:
            self.waiters -= 1


class Flights(Generic[T]):
    """The computations under way, by key. A failure goes to all who wait; the next request starts afresh.
    `unwanted` gets a result that came when the last who waited for it was just leaving."""

    def __init__(self, unwanted: Callable[[T], None] = lambda _: None) -> None:
        self._flights: dict[bytes, Flight[T]] = {}
        self._unwanted = unwanted

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, key: bytes) -> bool:
        return key in self._flights

    def join(self, key: bytes, compute: Callable[[], Awaitable[T]]) -> tuple[Flight[T], bool]:
        """The flight under `key`, and whether it was already under way. To be awaited by `wait` at once."""
        flight = self._flights.get(key)
        if flight is not None:
            return flight, True
        task = asyncio.ensure_future(_run(compute))
        flight = Flight(task, lambda: self._abandon(key, task))
        self._flights[key] = flight
        task.add_done_callback(lambda _: self._land(key, task))
        return flight, False

    def _abandon(self, key: bytes, task: asyncio.Task[T]) -> None:
        self._land(key, task)
        task.cancel()
        if task.done() and not task.cancelled() and task.exception() is None:
            self._unwanted(task.result())

    def _land(self, key: bytes, task: asyncio.Task[T]) -> None:
        flight = self._flights.get(key)
        if flight is not None and flight.task is task:
            del self._flights[key]
        if task.done() and not task.cancelled():
            task.exception()


async def _run(compute: Callable[[], Awaitable[T]]) -> T:
    return await compute()
