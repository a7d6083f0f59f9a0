"""The one factory that builds every process."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response

from shared import VERSION, handlers
from shared.asgi import ASGIApp, Receive, Scope, Send
from shared.docs import docs_router
from shared.edge import Edge
from shared.health import Health, health_router
from shared.metrics import PARAMETERS, Metrics
from shared.negotiation import negotiate
from shared.openapi import error_shapes, finish
from shared.progress import progress_router
from shared.settings import Settings
from shared.wire import AtOnce, Later
from shared.workers import Workers

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class App(FastAPI):
    """A FastAPI application behind the `Edge`.

    `state` holds `settings`, `metrics`, `health` and `workers`. With `before` set, that ASGI application is asked
    first and hands on what is not its own: the gateway's way round FastAPI.
    """

    before: Callable[[ASGIApp], ASGIApp] | None = None
    at_once: Callable[[Scope, bytes, Later], AtOnce] | None = None
    """`shared.wire` asks it before it calls the application."""

    def build_middleware_stack(self) -> ASGIApp:
        inner: ASGIApp = super().build_middleware_stack()
        if self.before is not None:
            inner = self.before(inner)
        edge = Edge(inner, self.state.settings, self.state.metrics, self.state.health, error_shapes(self))
        if edge.ready is not None:
            self.at_once = edge.at_once
        return edge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["app"] = self
            if self.middleware_stack is None:
                self.middleware_stack = self.build_middleware_stack()
            await self.middleware_stack(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        if not self.openapi_schema:
            self.openapi_schema = finish(self)
        return self.openapi_schema


def create_app(
    settings: Settings,
    *,
    title: str,
    summary: str,
    routers: Sequence[APIRouter] = (),
    lifespan: Lifespan | None = None,
) -> App:
    """`lifespan` loads what the process needs and calls `app.state.health.loaded(models)` when it is warm."""
    health, metrics = Health(settings.process), Metrics()
    app = App(
        title=title,
        summary=summary,
        version=VERSION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(lifespan),
        separate_input_output_schemas=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},  # the Edge sees more
    )
    app.state.settings, app.state.health, app.state.metrics = settings, health, metrics
    handlers.install(app)
    for router in (health_router(health), _metrics_router(metrics), docs_router(title), progress_router(), *routers):
        app.include_router(router)
    return app


def _lifespan(own: Lifespan | None) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.workers = Workers(app.state.settings, app.state.metrics)
        try:
            if own is None:
                app.state.health.loaded()
                yield
            else:
                async with own(app):
                    yield
        finally:
            app.state.workers.close()

    return lifespan


def _metrics_router(metrics: Metrics) -> APIRouter:
    router = APIRouter(tags=["health"])

    text = {"schema": {"type": "string"}}
    formats: dict[int | str, dict[str, Any]] = {
        200: {"description": "The samples", "content": dict.fromkeys(PARAMETERS, text)}
    }

    @router.get("/metrics", summary="The process's metrics, for Prometheus", response_class=Response, responses=formats)
    async def exposition(request: Request) -> Response:
        chosen = negotiate(f"{request.headers.get('accept', '')},*/*;q=0.001", list(metrics.expositions))
        return Response(metrics.expositions[chosen](), media_type=f"{chosen}; {PARAMETERS[chosen]}; charset=utf-8")

    return router
