"""Several items of one sequence worked on at once, in stages, of which some need the order and some do not."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Generic, TypeVar

from shared.cores import step_back

Raw = TypeVar("Raw")
Item = TypeVar("Item")
Seen = TypeVar("Seen")
Question = TypeVar("Question")
Answer = TypeVar("Answer")
Result = TypeVar("Result")


def in_flight(
    source: Iterable[Raw],
    take: Callable[[Raw], Item],
    look: Callable[[Item], Seen],
    aim: Callable[[Item, Seen], Question],
    ask: Callable[[Question], Answer],
    conclude: Callable[[Item, Question, Answer], Result],
    *,
    threads: int,
    delay: int,
) -> Generator[Result]:
    """conclude(item, q, ask(q := aim(item, look(item)))) of item = take(raw), for each `raw` in order.

    `take`, `aim` and `conclude` are called here, each in order; `look` and `ask` on `threads` threads. `conclude` of an
    item has happened when `aim` of the one `delay` later does. Not more than `delay` items are between `aim` and
    `conclude`, nor 2 `threads` between `take` and `aim`. What `source` or a stage raises is raised in the item's
    place; then, and when the iterator is closed, what has not begun never does, and the threads have ended.
    """
    flight = _Flight(look, aim, ask, threads)
    try:
        for item in _taken(source, take):
            flight.enter(item)
            if len(flight.looking) >= 2 * threads:
                if len(flight.asking) >= delay:
                    yield conclude(*flight.landed())
                flight.aimed()
        while flight.looking:
            if len(flight.asking) >= delay:
                yield conclude(*flight.landed())
            flight.aimed()
        while flight.asking:
            yield conclude(*flight.landed())
    finally:
        flight.pool.shutdown(wait=True, cancel_futures=True)


class _Fault:
    """In the place of an item that could not be made."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _taken(source: Iterable[Raw], take: Callable[[Raw], Item]) -> Iterator[Item | _Fault]:
    """An error is the last item."""
    try:
        for raw in source:
            yield take(raw)
    except Exception as error:  # noqa: BLE001 - raised again in its place
        yield _Fault(error)


class _Flight(Generic[Item, Seen, Question, Answer]):
    """What is under way, in order. An error in a stage is held until its item lands."""

    def __init__(
        self,
        look: Callable[[Item], Seen],
        aim: Callable[[Item, Seen], Question],
        ask: Callable[[Question], Answer],
        threads: int,
    ) -> None:
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="pairs", initializer=step_back)
        self.looking: deque[tuple[Item, Future[Seen]] | _Fault] = deque()
        self.asking: deque[tuple[Item, Question, Future[Answer]] | _Fault] = deque()
        self._look, self._aim, self._ask = look, aim, ask

    def enter(self, item: Item | _Fault) -> None:
        if isinstance(item, _Fault):
            self.looking.append(item)
        else:
            self.looking.append((item, self.pool.submit(copy_context().run, self._look, item)))

    def aimed(self) -> None:
        entry = self.looking.popleft()
        if isinstance(entry, _Fault):
            self.asking.append(entry)
            return
        item, seen = entry
        try:
            question = self._aim(item, seen.result())
        except Exception as error:  # noqa: BLE001 - raised again in its place
            self.asking.append(_Fault(error))
            self.looking.clear()
            return
        self.asking.append((item, question, self.pool.submit(copy_context().run, self._ask, question)))

    def landed(self) -> tuple[Item, Question, Answer]:
        entry = self.asking.popleft()
        if isinstance(entry, _Fault):
            raise entry.error
        item, question, answer = entry
        return item, question, answer.result()
