"""What belongs to one request from end to end: its id, trace, deadline and whether anyone still waits for it."""

import asyncio
import random
import re
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from shared.asgi import Receive
from shared.errors import ClientGone, DeadlinePassed, Malformed

_IDS = rb"-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
_TRACEPARENT = re.compile(rb"00" + _IDS + rb"|(?!00|ff)[0-9a-f]{2}" + _IDS + rb"(?:-.*)?")
_draw = random.Random().getrandbits  # ids must differ, not be unguessable; the system's source costs a call into it
_VISIBLE = re.compile(rb"[!-~]{1,128}")


@dataclass(slots=True, eq=False, weakref_slot=True)
class RequestContext:
    """Of one request. `deadline` is on the clock of `time.monotonic`; `timings` are milliseconds by name,
    `progress` is the share done of what `shared.progress` is told about. `traceparent` names the nearest span that is
    known: the process's own, which is `span`, or the caller's. Once `admitted`, some of it has been computed and the
    rest is not refused for lack of room."""

    request_id: str
    started: float
    deadline: float
    traceparent: str | None = None
    route: str = "unmatched"
    status: int = 0
    gone: bool = False
    body_read: bool = False
    announced_bytes: int = 0
    timings: dict[str, float] = field(default_factory=dict)
    receive: Receive | None = None
    span: Any = None
    identity: str | None = None
    progress: float = 0.0
    admitted: bool = False

    @classmethod
    def of(cls, headers: list[tuple[bytes, bytes]], longest_s: float) -> "RequestContext":
        """Reads X-Request-ID, traceparent and X-Request-Timeout-Ms; raises Malformed for a deadline that is none."""
        now = time.monotonic()
        fields = dict(headers)
        length = fields.get(b"content-length", b"")
        request_id = taken_or_made(fields.get(b"x-request-id"))
        context = cls(request_id, now, now + longest_s, traceparent_of(fields.get(b"traceparent")))
        context.announced_bytes = int(length) if length.isdigit() else 0
        context.body_read = not context.announced_bytes and b"transfer-encoding" not in fields
        timeout = fields.get(b"x-request-timeout-ms")
        if timeout is not None:
            context.deadline = now + min(longest_s, milliseconds(timeout) / 1e3)
        return context

    @property
    def trace_id(self) -> str | None:
        return self.traceparent.split("-")[1] if self.traceparent else None

    @property
    def sampled_trace_id(self) -> str | None:
        """Of a trace that is kept, by its caller or here."""
        if self.traceparent is None or not int(self.traceparent[53:55], 16) & 1:
            return None
        return self.traceparent[3:35]

    def remaining_s(self) -> float:
        return self.deadline - time.monotonic()

    def check(self) -> None:
        """Raises ClientGone or DeadlinePassed when the work has nobody left to do it for. Safe from any thread."""
        if self.gone:
            raise ClientGone("the client hung up")
        if self.remaining_s() <= 0:
            raise DeadlinePassed("the request's deadline has passed; allow more time by X-Request-Timeout-Ms")

    def answered_by(self, identity: str) -> None:
        """Notes the identity of what computes the answer; where two have their hand in it none can be named."""
        self.identity = identity if self.identity in (None, identity) else ""

    def computed(self, queue_s: float, compute_s: float) -> None:
        """Adds to what Server-Timing says."""
        self.timings["queue"] = self.timings.get("queue", 0.0) + queue_s * 1e3
        self.timings["compute"] = self.timings.get("compute", 0.0) + compute_s * 1e3

    async def hangup(self) -> None:
        """Returns when the client has hung up; to be awaited only once the body has been read."""
        while self.body_read and self.receive is not None and not self.gone:
            message = await self.receive()
            self.gone = message["type"] == "http.disconnect"
        if not self.gone:
            await asyncio.get_running_loop().create_future()

    def log_fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"request_id": self.request_id}
        if self.traceparent:
            _, fields["trace_id"], fields["span_id"], *_ = self.traceparent.split("-")
        return fields


def taken_or_made(request_id: bytes | None) -> str:
    """An X-Request-ID that is at most 128 visible characters of ASCII, else a new one."""
    if request_id is not None and _VISIBLE.fullmatch(request_id):
        return request_id.decode()
    return f"{_draw(128):032x}"


def traceparent_of(value: bytes | None) -> str | None:
    return value.decode() if value is not None and _TRACEPARENT.fullmatch(value) else None


def milliseconds(value: bytes) -> int:
    """X-Request-Timeout-Ms. Raises Malformed for what is none."""
    if not value.isdigit() or len(value) > 12 or int(value) == 0:
        raise Malformed("X-Request-Timeout-Ms must be a whole number of milliseconds above 0")
    return int(value)


def exemplar(context: RequestContext | None) -> dict[str, str] | None:
    """What leads from a histogram to the request's trace, if that is kept."""
    if context is None or context.traceparent is None:
        return None
    trace_id = context.sampled_trace_id
    return None if trace_id is None else {"trace_id": trace_id}


current_context: ContextVar[RequestContext | None] = ContextVar("request_context", default=None)


def checker() -> Callable[[], None]:
    """`check` of the request that is current here, to be called anywhere; without a request it never raises."""
    context = current_context.get()
    return (lambda: None) if context is None else context.check
