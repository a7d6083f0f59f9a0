"""What is asked for within one turn of the event loop is asked for together."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Turn(Generic[Item, Result]):
    """Calls `run` with the items of one turn, at most `most` at a time; it gives a result for each, in order, and does
    not raise. Whoever leaves changes nothing for the others."""

    def __init__(self, run: Callable[[list[Item]], Awaitable[Sequence[Result]]], *, most: int) -> None:
        self._run = run
        self._most = most
        self._asked: list[tuple[Item, asyncio.Future[Result]]] = []
        self._running: set[asyncio.Task[None]] = set()

    async def ask(self, item: Item) -> Result:
        loop = asyncio.get_running_loop()
        if not self._asked:
            loop.call_soon(self._begin, loop)
        answer: asyncio.Future[Result] = loop.create_future()
        self._asked.append((item, answer))
        return await answer

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        asked, self._asked = self._asked, []
        for start in range(0, len(asked), self._most):
            task = loop.create_task(self._answer(asked[start : start + self._most]))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _answer(self, asked: list[tuple[Item, "asyncio.Future[Result]"]]) -> None:
        waiting = [(item, answer) for item, answer in asked if not answer.done()]
        try:
            results = await self._run([item for item, _ in waiting])
        except BaseException:
            for _, answer in waiting:
                answer.cancel()
            raise
        for (_, answer), result in zip(waiting, results, strict=True):
            if not answer.done():
                answer.set_result(result)
