"""A request's progress: told from any thread, kept while the request lives, asked for by its id."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.context import RequestContext, current_context
from shared.progress import progress, progress_of, reporter


def request(request_id: str) -> RequestContext:
    return RequestContext(request_id, time.monotonic(), time.monotonic() + 60)


def test_without_a_request_nothing_happens() -> None:
    assert current_context.get() is None
    progress(0.5)
    reporter()(0.5)


def test_progress_is_told_on_any_thread_and_asked_by_id() -> None:
    context = request("one")
    token = current_context.set(context)
    try:
        report = reporter()
        assert progress_of("one") is None
        thread = threading.Thread(target=report, args=(0.5,))
        thread.start()
        thread.join()
        assert progress_of("one") == 0.5
        progress(0.75)
        assert progress_of("one") == 0.75
        assert progress_of("two") is None
    finally:
        current_context.reset(token)


@pytest.mark.parametrize(("field", "value"), [("gone", True), ("status", 200)])
def test_a_request_that_is_answered_or_given_up_has_none(field: str, value: object) -> None:
    context = request("ended")
    token = current_context.set(context)
    progress(0.5)
    current_context.reset(token)
    setattr(context, field, value)
    assert progress_of("ended") is None


def test_a_request_that_is_over_is_forgotten() -> None:
    context = request("over")
    token = current_context.set(context)
    progress(0.5)
    current_context.reset(token)
    assert progress_of("over") == 0.5
    del context, token
    assert progress_of("over") is None


def test_a_part_of_the_work_is_a_part_of_the_whole() -> None:
    context = request("parts")
    token = current_context.set(context)
    try:
        reporter(0, 0.5)(0.5)
        assert progress_of("parts") == 0.25
        reporter(0.5, 1)(0.5)
        assert progress_of("parts") == 0.75
    finally:
        current_context.reset(token)


@given(st.lists(st.floats(0, 2), min_size=1))
def test_it_never_goes_back_and_never_beyond_all(shares: list[float]) -> None:
    context = request("law")
    token = current_context.set(context)
    try:
        for share in shares:
            progress(share)
        assert context.progress == pytest.approx(min(1, max(shares)))
    finally:
        current_context.reset(token)
