"""The client's side of HTTP, against a service that says exactly what it is told to, byte by byte."""
# ruff: noqa: ASYNC110

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.client import Call, Client
from gateway.connection import HEAD_BYTES, HEAD_FIELDS, HIGH_WATER_BYTES, Answer
from gateway.guard import Guards
from gateway.pool import FRESH_S, Pool
from gateway.settings import GatewaySettings
from shared.errors import UpstreamFailed
from shared.metrics import Metrics

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
PATIENCE_S = 60.0
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Told:
    """A service that reads requests and answers each with the next of `script`; bytes, or None to hang up."""

    def __init__(self, *script: bytes | None) -> None:
        self.script = list(script)
        self.seen: list[bytes] = []
        self.connections = 0
        self.ended = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = [line for line in head.split(b"\r\n") if line.startswith(b"content-length:")]
                body = await reader.readexactly(int(length[0].split(b":")[1])) if length else b""
                self.seen.append(head + body)
                told = self.script.pop(0) if self.script else OK
                if told is None:
                    return
                writer.write(told)
                if b"content-length" not in told and b"chunked" not in told:
                    await writer.drain()
                    return
        finally:
            self.ended += 1


@asynccontextmanager
async def client(handler: Handler, **settings: float) -> AsyncIterator[Client]:
    handlers: list[asyncio.Task[None] | None] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.append(asyncio.current_task())
        try:
            await handler(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    told = GatewaySettings(stats_url=f"http://127.0.0.1:{port}", speed_url="", text_url="", **settings)  # type: ignore[arg-type]
    metrics = Metrics()
    it = Client(told, metrics, Guards(told.services, told, metrics))
    it.start()
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield it
    finally:
        await it.aclose()
        server.close()
        while not all(task is None or task.done() for task in handlers):
            await asyncio.sleep(0.01)
        await server.wait_closed()


def call(method: str = "POST", body: bytes = b"", *, replayable: bool = False) -> Call:
    return Call("stats", "/x", method, b"/x?y=1", b"x-mine: \xc3\xa4\r\n", body, replayable)


async def ask(it: Client, method: str = "POST", *, replayable: bool = False) -> tuple[int, bytes]:
    answer = await it.open(call(method, replayable=replayable))
    return answer.status, await answer.read()


async def test_the_request_is_what_was_told_and_no_more() -> None:
    service = Told()
    async with client(service) as it:
        answer = await it.open(call(body=b"\x00\xff"))
        await answer.read()
        pool = it._pools["stats"]
    assert service.seen == [
        b"POST /x?y=1 HTTP/1.1\r\nhost: " + pool.host + b"\r\nx-mine: \xc3\xa4\r\ncontent-length: 2\r\n\r\n\x00\xff"
    ]


@pytest.mark.parametrize(("method", "framed"), [("POST", True), ("PUT", True), ("GET", False), ("DELETE", False)])
async def test_an_empty_body_is_announced_where_one_is_expected(method: str, framed: bool) -> None:
    service = Told()
    async with client(service) as it:
        await ask(it, method)
    assert (b"content-length: 0" in service.seen[0]) is framed


async def test_one_connection_serves_one_request_after_another() -> None:
    service = Told()
    async with client(service) as it:
        assert [await ask(it) for _ in range(5)] == [(200, b"ok")] * 5
        assert service.connections == 1


@pytest.mark.parametrize(
    ("message", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", 200, b"abc"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-trailer: 1\r\n\r\n", 200, b"a"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"ok"),
        (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK, 200, b"ok"),
        (b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", 304, b""),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, b""),
    ],
)
async def test_every_framing_is_understood(message: bytes, status: int, body: bytes) -> None:
    service = Told(message)
    async with client(service) as it:
        assert await ask(it) == (status, body)
        assert await ask(it) == (200, b"ok")
        assert service.connections == 1


async def test_trailers_and_interim_answers_leave_nothing_in_the_head() -> None:
    message = (
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\nX-One: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    async with client(Told(message + b"0\r\nx-trailer: 1\r\n\r\n")) as it:
        answer = await it.open(call())
        assert await answer.read() == b""
        assert answer.headers == [(b"x-one", b"1"), (b"transfer-encoding", b"chunked")]


@pytest.mark.parametrize(
    "message",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: content-length\r\n\r\n",
    ],
)
async def test_the_answer_to_head_has_no_body(message: bytes) -> None:
    service = Told(message, OK)
    async with client(service) as it:
        assert await ask(it, "HEAD") == (200, b"")
        assert await ask(it, "GET") == (200, b"ok")


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    service = Told(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
    async with client(service) as it:
        answer = await it.open(call())
        assert await answer.read() == b"until the end"
        assert not answer.framed
        assert await ask(it) == (200, b"ok")
        assert service.connections == 2


async def test_a_connection_that_is_announced_to_close_is_not_used_again() -> None:
    service = Told(OK.replace(b"OK\r\n", b"OK\r\nconnection: close\r\n"))
    async with client(service) as it:
        assert [await ask(it) for _ in range(2)] == [(200, b"ok")] * 2
        assert service.connections == 2


@pytest.mark.parametrize(
    "message",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nok content-length",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxx\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length : 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nx: a\x00b\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\ncontent-length",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n" + b"x: y\r\n" * HEAD_FIELDS + b"\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: " + b"y" * (HEAD_BYTES * 8) + b"\r\n\r\nok",
        b"SSH-2.0-OpenSSH_9.6 content-length\r\n",
        OK + OK,
    ],
)
async def test_what_is_no_one_answer_is_broken_and_its_connection_ends(message: bytes) -> None:
    """Two answers to one request: the first may be true, the connection is not used again all the same."""
    service = Told(message)
    async with client(service) as it:
        if message == OK + OK:
            answer = await it.open(call())
            assert await answer.read() == b"ok"
        else:
            with pytest.raises(UpstreamFailed, match="stats service") as caught:
                await ask(it)
            assert caught.value.reason == "broken"
        assert await ask(it) == (200, b"ok")
        assert service.connections == 2


@pytest.mark.parametrize(
    "message",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-le",
    ],
)
@pytest.mark.parametrize("replayable", [True, False])
async def test_an_answer_cut_short_is_broken_and_asked_for_once(message: bytes, replayable: bool) -> None:
    asked = 0

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        asked += 1
        writer.write(message)

    async with client(cut) as it:
        with pytest.raises(UpstreamFailed, match="within its answer"):
            await ask(it, replayable=replayable)
    assert asked == 1


@pytest.mark.parametrize(("replayable", "times"), [(True, 2), (False, 1)])
async def test_a_connection_that_ends_unanswered_is_tried_again_where_that_does_no_harm(
    replayable: bool, times: int
) -> None:
    service = Told(None, None, OK)
    async with client(service) as it:
        with pytest.raises(UpstreamFailed) as caught:
            await ask(it, replayable=replayable)
        assert caught.value.reason == "stale"
    assert len(service.seen) == times


async def test_what_must_not_be_sent_twice_goes_on_no_connection_that_was_idle_for_long() -> None:
    service = Told()
    async with client(service) as it:
        await ask(it)
        pool = it._pools["stats"]
        pool._idle[0].idle_since -= FRESH_S + 0.01
        await ask(it)
        assert service.connections == 2
        pool._idle[0].idle_since -= FRESH_S + 0.01
        pool._idle[1].idle_since -= FRESH_S + 0.01
        await ask(it, replayable=True)
        assert service.connections == 2


async def test_an_idle_connection_is_closed_before_the_service_would() -> None:
    service = Told()
    async with client(service, upstream_keepalive_s=0.05) as it:
        await ask(it)
        while service.ended < 1:
            await asyncio.sleep(0.01)
        assert not it._pools["stats"]._idle


async def test_an_answer_nobody_asked_for_ends_the_connection() -> None:
    async def eager(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(OK.replace(b"ok", b"no"))
        assert await reader.read() == b""

    async with client(eager) as it:
        await ask(it)
        pool = it._pools["stats"]
        while pool._open:
            await asyncio.sleep(0.01)
        assert not pool._idle


async def test_a_service_may_answer_before_it_has_read_the_request() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig")
        await writer.drain()
        while await reader.read(1 << 20):
            pass

    async with client(refuse) as it:
        answer = await it.open(call(body=b"x" * (32 << 20)))
        assert (answer.status, await answer.read()) == (413, b"big")
        pool = it._pools["stats"]
        while pool._open:
            await asyncio.sleep(0.01)


async def test_a_reader_that_waits_makes_the_service_wait() -> None:
    written = 0
    total = 64 << 20

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % total)
        while written < total:
            writer.write(b"x" * (1 << 16))
            written += 1 << 16
            await writer.drain()
        await reader.read()

    async with client(pour) as it:
        answer = await it.open(call())
        await settled(lambda: written)
        assert written < total
        assert answer.waiting < HIGH_WATER_BYTES + (1 << 20)
        size = 0
        while part := await answer.part():
            size += len(part)
        assert size == total


async def settled(value: Callable[[], int]) -> None:
    """Returns when it has not changed for a while."""
    last, still = -1, 0
    while still < 20:
        await asyncio.sleep(0.01)
        still = still + 1 if value() == last else 0
        last = value()


@pytest.mark.parametrize("within", ["head", "body"])
async def test_whoever_leaves_takes_the_connection_along(within: str) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        if within == "body":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
        try:
            await reader.read()
        finally:
            gone.set()

    async with client(hang) as it:
        heard: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        async def wait() -> None:
            answer = await it.open(call())
            heard.set_result(answer)
            try:
                await answer.read()
            finally:
                answer.close()

        task = asyncio.create_task(wait())
        await asked.wait()
        if within == "body":
            await heard
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await gone.wait()


async def test_no_more_connections_than_allowed_and_the_next_in_line_gets_the_room() -> None:
    inside = most = 0

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal inside, most
        while True:
            await reader.readuntil(b"\r\n\r\n")
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.005)
            inside -= 1
            writer.write(OK)

    async with client(slow, upstream_connections=3) as it:
        asked = [asyncio.create_task(ask(it)) for _ in range(30)]
        await asyncio.sleep(0)
        asked[10].cancel()
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert results.count((200, b"ok")) == 29
        assert most <= 3


async def test_a_connection_that_is_not_made_is_told_apart() -> None:
    pool = Pool("stats", "http://127.0.0.1:9", connections=1, keepalive_s=1, connect_timeout_s=5)
    for _ in range(3):
        with pytest.raises(UpstreamFailed, match="cannot be reached") as caught:
            await pool.take(kept_s=1)
        assert caught.value.reason == "connect"
