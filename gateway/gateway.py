"""The front door as an ASGI application: its own pages go to FastAPI, everything else past it to a service."""

from collections.abc import Collection
from typing import Literal

from gateway.bodies import Body, Budget
from gateway.caching import CachedProxy
from gateway.client import Client
from gateway.guard import Guards
from gateway.jobs.acceptance import Acceptance, prefers_async
from gateway.proxy import Inbound, forward
from gateway.services import Services
from gateway.vigil import Vigil, Watch
from gateway.websockets import WebSocketProxy
from shared import tracing
from shared.asgi import ASGIApp, Message, Receive, Scope, Send
from shared.context import RequestContext
from shared.edge import Ready, ReadyLater
from shared.errors import VernierError
from shared.wire import Soon

JOBS = "/v1/jobs/"


class Gateway:
    """`pages` answers the paths in `own` and those of jobs. What it raises becomes a problem in the `Edge` outside."""

    def __init__(
        self,
        pages: ASGIApp,
        *,
        own: Collection[str],
        jobs: Acceptance,
        services: Services,
        client: Client,
        guards: Guards,
        cached: CachedProxy,
        budget: Budget,
        websockets: WebSocketProxy,
    ) -> None:
        self._pages = pages
        self._own = frozenset(own)
        self._jobs = jobs
        self._services = services
        self._client = client
        self._guards = guards
        self._cached = cached
        self._budget = budget
        self._websockets = websockets
        self._watch = Watch()

    def at_once(self, scope: Scope, body: bytes, later: ReadyLater) -> Ready | Literal[Soon.LATER] | None:
        """An answer that is kept, for `Edge.at_once`."""
        path = scope["path"]
        if path in self._own or path.startswith(JOBS) or scope["method"] == "HEAD":
            return None
        operation = self._services.table.find(scope["method"], path)
        if not operation.cacheable:
            return None
        return self._cached.at_once(operation, self._services.named[operation.service], scope, body, later)

    def error_shape(self, scope: Scope) -> str:
        """What its clients read errors in, for `Edge`."""
        try:
            return self._services.table.find(scope["method"], scope["path"]).errors
        except VernierError:
            return ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._websockets(scope, receive, send)
            return
        if scope["type"] != "http" or scope["path"] in self._own or scope["path"].startswith(JOBS):
            await self._pages(scope, receive, send)
            return
        operation = self._services.table.find(scope["method"], scope["path"])
        context: RequestContext = scope["vernier.context"]
        context.route = operation.route
        if not operation.cacheable and not operation.job:
            self._guards[operation.service].check(operation.route)
        with Vigil(context, self._watch) as vigil, Body(self._budget, context.announced_bytes) as body:
            content = await body.read(receive)
            if operation.job and prefers_async(scope["headers"]):
                await self._jobs.answer(scope, context, operation, content, send)
                return
            service = self._services.named[operation.service]
            inbound = Inbound(scope, context, operation, service, content, vigil, body)
            if operation.cacheable and tracing.active is not None:
                with tracing.span("cache") as span:
                    await self._cached.answer(inbound, _noting(span, send))
            elif operation.cacheable:
                await self._cached.answer(inbound, send)
            else:
                await forward(self._client, inbound, send, [])


def _noting(span: tracing.Span, send: Send) -> Send:
    """`send`, for a span that says what the cache did."""

    async def noting(message: Message) -> None:
        for name, value in message.get("headers", ()):
            if name == b"x-cache-status":
                span.set(status=value.decode().lower())
        await send(message)

    return noting
