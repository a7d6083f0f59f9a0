"""The outermost layer of every process: id, deadline, size limit, errors as problems, metrics, one log line.

Pure ASGI, since it stands on the path of every cached answer.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import structlog

from shared import tracing
from shared.asgi import ASGIApp, Message, Receive, Scope, Send
from shared.context import RequestContext, current_context, taken_or_made, traceparent_of
from shared.errors import INTERNAL, ClientGone, Malformed, TooLarge, VernierError
from shared.health import PATHS, Health
from shared.logs import access_log
from shared.metrics import Metrics
from shared.problems import send_problem
from shared.progress import PATH as PROGRESS
from shared.settings import Settings
from shared.websockets import WebSocketEdge
from shared.wire import AtOnce, Instant, Later, Soon

log = structlog.get_logger()
QUIET = PATHS | {"/metrics", PROGRESS}


class Edge:
    """Wraps `app`. Answers carry X-Request-ID, Server-Timing and Vernier-Identity. `shapes`: by path, the shapes of
    errors that are no problems."""

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        metrics: Metrics,
        health: Health,
        shapes: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.app = app
        self.shapes = shapes
        self.shape: Callable[[Scope], str] | None = getattr(app, "error_shape", None)
        self.settings = settings
        self.metrics = metrics
        self.health = health
        self.log_request = access_log(settings)
        self._websockets = WebSocketEdge(app, settings, metrics)
        self.ready: Looking | None = getattr(app, "at_once", None)
        self.active = 0
        metrics.active_requests.set_function(lambda: self.active)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await (self._websockets if scope["type"] == "websocket" else self.app)(scope, receive, send)
            return
        context, fault = self._context(scope)
        scope["vernier.context"] = context
        token = current_context.set(context)
        traced = None
        if tracing.active is not None and scope["path"] not in QUIET:
            traced = tracing.active.server(scope, context)
        self.active += 1
        exchange = Exchange(receive, send, context, self.health, self.settings.max_body_bytes)
        try:
            await self._answer(scope, exchange, fault)
        finally:
            self.active -= 1
            self._record(scope, context)
            if traced is not None:
                traced.end(context.route, context.status)
            current_context.reset(token)

    def at_once(self, scope: Scope, body: bytes, later: Later) -> AtOnce:
        """The whole answer, where `app.at_once` has it ready or will have it soon; None sends the request its usual
        way, and so does whatever is out of the ordinary about it."""
        if self.ready is None or tracing.active is not None or len(body) > self.settings.max_body_bytes:
            return None
        began = time.monotonic()
        try:
            ready = self.ready(scope, body, partial(self._found, scope, began, later))
        except VernierError:
            return None
        except Exception:
            log.exception("no answer at once", path=scope["path"])
            return None
        if ready is None:
            return None
        if ready is Soon.LATER:
            self.active += 1
            return ready
        return self._stamped(scope, began, ready)

    def _found(self, scope: Scope, began: float, later: Later, ready: "Ready | None") -> None:
        self.active -= 1
        later(None if ready is None else self._stamped(scope, began, ready))

    def _stamped(self, scope: Scope, began: float, ready: "Ready") -> Instant:
        fields = dict(scope["headers"])
        request_id = taken_or_made(fields.get(b"x-request-id"))
        stamp = b"x-request-id: %b\r\nvernier-identity: %b\r\nserver-timing: cache;dur=%.3f\r\n" % (
            request_id.encode(), self.health.identity.encode(), ready.cache_ms,
        )  # fmt: skip
        context = None
        if b"traceparent" in fields:
            context = RequestContext(request_id, began, 0.0, traceparent_of(fields[b"traceparent"]))
        seconds, timings = time.monotonic() - began, {"cache": ready.cache_ms}
        self._tell(scope, context, ready.route, ready.status, seconds, request_id, timings)
        return ready.status, ready.fields + stamp, ready.body

    def _context(self, scope: Scope) -> tuple[RequestContext, VernierError | None]:
        longest = self.settings.request_timeout_s
        try:
            return RequestContext.of(scope["headers"], longest), scope.get("vernier.fault")
        except Malformed as fault:
            headers = [pair for pair in scope["headers"] if pair[0] != b"x-request-timeout-ms"]
            return RequestContext.of(headers, longest), fault

    async def _answer(self, scope: Scope, exchange: "Exchange", fault: VernierError | None) -> None:
        context = exchange.context
        try:
            if fault is not None:
                raise fault
            exchange.check_length()
            await self.app(scope, exchange.receive, exchange.send)
        except VernierError as error:
            await self._refuse(scope, exchange, error)
        except Exception as error:
            log.exception("request failed", path=scope["path"])
            if tracing.active is not None:
                tracing.active.failed(error)
            await self._refuse(scope, exchange, VernierError(INTERNAL))
        if not context.status:
            context.status = ClientGone.status

    async def _refuse(self, scope: Scope, exchange: "Exchange", error: VernierError) -> None:
        context = exchange.context
        if context.status:
            if not exchange.complete:
                raise error
            return
        if isinstance(error, ClientGone):
            return
        path = scope["path"]
        shape = self.shape(scope) if self.shape is not None else self.shapes.get(path, "")
        await send_problem(exchange.send, error, instance=path, request_id=context.request_id, shape=shape)

    def _record(self, scope: Scope, context: RequestContext) -> None:
        seconds = time.monotonic() - context.started
        route = context.route
        if route == "unmatched" and (matched := scope.get("route")) is not None:
            route = context.route = getattr(matched, "path", route)
        traced = context if context.traceparent is not None else None
        self._tell(scope, traced, route, context.status, seconds, context.request_id, context.timings)

    def _tell(
        self,
        scope: Scope,
        traced: RequestContext | None,
        route: str,
        status: int,
        seconds: float,
        request_id: str,
        timings: dict[str, float],
    ) -> None:
        """The histogram and the log; `traced`: where the request is part of a trace."""
        method, path = scope["method"], scope["path"]
        self.metrics.observe_request(method, route, status, seconds, traced.sampled_trace_id if traced else None)
        if self.log_request is None or path in QUIET:
            return
        fields: dict[str, Any] = {
            "method": method,
            "path": path,
            "status": status,
            "ms": round(seconds * 1e3, 3),
            "request_id": request_id,
        }
        if traced is not None:
            fields.update(traced.log_fields())
        for name, value in timings.items():
            fields[name] = round(value, 3)
        self.log_request(fields)


class Ready(NamedTuple):
    """An answer that is there: its header fields as they stand in a message."""

    status: int
    fields: bytes
    body: bytes
    route: str
    cache_ms: float


ReadyLater = Callable[[Ready | None], None]
Looking = Callable[[Scope, bytes, ReadyLater], Ready | Literal[Soon.LATER] | None]


class Exchange:
    """One request and its answer: counts the body against the limit, stamps the answer's head."""

    __slots__ = ("_receive", "_send", "complete", "context", "health", "limit", "read")

    def __init__(self, receive: Receive, send: Send, context: RequestContext, health: Health, limit: int) -> None:
        self._receive = receive
        self._send = send
        self.context = context
        self.health = health
        self.limit = limit
        self.read = 0
        self.complete = False
        context.receive = receive

    def check_length(self) -> None:
        """Refuses a body by its announced length, before any of it is read."""
        if self.context.announced_bytes > self.limit:
            raise self._too_large()

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.context.gone = True
        elif message["type"] == "http.request":
            self.read += len(message.get("body", b""))
            self.context.body_read = not message.get("more_body", False)
            if self.read > self.limit:
                raise self._too_large()
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            context = self.context
            context.status = message["status"]
            identity = self.health.identity if context.identity is None else context.identity
            headers = [
                *message.get("headers", ()),
                (b"x-request-id", context.request_id.encode()),
                (b"vernier-identity", identity.encode()),
            ]
            if context.timings:
                timing = ", ".join([f"{name};dur={value:.3f}" for name, value in context.timings.items()])
                headers.append((b"server-timing", timing.encode()))
            message = {"type": "http.response.start", "status": context.status, "headers": headers}
        await self._send(message)
        self.complete = message["type"] == "http.response.body" and not message.get("more_body", False)

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the body is larger than the {self.limit:,} bytes that are taken here; send less or in parts")
