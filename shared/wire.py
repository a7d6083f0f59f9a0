"""HTTP on the wire: where the application can answer at once, it is answered in the turn that read the request."""

from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Any, Literal

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from shared.exchange import JOINED_BYTES, Cycle, default_fields
from shared.heads import HeadProtocol

Instant = tuple[int, bytes, bytes]
"""Status, header fields as they stand in a message (`shared.fields`), body."""


class Soon(Enum):
    """Instead of an answer: it is being looked for, and `later` will be called with it, or with None."""

    LATER = "later"


Later = Callable[[Instant | None], None]
AtOnce = Instant | Literal[Soon.LATER] | None


class Protocol(HeadProtocol):
    """An application with a method `at_once(scope, body, later) -> AtOnce` is asked that first for every request whose
    body is here as soon as its head: an answer costs no task, and no turn of the event loop. It must not wait for
    anything. With None, from it or to `later`, the request goes its usual way."""

    _feeding = False
    _held: tuple[Cycle, Any] | None = None

    def data_received(self, data: bytes) -> None:
        self._feeding = True
        super().data_received(data)
        self._feeding = False
        if self._held is not None:
            self._start_held()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self._held is not None:
            cycle, app = self._held
            if not cycle.more_body and self._answer_at_once(cycle, app):
                self._held = None
            else:
                self._start_held()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        held = self._feeding and cycle.more_body and cycle is self.cycle
        if held and getattr(app, "at_once", None) is not None and not self.parser.should_upgrade():
            self._held = cycle, app
        else:
            super()._start_asgi_task(cycle, app)

    def _start_held(self) -> None:
        assert self._held is not None
        held, self._held = self._held, None
        super()._start_asgi_task(*held)

    def _answer_at_once(self, cycle: Cycle, app: Any) -> bool:
        scope = cycle.scope
        if self.flow.write_paused or self.transport.is_closing() or "vernier.fault" in scope:
            return False
        instant: AtOnce = app.at_once(scope, bytes(cycle.body), partial(self._answer_later, cycle, app))
        if instant is None:
            return False
        if instant is not Soon.LATER:
            self._write_at_once(cycle, instant)
        return True

    def _answer_later(self, cycle: Cycle, app: Any, instant: Instant | None) -> None:
        if instant is None:
            super()._start_asgi_task(cycle, app)
        elif not cycle.disconnected and not self.transport.is_closing():
            self._write_at_once(cycle, instant)

    def _write_at_once(self, cycle: Cycle, instant: Instant) -> None:
        status, fields, body = instant
        cycle.response_started = True
        end = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
        large = len(body) > JOINED_BYTES  # not copied for each who is slow to read it
        joined = b"" if large else body
        self.transport.write(
            b"".join((STATUS_LINE[status], default_fields(cycle.default_headers), fields, end, joined))
        )
        if large:
            self.transport.write(body)
        cycle.end()
