"""Exchanges on a real socket: what an application sends is what its client reads."""
# ruff: noqa: ASYNC110

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from shared.asgi import ASGIApp, Receive, Scope, Send
from shared.exchange import Cycle
from shared.wire import Protocol

PATIENCE_S = 60.0
GET = b"GET /x?a=%20 HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b"


@asynccontextmanager
async def served(
    app: Any, *, keep_alive_s: int = 60
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to `app`."""
    config = uvicorn.Config(
        app,
        http=Protocol,
        lifespan="off",
        log_config=None,
        ws="none",
        proxy_headers=False,
        timeout_keep_alive=keep_alive_s,
    )
    config.load()
    state = ServerState()
    state.default_headers = [(b"date", b"today")]
    server = await asyncio.get_running_loop().create_server(lambda: Protocol(config, state, {}), "127.0.0.1", 0)
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            yield reader, writer
        finally:
            writer.close()
            server.close()
            for connection in list(state.connections):
                connection.transport.abort()
            while state.tasks:
                await asyncio.sleep(0.01)
            await server.wait_closed()


def answering(*messages: dict[str, Any]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        for message in messages:
            await send(message)

    return app


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(content: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content, "more_body": more}


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    parts = []
    while True:
        message = await receive()
        parts.append(message["body"])
        if not message["more_body"]:
            break
    whole = b"%b %b %b" % (scope["path"].encode(), scope["query_string"], b"".join(parts))
    await send(start(200, (b"Content-Length", b"%d" % len(whole))))
    await send(body(whole))


class Recorder:
    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True

    def get_extra_info(self, name: str) -> None:  # noqa: ARG002
        return None


async def connection(app: Any) -> tuple[Protocol, Recorder]:
    config = uvicorn.Config(app, http=Protocol, lifespan="off", log_config=None, ws="none")
    config.load()
    recorder: Any = Recorder()
    protocol = Protocol(config, ServerState(), {})
    protocol.connection_made(recorder)
    return protocol, recorder


async def test_head_and_body_leave_in_one_write() -> None:
    protocol, recorder = await connection(answering(start(200, (b"content-length", b"2")), body(b"ok")))
    protocol.data_received(GET)
    while not protocol.cycle.response_complete:
        await asyncio.sleep(0)
    assert recorder.writes == [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"]
    await asyncio.sleep(0)
    assert len(recorder.writes) == 1
    protocol.connection_lost(None)


async def test_a_head_does_not_wait_for_its_body() -> None:
    proceed = asyncio.Event()

    async def events(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        await send(start())
        await proceed.wait()
        await send(body(b"data"))

    async with served(events) as (reader, writer):
        writer.write(GET)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\ndate: today\r\n")
        proceed.set()
        assert await reader.readuntil(b"0\r\n\r\n") == b"4\r\ndata\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("request_line", "messages", "answer"),
    [
        (b"GET", [start(200, (b"X-A", b"1")), body(b"ab", more=True), body(b"", more=True), body(b"c")],
         b"x-a: 1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
        (b"GET", [start(200, (b"Content-Length", b"3")), body(b"ab", more=True), body(b"c")],
         b"content-length: 3\r\n\r\nabc"),
        (b"HEAD", [start(200, (b"Content-Length", b"3")), body(b"abc")], b"content-length: 3\r\n\r\n"),
        (b"HEAD", [start(200), body(b"abc")], b"date: today\r\n\r\n"),
        (b"GET", [start(204), body(b"")], b"date: today\r\n\r\n"),
        (b"GET", [start(304, (b"etag", b'"1"')), body(b"")], b'etag: "1"\r\n\r\n'),
    ],
)  # fmt: skip
async def test_every_framing(request_line: bytes, messages: list[Any], answer: bytes) -> None:
    async with served(answering(*messages)) as (reader, writer):
        for _ in range(2):
            writer.write(GET.replace(b"GET", request_line))
            head = await reader.readuntil(b"date: today\r\n")
            rest = answer.removeprefix(b"date: today\r\n")
            assert await reader.readexactly(len(rest)) == rest
            assert head.startswith(b"HTTP/1.1 %d " % messages[0]["status"])


@pytest.mark.parametrize("size", [0, 1, 100_000, 3_000_000])
async def test_a_body_in_any_number_of_pieces_arrives_whole(size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    async with served(echo) as (reader, writer):
        for _ in range(2):
            request = POST % (size, content[:size])
            for at in range(0, len(request), 150_001):
                writer.write(request[at : at + 150_001])
                await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"content-length: %d" % (size + 4) in head
            assert (await reader.readexactly(size + 4))[4:] == content[:size]


async def test_continue_is_said_when_the_body_is_wanted() -> None:
    async with served(echo) as (reader, writer):
        writer.write(b"POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"ab")
        assert b" 200 " in await reader.readuntil(b"ab")


@pytest.mark.parametrize(
    "request_bytes", [GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), b"GET /x HTTP/1.0\r\n\r\n"]
)
async def test_the_last_answer_says_so_and_the_connection_ends(request_bytes: bytes) -> None:
    async with served(echo) as (reader, writer):
        writer.write(request_bytes)
        assert b"\r\nconnection: close\r\n" in await reader.read()


@pytest.mark.parametrize(
    "messages",
    [
        [start(200, (b"x", b"a\r\nset-cookie: b"))],
        [start(200, (b"x", b"a\x00b"))],
        [start(200, (b"x y", b"a"))],
        [start(200, (b"x:y", b"a"))],
        [body(b"")],
    ],
)
async def test_a_head_that_would_be_read_differently_is_never_written(messages: list[Any]) -> None:
    async with served(answering(*messages, body(b""))) as (reader, writer):
        writer.write(GET)
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert b"cookie" not in answer


@pytest.mark.parametrize(("length", "content"), [(b"3", b"ab"), (b"1", b"ab")])
async def test_a_body_of_another_length_than_announced_cuts_the_connection(length: bytes, content: bytes) -> None:
    async with served(answering(start(200, (b"content-length", length)), body(content))) as (reader, writer):
        writer.write(GET)
        answer = await reader.read()
        assert len(answer.partition(b"\r\n\r\n")[2]) != int(length)


async def test_an_idle_connection_ends() -> None:
    async with served(echo, keep_alive_s=1) as (reader, writer):
        writer.write(GET)
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")


async def test_a_busy_connection_does_not_end_when_the_timer_of_an_earlier_answer_goes_off() -> None:
    protocol, recorder = await connection(answering(start(200, (b"content-length", b"0")), body(b"")))
    for _ in range(2):
        protocol.data_received(GET)
        protocol._look_whether_idle()  # as the timer does
        assert not recorder.closed
        while not protocol.cycle.response_complete:
            await asyncio.sleep(0)
    assert len(recorder.writes) == 2
    protocol.connection_lost(None)


async def test_requests_sent_at_once_are_answered_in_order() -> None:
    async with served(echo) as (reader, writer):
        writer.write(b"".join(POST % (3, b"%03d" % number) for number in range(200)))
        for number in range(200):
            assert (await reader.readuntil(b"/x  %03d" % number)).count(b"HTTP/1.1") == 1


async def test_what_the_pieces_of_an_exchange_are_called_is_what_uvicorn_calls_them() -> None:
    """uvicorn's protocol and the rest of ours look at them."""
    for name in ("response_started", "response_complete", "more_body", "keep_alive", "expected_content_length"):
        assert name in {*Cycle.__dict__, *Cycle.__init__.__code__.co_names}
