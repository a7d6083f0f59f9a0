"""Traces by OpenTelemetry, told by its standard variables alone; without an endpoint for them, next to nothing.

`active` is None unless `configure` found an endpoint. What stands on the path of every request asks for that and no
more; the rest calls `span`. The SDK is imported only when there is something to do for it.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from shared.context import RequestContext
    from shared.tracing_sdk import Traces

    Headers = list[tuple[str, str]]

log = structlog.get_logger()

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

active: "Traces | None" = None


class Span(Protocol):
    """One piece of work, within a `with`. Attributes get the prefix `vernier.`."""

    def __enter__(self) -> "Span": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None: ...

    def set(self, **attributes: str | int | float | bool) -> None: ...


class _NoSpan:
    def __enter__(self) -> "_NoSpan":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def set(self, **_: str | int | float | bool) -> None:
        return None


NO_SPAN = _NoSpan()


def span(name: str, **attributes: str | int | float | bool) -> Span:
    """Below the span that is current here, or a trace of its own. Threads need the caller's `contextvars`."""
    return NO_SPAN if active is None else active.span(name, attributes)


def together(name: str, contexts: "Iterable[RequestContext | None]", **attributes: str | int | float | bool) -> Span:
    """Work done for several requests at once; see `Traces.together`."""
    return NO_SPAN if active is None else active.together(name, contexts, attributes)


def resumed(name: str, headers: "Headers", **attributes: str | int | float | bool) -> Span:
    """Work that `headers` brought along by way of a queue, in the trace that they name."""
    return NO_SPAN if active is None else active.resumed(name, headers, attributes)


def onward(headers: "Headers") -> "Headers":
    """To be sent on from here: they name the span that is current where there is one, else whom they named."""
    return headers if active is None else active.onward(headers)


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether the standard variables ask for traces and say where to."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "").strip() not in {"", "otlp"}:
        return False
    return any(environment.get(name, "").strip() for name in ENDPOINTS)


def configure(process: str) -> None:
    """For the whole process, once, before the server starts. Settings that make no sense turn traces off, loudly."""
    global active
    if active is not None or not wanted(os.environ):
        return
    from shared.tracing_sdk import Traces

    try:
        active = Traces(process)
    except ValueError as error:
        log.error("no traces", error=str(error))
    else:
        log.info("traces", endpoint=active.endpoint, service=active.service)


def shutdown() -> None:
    """Sends what is left; waits a few seconds for that at most."""
    global active
    traces, active = active, None
    if traces is not None:
        traces.shutdown()
