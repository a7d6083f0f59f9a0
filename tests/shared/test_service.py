"""One service asks another, for a request."""

import socket
import time

import pytest

from shared.context import RequestContext
from shared.service import Away, Errand, ServiceClient
from tests.gateway.upstream import Upstream

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def context(seconds: float) -> RequestContext:
    headers = [(b"x-request-id", b"mine"), (b"traceparent", TRACE.encode())]
    return RequestContext.of(headers, seconds)


async def test_id_trace_deadline_and_key_go_along() -> None:
    upstream = Upstream().start()
    client = ServiceClient(f"http://127.0.0.1:{upstream.port}")
    try:
        reply = await client.ask("POST", "/echo?a=1", Errand.of(context(600), 5), content={"a": [1.5]}, key="k")
        seen = dict(reply.content["headers"])
        assert (reply.status, reply.content["method"], reply.content["query"]) == (200, "POST", "a=1")
        assert (seen["x-request-id"], seen["traceparent"], seen["idempotency-key"]) == ("mine", TRACE, "k")
        assert 0 < int(seen["x-request-timeout-ms"]) <= 5_000
        assert (seen["content-type"], reply.content["bytes"]) == ("application/json", len(b'{"a":[1.5]}'))
        short = await client.ask("GET", "/echo", Errand.of(context(0.9), 5))
        assert int(dict(short.content["headers"])["x-request-timeout-ms"]) <= 900
        made = dict((await client.ask("GET", "/echo", Errand.of(None, 5))).content["headers"])
        assert len(made["x-request-id"]) == 32
        assert not {"traceparent", "idempotency-key", "cookie"} & made.keys()
    finally:
        await client.aclose()
        upstream.stop()


async def test_a_refusal_is_a_reply_and_what_may_pass_is_not() -> None:
    upstream = Upstream().start()
    client = ServiceClient(f"http://127.0.0.1:{upstream.port}")
    try:
        for status in (400, 404, 409, 413, 422):
            assert (await client.ask("POST", f"/status/{status}", Errand.of(None, 5), content="x")).status == status
        for status in (408, 429, 500, 502, 503, 504):
            with pytest.raises(Away, match=str(status)):
                await client.ask("POST", f"/status/{status}", Errand.of(None, 5), content="x")
        with pytest.raises(Away):
            await client.ask("POST", "/die", Errand.of(None, 5), content="x")
        began = time.monotonic()
        with pytest.raises(Away):
            await client.ask("POST", "/hang", Errand.of(None, 0.2), content="x")
        assert time.monotonic() - began < 20
    finally:
        await client.aclose()
        upstream.stop()


async def test_nobody_at_home() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        client = ServiceClient(f"http://127.0.0.1:{unheard.getsockname()[1]}")
        with pytest.raises(Away):
            await client.ask("GET", "/", Errand.of(None, 5))
        await client.aclose()
