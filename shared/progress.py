"""How far a long computation is. Whoever computes says so, from any thread; whoever waits asks by the request's id."""

from collections.abc import Callable
from weakref import WeakValueDictionary

from fastapi import APIRouter

from shared.context import RequestContext, current_context
from shared.errors import NotFound

PATH = "/internal/progress"
"""In no OpenAPI document, so that the gateway lets nobody through to it."""

_reporting: WeakValueDictionary[str, RequestContext] = WeakValueDictionary()


def progress(fraction: float) -> None:
    """The share done of the current request's work, 0..1; it never goes back. Without a request nothing happens."""
    reporter()(fraction)


def reporter(start: float = 0.0, end: float = 1.0) -> Callable[[float], None]:
    """`progress` of the request that is current here, to be called anywhere; its 0..1 is that part of the work."""
    context = current_context.get()
    if context is None:
        return lambda _: None

    def report(fraction: float) -> None:
        if context.progress == 0.0:
            _reporting[context.request_id] = context
        context.progress = max(context.progress, start + (end - start) * min(1.0, fraction))

    return report


def progress_of(request_id: str) -> float | None:
    """None where no request of this id that is still to be answered has reported any."""
    context = _reporting.get(request_id)
    return None if context is None or context.gone or context.status else context.progress


def progress_router() -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get(PATH)
    async def read_progress(request_id: str) -> dict[str, float]:
        found = progress_of(request_id)
        if found is None:
            raise NotFound(f"no active request {request_id} has reported progress")
        return {"progress": found}

    return router
