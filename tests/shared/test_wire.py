"""Answers given in the turn that read their request: when they are asked for, and in what order they come."""

import asyncio
import http.client
from typing import Any

import pytest

from shared.asgi import Receive, Scope, Send
from shared.wire import AtOnce, Later, Soon
from tests.processes import running
from tests.shared.test_exchange import GET, POST, body, served, start
from tests.sockets import connect


class Ready:
    """Answers `/now` at once, all else its usual way; `calls` tells which way each went."""

    def __init__(self, content: bytes = b"now") -> None:
        self.content = content
        self.calls: list[str] = []
        self.later: list[Later] = []
        self.open = asyncio.Event()
        self.open.set()

    def at_once(self, scope: Scope, received: bytes, later: Later) -> AtOnce:
        if scope["path"] == "/soon":
            self.later.append(later)
            return Soon.LATER
        if scope["path"] != "/now":
            return None
        self.calls.append("at once")
        content = self.content + received
        return 200, b"content-length: %d\r\n" % len(content), content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls.append("as usual")
        await self.open.wait()
        content = b"later" if scope["path"] != "/now" else self.content
        while True:
            message = await receive()
            content += message["body"]
            if not message["more_body"]:
                break
        await send(start(200, (b"content-length", b"%d" % len(content))))
        await send(body(content))


NOW = GET.replace(b"/x", b"/now")


async def test_who_can_be_answered_at_once_is_and_the_others_are_not_forgotten() -> None:
    app = Ready()
    async with served(app) as (reader, writer):
        for request, content in ((NOW, b"now"), (GET, b"later"), (NOW, b"now")):
            writer.write(request)
            assert (await reader.readuntil(content)).startswith(b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: ")
    assert app.calls == ["at once", "as usual", "at once"]


SOON = GET.replace(b"/x", b"/soon")


@pytest.mark.parametrize("found", [True, False])
async def test_what_is_found_soon_is_answered_then_and_what_is_not_goes_its_usual_way(found: bool) -> None:
    app = Ready()
    async with served(app) as (reader, writer):
        writer.write(SOON + NOW)
        while not app.later:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert app.calls == []
        app.later[0]((200, b"content-length: 4\r\n", b"soon") if found else None)
        first = await reader.readuntil(b"soon" if found else b"later")
        assert first.count(b"HTTP/1.1") == 1
        await reader.readuntil(b"now")
    assert app.calls.count("as usual") == (1 if found else 2)


@pytest.mark.parametrize("found", [True, False])
async def test_who_hangs_up_before_it_is_found_harms_nobody(found: bool) -> None:
    app = Ready()
    async with served(app) as (_, writer):
        writer.write(SOON)
        while not app.later:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        writer.transport.abort()
        async with served(app) as (reader, other):
            other.write(NOW)
            await reader.readuntil(b"now")
        app.later[0]((200, b"content-length: 4\r\n", b"soon") if found else None)


async def test_a_body_that_came_with_its_head_is_handed_over() -> None:
    app = Ready()
    async with served(app) as (reader, writer):
        writer.write((POST % (2, b"ab")).replace(b"/x", b"/now"))
        await reader.readuntil(b"nowab")
    assert app.calls == ["at once"]


async def test_a_body_still_on_its_way_is_waited_for_the_usual_way_or_not_at_all() -> None:
    app = Ready()
    async with served(app) as (reader, writer):
        request = (POST % (2, b"ab")).replace(b"/x", b"/now")
        writer.write(request[:-1])
        while not app.calls:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        writer.write(request[-1:])
        await reader.readuntil(b"nowab")
    assert app.calls == ["as usual"]


async def test_an_answer_at_once_never_overtakes() -> None:
    app = Ready()
    app.open.clear()
    async with served(app) as (reader, writer):
        writer.write(GET + NOW + GET + NOW)
        while not app.calls:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        app.open.set()
        answers = b""
        while answers.count(b"HTTP/1.1") < 4 or not answers.endswith(b"now"):
            answers += await reader.read(65536)
    contents = [part.partition(b"\r\n\r\n")[2] for part in answers.split(b"HTTP/1.1")[1:]]
    assert contents == [b"later", b"now", b"later", b"now"]


async def test_many_at_once_in_one_write_of_the_client() -> None:
    app = Ready()
    async with served(app) as (reader, writer):
        writer.write(b"".join((POST % (3, b"%03d" % n)).replace(b"/x", b"/now") for n in range(300)))
        for number in range(300):
            assert (await reader.readuntil(b"now%03d" % number)).count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "request_bytes", [NOW.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), b"GET /now HTTP/1.0\r\n\r\n"]
)
async def test_the_last_answer_says_so_and_the_connection_ends(request_bytes: bytes) -> None:
    async with served(Ready()) as (reader, writer):
        writer.write(request_bytes)
        answer = await reader.read()
        assert b"\r\nconnection: close\r\n" in answer
        assert answer.endswith(b"now")


async def test_a_client_that_does_not_read_is_not_written_to_without_end() -> None:
    app = Ready(b"x" * (4 << 20))
    count = 40
    async with served(app) as (reader, writer):
        writer.write(NOW * count)
        while "as usual" not in app.calls:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert app.calls.count("at once") < count // 2
        size = 0
        while size < count * (4 << 20):
            size += len(await reader.read(1 << 20))
    assert len(app.calls) == count


async def test_a_faulty_head_is_no_matter_for_the_fast_way() -> None:
    app = Ready()
    async with served(app) as (reader, writer):
        writer.write(b"GET /now HTTP/1.1\r\n\r\n")  # no Host: `vernier.fault` tells the application
        await reader.read()
    assert app.calls == ["as usual"]


def test_a_real_process_answers_in_order() -> None:
    with running("tests.shared.echo") as echo, connect(echo.address) as sock:
        sock.sendall(b"".join(b"GET /number?n=%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(50)))
        data = b""
        while data.count(b'{"n":') < 50:
            data += sock.recv(65536)
        places = [data.index(b'{"n":%d.0}' % n) for n in range(50)]
        assert places == sorted(places)
        host, port = echo.address.removeprefix("http://").split(":")
        client = http.client.HTTPConnection(host, int(port), timeout=60)
        client.request("GET", "/livez")
        answer: Any = client.getresponse()
        assert answer.status == 200
        answer.read()
        client.close()
