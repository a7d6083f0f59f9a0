"""Connections to clients: what each is doing, the last answer on it, and clients that keep the process waiting."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import structlog

from shared.asgi import ASGIApp, Message, Receive, Scope, Send
from shared.problems import StatusError
from shared.wire import Protocol

log = structlog.get_logger()

LEAST_RATE = 500
"""Bytes a second that a body must come with, or an answer be read with, over the time that a client is given."""
DISCARDED_BYTES = 8 << 20
"""A body that was refused unread may go on for so long, since a client may read its answer only afterwards."""


class Connection(Protocol):
    """One client's. `received`: bytes of request bodies so far."""

    received = 0
    _unread = 0

    def on_body(self, body: bytes) -> None:
        self.received += len(body)
        super().on_body(body)
        if self.cycle.response_complete:
            self._unread += len(body)
            if self._unread > DISCARDED_BYTES:
                self.transport.abort()

    @property
    def busy(self) -> bool:
        """The head of a request is here, and its answer is not complete."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def idle_since(self) -> float | None:
        """On the event loop's clock; None before the first answer and once something of a next request is here."""
        timer = self.timeout_keep_alive_task
        return None if timer is None else timer.when() - self.timeout_keep_alive

    def announce_end(self, app: ASGIApp) -> None:
        """The answer under way is the last on this connection, else the next one, which `app` gives."""
        self.app = app
        if self.busy and not self.cycle.response_started:
            self.cycle.keep_alive = False

    def waits(self) -> "Wait | None":
        """What its client keeps it waiting for."""
        unsent = self.transport.get_write_buffer_size()
        if unsent:
            return Wait("answer", self.cycle, unsent + (self.cycle.expected_content_length if self.cycle else 0))
        cycle = self.cycle
        if not self.busy:
            return Wait("head", cycle, 0) if self.timeout_keep_alive_task is None else None
        if cycle.more_body and not self.flow.read_paused and not cycle.waiting_for_100_continue:
            return Wait("body", cycle, self.received)
        return None

    def give_up(self, wait: "Wait") -> None:
        """Ends it: with a 408 where the client may still read one."""
        scope: Any = self.scope
        started = self.cycle is not None and self.cycle.response_started
        if wait.what == "answer":
            self.transport.abort()
        elif wait.what == "body" and not started:
            self._refuse(scope["path"], f"the body did not come on at {LEAST_RATE} bytes/s at least")
        elif wait.what == "head" and scope is not None and (self.cycle is None or scope is not self.cycle.scope):
            self._refuse("", "the head of the request did not come to its end in time")
        else:
            self.transport.close()

    def _refuse(self, path: str, detail: str) -> None:
        context = self.scope.get("vernier.context") if self.scope else None
        self.reject(StatusError(408, detail), path, getattr(context, "request_id", ""))


def ending(app: ASGIApp) -> ASGIApp:
    """`app`, whose answers say that their connection ends with them."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def last(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        await app(scope, receive, last if scope["type"] == "http" else send)

    return answer


@dataclass(frozen=True, slots=True)
class Wait:
    """For `what` (head, body or answer) of one exchange, and how far that has come, in bytes."""

    what: str
    cycle: Any
    bytes: int


class Patience:
    """Gives up clients that take longer than `limit_s` over a head, or over `limit_s * LEAST_RATE` bytes of a body
    or of an answer. To be asked again and again: it compares what it sees with what it saw."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._since: dict[Connection, tuple[float, Wait]] = {}

    def look(self, connections: Iterable[Any]) -> None:
        now = asyncio.get_running_loop().time()
        before, self._since = self._since, {}
        for connection in connections:
            wait = connection.waits() if isinstance(connection, Connection) else None
            if wait is None:
                continue
            since, was = before.get(connection, (now, wait))
            if was.what != wait.what or was.cycle is not wait.cycle or self._came_on(was, wait):
                since, was = now, wait
            if now - since < self.limit_s:
                self._since[connection] = since, was
            else:
                log.info("slow client given up", waited_for=wait.what, client=connection.client)
                connection.give_up(wait)

    def _came_on(self, was: Wait, now: Wait) -> bool:
        return now.what != "head" and abs(now.bytes - was.bytes) >= self.limit_s * LEAST_RATE
