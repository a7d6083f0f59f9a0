"""Single flight: once for all who ask at once, for as long as one of them waits."""

import asyncio

import pytest

from shared.cache import Flights


class Work:
    def __init__(self) -> None:
        self.begun = self.cancelled = 0
        self.gate = asyncio.Event()

    async def __call__(self) -> str:
        self.begun += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return "done"


async def ask(flights: Flights[str], work: Work) -> tuple[str, bool]:
    flight, joined = flights.join(b"k", work)
    return await flight.wait(), joined


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_all_who_ask_at_once_get_one_result() -> None:
    flights, work = Flights[str](), Work()
    asked = [asyncio.create_task(ask(flights, work)) for _ in range(10)]
    await settle()
    work.gate.set()
    assert await asyncio.gather(*asked) == [("done", False)] + [("done", True)] * 9
    assert (work.begun, len(flights)) == (1, 0)


async def test_whoever_leaves_does_not_end_it_for_the_others() -> None:
    flights, work = Flights[str](), Work()
    first, second = (asyncio.create_task(ask(flights, work)) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    work.gate.set()
    assert await second == ("done", True)
    assert work.cancelled == 0


async def test_the_last_to_leave_ends_it_and_a_newcomer_starts_afresh() -> None:
    flights, work = Flights[str](), Work()
    both = [asyncio.create_task(ask(flights, work)) for _ in range(2)]
    await settle()
    for each in both:
        each.cancel()
    await asyncio.wait(both)
    newcomer = asyncio.create_task(ask(flights, work))
    await settle()
    assert (work.cancelled, work.begun) == (1, 2)
    work.gate.set()
    assert await newcomer == ("done", False)


async def test_a_failure_goes_to_all_and_is_not_remembered() -> None:
    flights = Flights[str]()

    async def fail() -> str:
        await asyncio.sleep(0)
        raise ValueError("no")

    async def ask_failing() -> str:
        return await flights.join(b"k", fail)[0].wait()

    failed = await asyncio.gather(ask_failing(), ask_failing(), return_exceptions=True)
    assert [type(each) for each in failed] == [ValueError, ValueError]
    assert len(flights) == 0


async def test_a_result_that_nobody_is_left_for_is_handed_back() -> None:
    unwanted: list[str] = []
    flights, work = Flights[str](unwanted.append), Work()
    asked = asyncio.create_task(ask(flights, work))
    await settle()
    flight, _ = flights.join(b"k", work)
    work.gate.set()
    while not flight.task.done():  # noqa: ASYNC110
        await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert unwanted == ["done"]
