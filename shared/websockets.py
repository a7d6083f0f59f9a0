"""The edge of WebSockets: id, errors as problems before the handshake and as close codes after it, metrics, a log line.

Close codes: https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number
"""

import time

import structlog

from shared import tracing
from shared.asgi import ASGIApp, Message, Receive, Scope, Send
from shared.context import RequestContext, current_context
from shared.errors import INTERNAL, ClientGone, DeadlinePassed, NotFound, TooLarge, Unavailable, VernierError
from shared.metrics import Metrics
from shared.problems import rendered
from shared.settings import Settings

log = structlog.get_logger()

INTERNAL_ERROR, POLICY_VIOLATION, TOO_BIG, GOING_AWAY, TRY_AGAIN_LATER = 1011, 1008, 1009, 1001, 1013
SERVICE_RESTART = 1012
NEVER_S = 1e9
LEAVING = "vernier.leaving"
"""In the scope, an `asyncio.Event` that an application sets there if it wants to end its WebSocket by itself when the
process drains; the event then says that it is to. Without it the server closes with 1012."""
REASON_BYTES = 123
"""What a close frame has room for (RFC 6455, 5.5)."""
CODES = frozenset({1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})


def close_code(error: VernierError) -> int:
    """What ends a WebSocket that is open, for want of a status."""
    if isinstance(error, DeadlinePassed):
        return GOING_AWAY
    if isinstance(error, TooLarge):
        return TOO_BIG
    if isinstance(error, Unavailable):
        return TRY_AGAIN_LATER
    return INTERNAL_ERROR if error.status >= 500 else POLICY_VIOLATION


def shortened(reason: str) -> str:
    """As much of it as a close frame takes."""
    return reason.encode()[:REASON_BYTES].decode(errors="ignore")


class WebSocketEdge:
    """Wraps `app` for scopes of type `websocket`; `scope["vernier.context"]` has no deadline."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app = app
        self._logs = settings.access_log
        self._open = metrics.gauge("websocket_open", "WebSockets that are open", ("route",))
        self._ended = metrics.counter(
            "websocket_ended", "WebSockets by how they ended: a close code, or a status before", ("route", "code")
        )
        self._messages = metrics.counter("websocket_messages", "Messages: in, out", ("route", "direction"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [pair for pair in scope["headers"] if pair[0] != b"x-request-timeout-ms"]
        context = RequestContext.of(headers, NEVER_S)
        scope["vernier.context"] = context
        traced = None if tracing.active is None else tracing.active.server(scope, context)
        token = current_context.set(context)
        socket = WebSocket(scope, receive, send, context)
        try:
            await self._serve(scope, socket)
        finally:
            self._record(scope, socket)
            if traced is not None:
                traced.end(_route(scope, context), 101 if socket.accepted else socket.code)
            current_context.reset(token)

    async def _serve(self, scope: Scope, socket: "WebSocket") -> None:
        try:
            await self._app(scope, socket.receive, self._opening(scope, socket))
        except ClientGone:
            pass
        except VernierError as error:
            await socket.refuse(error)
        except Exception:
            if not socket.ended:
                log.exception("WebSocket failed", path=scope["path"])
                await socket.refuse(VernierError(INTERNAL))

    def _opening(self, scope: Scope, socket: "WebSocket") -> Send:
        async def send(message: Message) -> None:
            if message["type"] == "websocket.accept":
                self._open.labels(_route(scope, socket.context)).inc()
            await socket.send(message)

        return send

    def _record(self, scope: Scope, socket: "WebSocket") -> None:
        context = socket.context
        route = _route(scope, context)
        if socket.accepted:
            self._open.labels(route).dec()
        code = socket.code if socket.code in CODES or not socket.accepted else "other"
        self._ended.labels(route, str(code)).inc()
        for direction, count in (("in", socket.received), ("out", socket.sent)):
            if count:
                self._messages.labels(route, direction).inc(count)
        if self._logs:
            log.info(
                "websocket",
                path=scope["path"],
                code=socket.code,
                messages_in=socket.received,
                messages_out=socket.sent,
                ms=round((time.monotonic() - context.started) * 1e3, 3),
            )


class WebSocket:
    """One of them, as the server's `receive` and `send`. `code` is the status of a refusal or the close code."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, context: RequestContext) -> None:
        self._receive = receive
        self._send = send
        self._path: str = scope["path"]
        self.context = context
        self.accepted = self.ended = False
        self.code = 0
        self.received = self.sent = 0

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "websocket.receive":
            self.received += 1
        elif message["type"] == "websocket.disconnect":
            self._end(message.get("code", 1005))
            self.context.gone = True
        return message

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.send":
            self.sent += 1
        elif kind == "websocket.accept":
            self.accepted = True
            message = {**message, "headers": self._stamped(message)}
        elif kind == "websocket.http.response.start":
            self._end(message["status"])
            message = {**message, "headers": self._stamped(message)}
        elif kind == "websocket.close":
            if not self.accepted and not self.ended:  # a framework that knows no such path: it would become a 403
                await self.refuse(NotFound(f"there is no WebSocket at {self._path}"))
                return
            self._end(message.get("code", 1000))
        await self._send(message)

    async def refuse(self, error: VernierError) -> None:
        """With a problem before it is open, else by closing it."""
        if self.ended:
            return
        if self.accepted:
            await self.send({"type": "websocket.close", "code": close_code(error), "reason": shortened(error.detail)})
            return
        status, headers, body = rendered(error, instance=self._path, request_id=self.context.request_id)
        fields = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "websocket.http.response.start", "status": status, "headers": fields})
        await self._send({"type": "websocket.http.response.body", "body": body})

    def _end(self, code: int) -> None:
        if not self.ended:
            self.ended, self.code = True, code

    def _stamped(self, message: Message) -> list[tuple[bytes, bytes]]:
        return [*message.get("headers", ()), (b"x-request-id", self.context.request_id.encode())]


def _route(scope: Scope, context: RequestContext) -> str:
    matched = scope.get("route")
    return context.route if context.route != "unmatched" else str(getattr(matched, "path", "unmatched"))
