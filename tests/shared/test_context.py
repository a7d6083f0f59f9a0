import asyncio
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.context import RequestContext
from shared.errors import ClientGone, DeadlinePassed, Malformed

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def context(**headers: str) -> RequestContext:
    pairs = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return RequestContext.of(pairs, 10.0)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=128))
def test_a_visible_ascii_id_is_kept(request_id: str) -> None:
    assert context(x_request_id=request_id).request_id == request_id


@pytest.mark.parametrize("request_id", ["", "a b", "x" * 129, "ä", "a\tb"])
def test_another_id_is_replaced(request_id: str) -> None:
    assert re.fullmatch("[0-9a-f]{32}", context(x_request_id=request_id).request_id)


def test_ids_that_are_made_differ() -> None:
    assert context().request_id != context().request_id


def test_trace_is_read_when_it_is_well_formed() -> None:
    assert context(traceparent=TRACE).trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert context(traceparent="00-zz-00-01").trace_id is None


def test_deadline_is_what_the_client_asks_within_what_the_server_allows() -> None:
    assert 0.4 < context(x_request_timeout_ms="500").remaining_s() <= 0.5
    assert 9 < context(x_request_timeout_ms="999999999").remaining_s() <= 10
    assert 9 < context().remaining_s() <= 10


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "soon", "", "9" * 13])
def test_a_deadline_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(Malformed, match="X-Request-Timeout-Ms"):
        context(x_request_timeout_ms=value)


def test_check_says_why_to_stop() -> None:
    one = context()
    one.check()
    one.gone = True
    with pytest.raises(ClientGone):
        one.check()
    late = context()
    late.deadline = time.monotonic()
    with pytest.raises(DeadlinePassed, match="X-Request-Timeout-Ms"):
        late.check()


async def test_hangup_is_noticed_only_after_the_body() -> None:
    one = context(content_length="3")

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    one.receive = receive
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(one.hangup(), 0.01)
    one.body_read = True
    await asyncio.wait_for(one.hangup(), 5)
    assert one.gone


def test_an_answer_has_one_identity_or_none() -> None:
    context = RequestContext.of([], 60)
    assert context.identity is None
    for identity, expected in (("a", "a"), ("a", "a"), ("b", ""), ("a", ""), ("", "")):
        context.answered_by(identity)
        assert context.identity == expected
