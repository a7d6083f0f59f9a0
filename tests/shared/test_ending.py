"""Background tasks end when they are told to."""

import asyncio
import contextlib

from shared.ending import end


async def asleep() -> None:
    await asyncio.Event().wait()


async def test_tasks_have_ended_when_it_returns() -> None:
    tasks = [asyncio.create_task(asleep()) for _ in range(3)]
    await end(*tasks)
    assert all(task.cancelled() for task in tasks)
    await end(*tasks)
    await end()


async def test_a_task_whose_library_swallows_cancellations_ends_too() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 3:
                    raise

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await end(task)
    assert (task.cancelled(), swallowed) == (True, 3)


async def test_what_a_task_raises_meanwhile_is_nobodys() -> None:
    async def fails() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        raise ValueError("late")

    task = asyncio.create_task(fails())
    await asyncio.sleep(0)
    await end(task)
    assert isinstance(task.exception(), ValueError)
