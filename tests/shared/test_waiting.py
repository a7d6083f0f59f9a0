import asyncio

import pytest

from shared.context import RequestContext
from shared.errors import ClientGone, DeadlinePassed
from shared.waiting import while_wanted


def request(timeout_s: float = 60.0) -> tuple[RequestContext, asyncio.Event]:
    """A request and the hang-up of its client."""
    context = RequestContext.of([], timeout_s)
    gone = asyncio.Event()

    async def receive() -> dict[str, str]:
        await gone.wait()
        return {"type": "http.disconnect"}

    context.receive, context.body_read = receive, True
    return context, gone


def pending() -> "asyncio.Future[int]":
    return asyncio.get_running_loop().create_future()


async def test_a_result_comes_through() -> None:
    for context in (None, request()[0]):
        future = pending()
        asyncio.get_running_loop().call_later(0.01, future.set_result, 7)
        assert await while_wanted(future, context) == 7


async def test_an_answer_at_once_is_not_watched_over() -> None:
    context, _ = request()
    future = pending()
    future.set_result(1)
    before = len(asyncio.all_tasks())
    assert await while_wanted(future, context) == 1
    assert len(asyncio.all_tasks()) == before


async def test_an_error_comes_through() -> None:
    future = pending()
    future.set_exception(ValueError("own"))
    with pytest.raises(ValueError, match="own"):
        await while_wanted(future, request()[0])


async def test_the_deadline_ends_it() -> None:
    future = pending()
    with pytest.raises(DeadlinePassed):
        await while_wanted(future, request(0.01)[0])
    assert future.cancelled()


async def test_a_deadline_that_has_passed_ends_it_at_once() -> None:
    context, _ = request(60.0)
    context.deadline = 0.0
    with pytest.raises(DeadlinePassed):
        await while_wanted(pending(), context)


async def test_a_hang_up_ends_it() -> None:
    context, gone = request()
    future = pending()
    asyncio.get_running_loop().call_later(0.01, gone.set)
    with pytest.raises(ClientGone):
        await while_wanted(future, context)
    assert future.cancelled()


async def test_a_hang_up_noticed_before_ends_it_too() -> None:
    context, _ = request()
    context.gone = True
    with pytest.raises(ClientGone):
        await while_wanted(pending(), context)


async def test_cancelling_the_task_is_neither() -> None:
    context, _ = request()
    task = asyncio.ensure_future(while_wanted(pending(), context))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
