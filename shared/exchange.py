"""One request and its answer on a connection: uvicorn's, with less work an exchange.

Head and body of an answer leave in one write (uvicorn makes two system calls, and a client wakes twice); a body that
came in one piece is handed on as it is; the timer of an idle connection is set once and looks when it goes off whether
it should have been set later; names that have been checked once are not checked again.
"""

import asyncio
import urllib.parse
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from shared.fields import encode_fields

Headers = Iterable[tuple[bytes, bytes]]

JOINED_BYTES = 64 << 10
"""A piece of a body up to this size leaves in one write with what goes before it."""

_FRAMING_LENGTHS = frozenset(map(len, (b"content-length", b"transfer-encoding", b"connection")))
_defaults: tuple[Any, bytes] = (None, b"")


def default_fields(headers: Any) -> bytes:
    """Date and what else the server adds: a list that is made anew every second."""
    global _defaults
    if _defaults[0] is not headers:
        _defaults = headers, encode_fields(headers)
    return _defaults[1]


@lru_cache(maxsize=1024)
def split_target(target: bytes) -> tuple[str, bytes, bytes]:
    """Path, path as it was sent, and query. Raises what makes the request unreadable."""
    if target[:1] == b"/" and b"#" not in target:
        raw_path, _, query = target.partition(b"?")
    else:
        parsed = httptools.parse_url(target)
        raw_path, query = parsed.path, parsed.query or b""
    path = raw_path.decode("ascii")
    return urllib.parse.unquote(path) if "%" in path else path, raw_path, query


class Signal:
    """As much of asyncio.Event as an exchange needs."""

    __slots__ = ("_raised", "_waiting")

    def __init__(self) -> None:
        self._raised = False
        self._waiting: list[asyncio.Future[None]] | None = None

    def set(self) -> None:
        self._raised = True
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            for each in waiting:
                if not each.done():
                    each.set_result(None)

    def clear(self) -> None:
        self._raised = False

    async def wait(self) -> None:
        if not self._raised:
            turn = asyncio.get_running_loop().create_future()
            if self._waiting is None:
                self._waiting = []
            self._waiting.append(turn)
            await turn


class Cycle(RequestResponseCycle):
    """uvicorn's names for what it keeps, since its protocol and ours look at them."""

    disconnected = False
    access_log = False
    more_body = True
    response_started = False
    response_complete = False
    chunked_encoding: bool | None = None
    expected_content_length = 0
    body: Any = b""
    _head: bytes | None = None

    def __init__(self, protocol: "ExchangeProtocol", scope: Any, *, keep_alive: bool, expects_continue: bool) -> None:
        self.scope = scope
        self.transport = protocol.transport
        self.loop = protocol.loop
        self.flow = protocol.flow
        self.logger = protocol.logger
        self.default_headers = protocol.server_state.default_headers
        self.message_event: Any = Signal()
        self.on_response = protocol.on_response_complete
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = expects_continue

    async def receive(self) -> Any:
        if self.waiting_for_100_continue and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.waiting_for_100_continue = False
        if not self.disconnected and not self.response_complete:
            if self.flow.read_paused:
                self.flow.resume_reading()
            await self.message_event.wait()
            self.message_event.clear()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        body, self.body = self.body, b""
        return {"type": "http.request", "body": bytes(body), "more_body": self.more_body}

    async def send(self, message: Any) -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if not self.response_started:
            if kind != "http.response.start":
                raise RuntimeError(f"http.response.start must come first, not {kind}")
            self._begin(message)
        elif self.response_complete or kind != "http.response.body":
            raise RuntimeError(f"{kind} after the head of the answer, or after its end")
        else:
            self._write(message.get("body", b""), more=message.get("more_body", False))

    def _begin(self, message: Any) -> None:
        """The head is held back until something follows, for one turn of the event loop at most."""
        self._head = self.head(message["status"], message.get("headers", ()))
        self.response_started = True
        self.waiting_for_100_continue = False
        self.loop.call_soon(self._flush)

    def head(self, status: int, headers: Headers) -> bytes:
        """Notes on the way how the body is framed. Raises ValueError for what may not stand in a head."""
        fields = encode_fields(headers)
        self.chunked_encoding, self.expected_content_length = None, 0
        closes = False
        for name, value in headers:
            if len(name) not in _FRAMING_LENGTHS:
                continue
            name = name.lower()
            if name == b"content-length" and self.chunked_encoding is None:
                self.expected_content_length = int(value)
                self.chunked_encoding = False
            elif name == b"transfer-encoding" and value.lower() == b"chunked":
                self.expected_content_length = 0
                self.chunked_encoding = True
            elif name == b"connection" and b"close" in value.lower():
                self.keep_alive = False
                closes = True
        end = b"\r\n"
        if self.chunked_encoding is None and self.scope["method"] != "HEAD" and status not in {204, 304}:
            self.chunked_encoding = True
            end = b"transfer-encoding: chunked\r\n\r\n"
        if not self.keep_alive and not closes:
            end = b"connection: close\r\n" + end
        return b"".join((STATUS_LINE[status], default_fields(self.default_headers), fields, end))

    def _write(self, body: bytes, *, more: bool) -> None:
        if self.scope["method"] == "HEAD":
            body, self.expected_content_length = b"", 0
        elif self.chunked_encoding:
            body = self._chunk(body, more=more)
        elif len(body) > self.expected_content_length:
            raise RuntimeError("the answer is longer than its Content-Length")
        else:
            self.expected_content_length -= len(body)
        if self._head is not None and len(body) <= JOINED_BYTES:
            body = self._head + body
            self._head = None
        self._flush()
        if body:
            self.transport.write(body)
        if not more:
            if self.expected_content_length:
                raise RuntimeError("the answer is shorter than its Content-Length")
            self.end()

    def _chunk(self, body: bytes, *, more: bool) -> bytes:
        end = b"" if more else b"0\r\n\r\n"
        return b"%x\r\n%b\r\n%b" % (len(body), body, end) if body else end

    def _flush(self) -> None:
        if self._head is not None:
            head, self._head = self._head, None
            if not self.transport.is_closing():
                self.transport.write(head)

    def end(self) -> None:
        """The answer has been written."""
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


class Idle:
    """Stands where uvicorn keeps the timer of an idle connection."""

    __slots__ = ("_when",)

    def __init__(self, when: float) -> None:
        self._when = when

    def when(self) -> float:
        return self._when

    def cancel(self) -> None:
        pass


class ExchangeProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with `Cycle` for its own."""

    _timer: asyncio.TimerHandle | None = None
    timeout_keep_alive_task: Any
    cycle: Any

    def on_headers_complete(self) -> None:
        parser, scope = self.parser, self.scope
        version = parser.get_http_version()
        scope["method"] = parser.get_method().decode("ascii")
        if version != "1.1":
            scope["http_version"] = version
        if parser.should_upgrade() and self._should_upgrade():
            return
        path, raw_path, scope["query_string"] = split_target(self.url)
        scope["path"], scope["raw_path"] = self.root_path + path, self.root_path.encode() + raw_path
        before = self.cycle
        keep_alive = version != "1.0" and parser.should_keep_alive()
        cycle = Cycle(self, scope, keep_alive=keep_alive, expects_continue=self.expect_100_continue)
        self.cycle = cycle
        if before is None or before.response_complete:
            self._start_asgi_task(cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def on_body(self, body: bytes) -> None:
        cycle = self.cycle
        if (self.parser.should_upgrade() and self._should_upgrade()) or cycle.response_complete:
            return
        if not cycle.body:
            cycle.body = body
        else:
            if isinstance(cycle.body, bytes):
                cycle.body = bytearray(cycle.body)
            cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        loop = self.loop
        self.timeout_keep_alive_task = Idle(loop.time() + self.timeout_keep_alive)
        if self._timer is None:
            self._timer = loop.call_later(self.timeout_keep_alive, self._look_whether_idle)

    def _look_whether_idle(self) -> None:
        idle: Idle | None = self.timeout_keep_alive_task
        left = self.timeout_keep_alive if idle is None else idle.when() - self.loop.time()
        if left > 0:
            self._timer = self.loop.call_later(left, self._look_whether_idle)
        else:
            self._timer = None
            self.timeout_keep_alive_handler()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().connection_lost(exc)
