import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.speed.backlog import Backlog


def waiting(backlog: Backlog) -> list[int]:
    """The numbers of all that wait, after the end."""

    async def take() -> list[int]:
        found = []
        while await backlog.ready():
            found.append(backlog.take().index)
        return found

    backlog.end()
    return asyncio.run(take())


def test_in_order() -> None:
    backlog = Backlog(10, 100)
    for each in (b"a", b"b", b"c"):
        backlog.put(each)
    assert waiting(backlog) == [0, 1, 2]
    assert backlog.dropped == 0


def test_one_too_many_drops_all_that_wait_but_the_newest() -> None:
    backlog = Backlog(3, 100)
    for _ in range(5):
        backlog.put(b"x")
    assert backlog.dropped == 3
    assert waiting(backlog) == [3, 4]
    assert backlog.count == 5


@pytest.mark.parametrize("size", [6, 11])
def test_bytes_are_bounded_too_though_one_frame_is_always_taken(size: int) -> None:
    backlog = Backlog(100, 10)
    for _ in range(2):
        backlog.put(bytes(size))
    assert waiting(backlog) == [1]


def test_frames_that_are_late_make_room_for_the_newest() -> None:
    now = [0.0]
    backlog = Backlog(10, 100, age_s=0.5, clock=lambda: now[0])
    for _ in range(4):
        backlog.put(b"x")
        now[0] += 0.2
    backlog.put(b"x")

    assert waiting(backlog) == [4]
    assert backlog.dropped == 4


def test_one_frame_that_waits_alone_is_never_late() -> None:
    now = [0.0]
    backlog = Backlog(10, 100, age_s=0.5, clock=lambda: now[0])
    backlog.put(b"x")
    now[0] = 60.0
    assert waiting(backlog) == [0]


@given(st.lists(st.integers(0, 20), max_size=60), st.integers(1, 8), st.integers(1, 60))
def test_laws(sizes: list[int], frames: int, most: int) -> None:
    backlog = Backlog(frames, most)
    for size in sizes:
        backlog.put(bytes(size))
    left = waiting(backlog)
    assert len(left) <= frames
    assert sum(sizes[k] for k in left) <= most or len(left) == 1
    assert left == list(range(len(sizes) - len(left), len(sizes)))
    assert len(left) + backlog.dropped == len(sizes)


def test_who_waits_hears_of_a_frame_and_of_the_end() -> None:
    async def run() -> None:
        backlog = Backlog(2, 10)
        task = asyncio.create_task(backlog.ready())
        await asyncio.sleep(0)
        backlog.put(b"a")
        assert await task
        assert backlog.take().data == b"a"
        task = asyncio.create_task(backlog.ready())
        await asyncio.sleep(0)
        backlog.end()
        assert not await task

    asyncio.run(run())
