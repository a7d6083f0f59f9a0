"""Passes WebSockets through: message by message, at the pace of the slower side, with the close code of either."""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus
from websockets.http11 import Response
from websockets.typing import Subprotocol

from gateway.headers import to_client, to_service
from gateway.operations import HANDSHAKE, Operation
from gateway.services import Service, Services
from gateway.settings import GatewaySettings
from shared import tracing
from shared.asgi import Receive, Scope, Send
from shared.context import RequestContext
from shared.ending import end
from shared.errors import ClientGone, Overloaded, UpstreamFailed
from shared.websockets import GOING_AWAY, shortened

log = structlog.get_logger()

BAD_GATEWAY = 1014
UNSENDABLE = frozenset({1005, 1006, 1015})
"""Codes that say how a connection ended and never stand in a frame (RFC 6455, 7.4.1)."""
_HANDSHAKE = frozenset(
    {
        b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-extensions", b"sec-websocket-protocol",
        b"sec-websocket-accept",
    }
)  # fmt: skip
_DENIAL = frozenset({b"content-type", b"retry-after", b"www-authenticate", b"allow"})


class _Connect(connect):
    """Follows no redirect: a service does not send the gateway elsewhere."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class WebSocketProxy:
    """The ASGI application for scopes of type `websocket`."""

    def __init__(self, services: Services, settings: GatewaySettings) -> None:
        self._services = services
        self._settings = settings
        self.open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context: RequestContext = scope["vernier.context"]
        operation = self._services.table.find(HANDSHAKE, scope["path"])
        context.route = operation.route
        if self.open >= self._settings.websockets:
            raise Overloaded(f"{self.open} WebSockets are open, as many as may be")
        self.open += 1
        try:
            await self._pass(scope, receive, send, operation)
        finally:
            self.open -= 1

    async def _pass(self, scope: Scope, receive: Receive, send: Send, operation: Operation) -> None:
        service = self._services.named[operation.service]
        if (await receive())["type"] != "websocket.connect":
            raise ClientGone("the client hung up")
        try:
            upstream = await self._connect(scope, service)
        except InvalidStatus as refusal:
            await _deny(send, refusal.response)
            return
        try:
            await send(
                {
                    "type": "websocket.accept",
                    "subprotocol": upstream.subprotocol,
                    "headers": _accepted(upstream.response),
                }
            )
            await _Relay(receive, send, upstream, self._settings.websocket_idle_s).run()
        finally:
            upstream.transport.abort()

    async def _connect(self, scope: Scope, service: Service) -> ClientConnection:
        guard, settings = service.guard, self._settings
        guard.check_breaker()
        try:
            upstream = await _Connect(
                _address(service.url, scope),
                additional_headers=tracing.onward(_fields(scope)),
                subprotocols=[Subprotocol(each) for each in scope["subprotocols"]] or None,
                user_agent_header=None,
                compression=None,
                proxy=None,
                open_timeout=settings.websocket_open_s,
                max_size=settings.max_message_bytes,
                max_queue=1,
                ping_interval=settings.websocket_ping_s,
                ping_timeout=settings.websocket_idle_s,
                close_timeout=settings.connect_timeout_s,
            )
        except InvalidStatus:
            guard.breaker.success()
            raise
        except (OSError, TimeoutError, InvalidHandshake, InvalidMessage, EOFError) as error:
            guard.breaker.failure()
            raise UpstreamFailed(
                f"the {service.name} service opens no WebSocket: {str(error) or type(error).__name__}", reason="connect"
            ) from error
        guard.breaker.success()
        return upstream


class _Relay:
    """Both directions of one WebSocket; the next message of a side is read when the other has taken the last."""

    def __init__(self, receive: Receive, send: Send, upstream: ClientConnection, idle_s: float) -> None:
        self._receive = receive
        self._send = send
        self._upstream = upstream
        self._idle_s = idle_s
        self._limit: asyncio.Timeout

    async def run(self) -> None:
        tasks = {asyncio.create_task(self._in()), asyncio.create_task(self._out())}
        done: set[asyncio.Task[None]] = set()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._idle_s) as self._limit:
                    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(*tasks)
        for task in done:
            task.result()
        if not done:
            reason = f"nothing was said, or taken, for {self._idle_s:g} s"
            await self._close(GOING_AWAY, reason)
            await self._close_upstream(GOING_AWAY, reason)

    async def _in(self) -> None:
        """From the client to the service, until the client leaves."""
        try:
            while (message := await self._receive())["type"] == "websocket.receive":
                self._said()
                text = message.get("text")
                await self._upstream.send(message["bytes"] if text is None else text)
        except ConnectionClosed:
            await asyncio.get_running_loop().create_future()  # the other direction says how it ended
        code = message.get("code", 1005)
        if code in UNSENDABLE:
            code = GOING_AWAY
        await self._close_upstream(code, message.get("reason") or "")

    async def _out(self) -> None:
        """From the service to the client, until the service closes."""
        try:
            while True:
                data = await self._upstream.recv()
                self._said()
                content: dict[str, Any] = {"text": data} if isinstance(data, str) else {"bytes": data}
                await self._send({"type": "websocket.send", **content})
        except ConnectionClosed as ended:
            await self._close(*_how(ended))

    def _said(self) -> None:
        self._limit.reschedule(asyncio.get_running_loop().time() + self._idle_s)

    async def _close_upstream(self, code: int, reason: str) -> None:
        """A service that does not read is not waited for."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._upstream.close_timeout):
                await self._upstream.close(code, shortened(reason))

    async def _close(self, code: int, reason: str) -> None:
        await self._send({"type": "websocket.close", "code": code, "reason": shortened(reason)})


def _how(ended: ConnectionClosed) -> tuple[int, str]:
    """The code and reason that the client gets: the service's own, where it gave one."""
    if ended.rcvd is not None:
        return (1000 if ended.rcvd.code in UNSENDABLE else ended.rcvd.code), ended.rcvd.reason
    if ended.sent is not None:  # the gateway found a fault: a message too large, bytes that are no frames
        return 1011, f"the service's side: {ended.sent.reason or ended.sent.code}"
    return BAD_GATEWAY, "the service broke off"


def _address(url: str, scope: Scope) -> str:
    target: bytes = scope.get("raw_path") or scope["path"].encode()
    if scope["query_string"]:
        target += b"?" + scope["query_string"]
    return "ws" + url.removeprefix("http") + target.decode("ascii")


def _fields(scope: Scope) -> list[tuple[str, str]]:
    context: RequestContext = scope["vernier.context"]
    client = scope.get("client")
    block = to_service(
        scope["headers"],
        client=client[0] if client else "unknown",
        scheme="https" if scope.get("scheme") == "wss" else "http",
        request_id=context.request_id,
        timeout_ms=1,
        without=_HANDSHAKE,
    )
    lines = (line.partition(": ") for line in block.decode("latin-1").split("\r\n") if line)
    return [(name, value) for name, _, value in lines if name != "x-request-timeout-ms"]


def _raw(response: Response | None) -> Iterable[tuple[bytes, bytes]]:
    if response is None:
        return []
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in response.headers.raw_items()]


def _accepted(response: Response | None) -> list[tuple[bytes, bytes]]:
    return [pair for pair in to_client(list(_raw(response))) if pair[0] not in _HANDSHAKE]


async def _deny(send: Send, response: Response) -> None:
    """The service's own refusal, as it said it."""
    headers = [pair for pair in _raw(response) if pair[0] in _DENIAL]
    body = response.body or b""
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "websocket.http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
