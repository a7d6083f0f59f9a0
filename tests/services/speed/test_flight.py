"""Stages of a sequence side by side: the order, the bounds, and where errors come."""

import threading
from collections.abc import Callable, Generator, Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from services.speed.flight import in_flight
from tests.polling import until

THREADS, DELAY = 2, 3


def flown(
    source: Iterator[int] | range,
    look: Callable[[int], int] = lambda item: item,
    ask: Callable[[int], int] = lambda question: question,
    take: Callable[[int], int] = lambda raw: raw,
    aim: Callable[[int, int], int] = lambda _, seen: seen,
    conclude: Callable[[int, int, int], int] = lambda *all_of_it: all_of_it[-1],
) -> Generator[int]:
    return in_flight(source, take, look, aim, ask, conclude, threads=THREADS, delay=DELAY)


def collect(results: Iterator[int], found: list[int]) -> None:
    """Those before an error too."""
    while (each := next(results, None)) is not None:
        found.append(each)


def living() -> int:
    return sum(each.name.startswith("pairs") for each in threading.enumerate())


@pytest.mark.parametrize("length", [0, 1, 3, 40])
def test_results_come_in_order_and_the_threads_end(length: int) -> None:
    assert list(flown(range(length), look=lambda item: item + 1, ask=lambda question: 2 * question)) == [
        2 * (item + 1) for item in range(length)
    ]
    assert living() == 0


def test_stages_with_state_see_all_items_in_order_and_concluded_ones_in_time() -> None:
    taken: list[int] = []
    concluded: list[int] = []

    def take(raw: int) -> int:
        taken.append(raw)
        return raw

    def aim(item: int, _: int) -> int:
        assert len(concluded) >= item + 1 - DELAY
        assert len(taken) <= item + 2 * THREADS
        return item

    def conclude(item: int, *_: int) -> int:
        concluded.append(item)
        return item

    assert list(flown(range(30), take=take, aim=aim, conclude=conclude)) == list(range(30))
    assert taken == concluded == list(range(30))


def test_two_items_are_looked_at_at_once() -> None:
    both = threading.Barrier(2)

    def look(item: int) -> int:
        both.wait(30)
        return item

    assert list(flown(range(8), look=look)) == list(range(8))


@pytest.mark.parametrize("stage", ["take", "look", "aim", "ask", "conclude"])
@pytest.mark.parametrize("culprit", [0, 5, 19])
def test_an_error_comes_in_its_items_place(stage: str, culprit: int) -> None:
    def fails(item: int, *_: int) -> int:
        if item == culprit:
            raise ValueError(f"item {item}")
        return item

    found: list[int] = []
    stages: dict[str, Any] = {stage: fails}
    with pytest.raises(ValueError, match=f"item {culprit}$"):
        collect(flown(range(20), **stages), found)
    assert found == list(range(culprit))
    assert living() == 0


def test_an_error_of_the_source_comes_after_what_it_gave() -> None:
    def source() -> Iterator[int]:
        yield from range(7)
        raise OSError("damaged")

    found: list[int] = []
    with pytest.raises(OSError, match="damaged"):
        collect(flown(source()), found)
    assert found == list(range(7))


def test_closing_early_begins_nothing_more_and_ends_the_threads() -> None:
    begun: list[int] = []

    def look(item: int) -> int:
        begun.append(item)
        return item

    results = flown(iter(range(10**9)), look=look)
    assert next(results) == 0
    results.close()
    assert living() == 0
    assert len(begun) <= 2 * THREADS + DELAY


def test_the_context_of_the_caller_goes_with_the_work() -> None:
    where: ContextVar[str] = ContextVar("where", default="nowhere")
    where.set("here")
    seen: list[str] = []

    def ask(question: int) -> int:
        seen.append(where.get())
        return question

    list(flown(range(5), ask=ask))
    assert seen == ["here"] * 5


def test_threads_are_bounded() -> None:
    most = 0

    def look(item: int) -> int:
        nonlocal most
        most = max(most, living())
        return item

    list(flown(range(20), look=look))
    until(lambda: living() == 0, "threads end")
    assert most <= THREADS
