"""One HTTP/1.1 connection to a service: a request goes out in one write, its answer's bytes come back as they are.

What a message may look like is llhttp's affair, in its strict mode (RFC 9112). On top of that an answer counts as
broken when it is framed by both a length and a transfer coding or by a coding other than `chunked`, when its head is
beyond `HEAD_BYTES` or `HEAD_FIELDS`, when it ends before it is whole, or when more follows than was asked for.
"""

import asyncio
from collections.abc import Callable
from typing import cast

import httptools

from gateway.headers import Headers
from shared.errors import UpstreamFailed

HEAD_BYTES = 64 << 10
HEAD_FIELDS = 256
JOINED_BYTES = 64 << 10
"""A body up to this size leaves in one write with its head."""
HIGH_WATER_BYTES = 256 << 10
"""So much of an answer may wait for whoever reads it; then the service is made to wait."""


class Answer:
    """One answer, as far as it has come. `headers` have lower-case names; `fields` are the same by name, those of one
    name joined; `length` is None where none is announced.

    `heard`: at least a byte has come. `whole`: all of it has come.
    """

    __slots__ = (
        "_connection", "_fault", "_parts", "_waiter", "bodiless", "coding", "fields", "headers", "heard", "length",
        "patient", "status", "waiting", "whole",
    )  # fmt: skip

    def __init__(self, connection: "Connection", *, bodiless: bool) -> None:
        self._connection = connection
        self._fault: UpstreamFailed | None = None
        self._parts: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self.bodiless = bodiless
        self.status = 0
        self.headers: Headers = []
        self.fields: dict[bytes, bytes] = {}
        self.length: int | None = None
        self.coding: bytes | None = None
        self.heard = False
        self.whole = False
        self.waiting = 0
        self.patient = False

    async def head(self) -> None:
        """Returns when `status` and `headers` are there. Raises UpstreamFailed."""
        while not self.status:
            if self._fault is not None:
                raise self._fault
            await self._more()

    async def read(self) -> bytes:
        """All of the body that has not been read yet. Raises UpstreamFailed where it is cut short."""
        self.patient = True
        while not self.whole:
            if self._fault is not None:
                raise self._fault
            await self._more()
        return self._taken()

    async def part(self) -> bytes:
        """What has come since the last call, b"" at the end. Raises UpstreamFailed where it is cut short."""
        while not self._parts:
            if self.whole:
                return b""
            if self._fault is not None:
                raise self._fault
            await self._more()
        part = self._taken()
        self._connection.listen()
        return part

    @property
    def framed(self) -> bool:
        """Whether it says itself where it ends: if not, one that was cut short looks whole."""
        return self.length is not None or self.coding is not None or self.bodiless

    def close(self) -> None:
        """Where it is not whole the connection ends: that is how a service learns that nobody waits any more."""
        if not self.whole:
            self._connection.abort()

    def fail(self, fault: UpstreamFailed) -> None:
        if not self.whole and self._fault is None:
            self._fault = fault
        self.wake()

    def add(self, part: bytes) -> None:
        self._parts.append(part)
        self.waiting += len(part)

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _taken(self) -> bytes:
        parts, self._parts, self.waiting = self._parts, [], 0
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _more(self) -> None:
        if self.patient:
            self._connection.listen()
        self._waiter = self._connection.loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None


class Connection(asyncio.Protocol):
    """`freed` is called when an answer has been taken whole and another request may follow, `lost` at the end."""

    def __init__(
        self,
        service: str,
        loop: asyncio.AbstractEventLoop,
        freed: Callable[["Connection"], None],
        lost: Callable[["Connection"], None],
    ) -> None:
        self.service = service
        self.loop = loop
        self.idle_since = 0.0
        self._freed = freed
        self._lost = lost
        self._parser = httptools.HttpResponseParser(self)
        self._answer: Answer | None = None
        self._head_bytes = 0
        self._fields: Headers = []  # of a head, then of the trailers, which nobody looks at
        self._persistent = False
        self._paused = False
        self._trouble = ""
        self._transport: asyncio.Transport

    @property
    def usable(self) -> bool:
        return not self._transport.is_closing()

    def ask(self, request: bytes, body: bytes, *, bodiless: bool) -> Answer:
        """`request`: line and header fields with the empty line. The answer's head is still to be awaited."""
        self._head_bytes = 0
        self._fields = []
        answer = self._answer = Answer(self, bodiless=bodiless)
        if len(body) <= JOINED_BYTES:
            self._transport.write(request + body)
        else:
            self._transport.write(request)
            self._transport.write(body)
        return answer

    def abort(self) -> None:
        self._transport.abort()

    def listen(self) -> None:
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:
            self.abort()
            return
        answer.heard = True
        if not answer.status:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._break(self._trouble or str(error) or "it sent no HTTP")
            return
        if not answer.status and self._head_bytes > HEAD_BYTES:
            self._break(f"its answer's head is beyond {HEAD_BYTES:,} bytes")
        elif answer.whole:
            self._finish()
        else:
            if answer.waiting > HIGH_WATER_BYTES and not answer.patient and not self._paused:
                self._paused = True
                self._transport.pause_reading()
            answer.wake()

    def eof_received(self) -> None:
        answer = self._answer
        if answer is not None and answer.status and answer.length is None and answer.coding is None:
            answer.whole = True
            answer.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            told = f": {exc}" if exc is not None else ""
            if not answer.heard:
                answer.fail(self._fault(f"it closed the connection before it answered{told}", "stale"))
            else:
                answer.fail(self._fault(f"it closed the connection within its answer{told}"))
        self._lost(self)

    # httptools

    def on_message_begin(self) -> None:
        if self._answer is None or self._answer.whole:
            raise self._odd("it sent more than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name.lower(), value))
        if len(self._fields) > HEAD_FIELDS:
            raise self._odd(f"its answer has more than {HEAD_FIELDS} header fields")

    def on_headers_complete(self) -> None:
        answer = self._answer
        assert answer is not None
        headers, self._fields = self._fields, []
        status = self._parser.get_status_code()
        if status == 101:
            raise self._odd("it switches protocols, which it was not asked to")
        if status < 200:
            return
        fields = dict(headers)
        if len(fields) != len(headers):
            fields = _joined(headers)
        answer.headers, answer.fields = headers, fields
        coding, length = fields.get(b"transfer-encoding"), fields.get(b"content-length")
        if coding is not None and (length is not None or coding.lower() != b"chunked"):
            raise self._odd("its answer is framed in two ways, or by a coding that was not asked for")
        answer.coding = coding
        answer.length = int(length) if length is not None else None
        answer.status = status
        if answer.bodiless or status in {204, 304}:
            answer.bodiless = True
            self.on_message_complete()

    def on_body(self, body: bytes) -> None:
        answer = self._answer
        assert answer is not None
        if answer.bodiless:
            raise self._odd("its answer has a body where none may be")
        answer.add(body)

    def on_message_complete(self) -> None:
        answer = self._answer
        if answer is not None and answer.status and not answer.whole:
            self._persistent = self._parser.should_keep_alive()
            answer.whole = True

    # the rest

    def _finish(self) -> None:
        answer, self._answer = self._answer, None
        assert answer is not None
        if answer.bodiless:
            self._parser = httptools.HttpResponseParser(self)  # the old one may wait for a body that never comes
        self.listen()
        early = self._transport.get_write_buffer_size() > 0  # it answered before it had read the request
        if early or not self._persistent:
            self.abort()
        elif not self._transport.is_closing():
            self._freed(self)
        answer.wake()

    def _break(self, why: str) -> None:
        if self._answer is not None:
            self._answer.fail(self._fault(why))
        self.abort()

    def _odd(self, why: str) -> ValueError:
        self._trouble = why
        return ValueError(why)

    def _fault(self, why: str, reason: str = "broken") -> UpstreamFailed:
        return UpstreamFailed(f"the {self.service} service broke off: {why}", reason=reason)


def _joined(headers: Headers) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        fields[name] = fields[name] + b", " + value if name in fields else value
    return fields
