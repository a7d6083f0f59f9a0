"""Items made on another thread: the same, in order, not too many, and the thread ends."""

import threading
from collections.abc import Iterator

import pytest

from services.speed.ahead import ahead


def threads() -> int:
    return sum(each.name == "ahead" for each in threading.enumerate())


@pytest.mark.parametrize("length", [0, 1, 3, 100])
def test_same_items_in_order(length: int) -> None:
    with ahead(iter(range(length)), 3) as items:
        assert list(items) == list(range(length))
    assert threads() == 0


def test_at_most_so_many_are_made_early() -> None:
    made: list[int] = []
    halted = threading.Event()

    def source() -> Iterator[int]:
        for k in range(100):
            made.append(k)
            if k == 3:
                halted.set()
            yield k

    with ahead(source(), 3) as items:
        assert next(items) == 0
        assert halted.wait(10)
        assert len(made) <= 5
    assert threads() == 0


def test_an_error_comes_in_its_place() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise ValueError("damaged")

    with ahead(source(), 3) as items:
        assert next(items) == 1
        with pytest.raises(ValueError, match="damaged"):
            next(items)
    assert threads() == 0


def test_leaving_early_ends_the_thread() -> None:
    def endless() -> Iterator[int]:
        while True:
            yield 0

    with ahead(endless(), 2) as items:
        next(items)
    assert threads() == 0
