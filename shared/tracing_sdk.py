"""What `shared.tracing` does where there is an endpoint: spans by OpenTelemetry's SDK, sent as OTLP over HTTP.

Names and attributes follow the semantic conventions for HTTP. Spans are sent by a thread of the SDK's, in batches, out
of a bounded queue that drops the oldest when it is full: a collector that is slow, hung or gone costs spans and nothing
else.
"""

import logging
import os
import threading
import time
import traceback
import uuid
from collections.abc import Iterable, Mapping
from contextvars import Token
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import structlog
from opentelemetry import context as otel
from opentelemetry import propagate
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagators.textmap import Getter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace import Span as OtelSpan

from shared import VERSION
from shared.asgi import Scope
from shared.context import RequestContext
from shared.metrics import METHODS

log = structlog.get_logger()

FLUSH_S = 3.0
"""How long a process that ends waits for its last spans to be taken, at most."""

LARGEST = (1 << 63) - 1
"""What OTLP has room for. One number beyond it, or one lone surrogate, would cost a whole batch of spans."""

Fields = Iterable[tuple[bytes, bytes]]
Attributes = Mapping[str, str | int | float | bool]


class Traces:
    """Of one process, until `shutdown`. Raises ValueError for variables that make no sense."""

    def __init__(self, process: str) -> None:
        logging.getLogger("opentelemetry").setLevel(logging.ERROR)  # one line a batch lost, none a try
        _check_protocol()
        exporter = OTLPSpanExporter()
        self.endpoint = _checked(exporter._endpoint)
        resource = Resource.create({"service.version": VERSION, "service.instance.id": uuid.uuid4().hex})
        if resource.attributes.get("service.name", "unknown_service").startswith("unknown_service"):  # type: ignore[union-attr]
            resource = resource.merge(Resource({"service.name": f"vernier-{process}"}))
        self.service = str(resource.attributes["service.name"])
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("vernier", VERSION)

    def server(self, scope: Scope, context: RequestContext) -> "ServerSpan":
        """The request's own span, current until its `end`; `context` says its trace from here on."""
        parent = propagate.extract(scope["headers"], otel.Context(), _FIELDS)
        method = scope.get("method", "GET")  # a WebSocket begins as one
        span = self._tracer.start_span(
            _method(method), parent, SpanKind.SERVER, _request_attributes(scope, context, method)
        )
        context.span = span
        context.traceparent = traceparent(span.get_span_context())
        return ServerSpan(span, method)

    def span(self, name: str, attributes: Attributes) -> "ActiveSpan":
        return ActiveSpan(self._tracer.start_span(name, attributes=_own(attributes)))

    def client(self, service: str, method: str, route: str, url: str, attempt: int = 0) -> "ClientSpan":
        """Of one request to a service; `url` without its query, which may hold what is nobody else's."""
        parts = urlsplit(url)
        attributes: dict[str, Any] = {
            "http.request.method": method,
            "url.full": url,
            "url.template": route,
            "server.address": parts.hostname or "",
            "server.port": parts.port or 80,
            "service.peer.name": service,
        }
        if attempt:
            attributes["http.request.resend_count"] = attempt
        return ClientSpan(self._tracer.start_span(f"{method} {route}", kind=SpanKind.CLIENT, attributes=attributes))

    def together(self, name: str, contexts: Iterable[RequestContext | None], attributes: Attributes) -> "Together":
        """One piece of work done for several requests: linked to the span of each, in the trace of the first. The
        others get a span of the same time, linked to this one."""
        several = list({id(each): each for each in contexts if each is not None and each.span is not None}.values())
        several.sort(key=lambda each: not each.span.is_recording())
        parent = set_span_in_context(several[0].span, otel.Context()) if several else None
        links = [Link(each.span.get_span_context()) for each in several]
        span = self._tracer.start_span(name, parent, attributes=_own(attributes), links=links)
        return Together(self, span, name, several[1:], attributes)

    def resumed(self, name: str, headers: list[tuple[str, str]], attributes: Attributes) -> "ActiveSpan":
        fields = [(field.lower().encode(), value.encode()) for field, value in headers]
        parent = propagate.extract(fields, otel.Context(), _FIELDS)
        return ActiveSpan(self._tracer.start_span(name, parent, SpanKind.CONSUMER, _own(attributes)))

    def onward(self, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        sent: dict[str, str] = {}
        propagate.inject(sent)
        replaced = {"tracestate", *sent} if sent else set()
        return [each for each in headers if each[0].lower() not in replaced] + list(sent.items())

    def past(
        self,
        name: str,
        context: RequestContext | None,
        began: float,
        ended: float,
        link: "ActiveSpan | None" = None,
        attributes: Attributes | None = None,
    ) -> None:
        """What is over already, as a child of the request's span; times on the clock of `time.monotonic`."""
        if context is None or context.span is None:
            return
        offset = time.time() - time.monotonic()
        span = self._tracer.start_span(
            name,
            set_span_in_context(context.span, otel.Context()),
            attributes=_own(attributes or {}),
            links=() if link is None else [Link(link.span.get_span_context())],
            start_time=int((began + offset) * 1e9),
        )
        span.end(int((ended + offset) * 1e9))

    def failed(self, error: BaseException) -> None:
        """Keeps the exception, with its traceback, in the span that is current."""
        trace = "".join(traceback.format_exception(error))
        told = {"exception.message": _sendable(str(error)), "exception.stacktrace": _sendable(trace)}
        get_current_span().record_exception(error, told)

    def here(self) -> dict[str, str]:
        """The span that is current, for a line of the log."""
        here = get_current_span().get_span_context()
        return {"trace_id": f"{here.trace_id:032x}", "span_id": f"{here.span_id:016x}"} if here.is_valid else {}

    def shutdown(self) -> None:
        ending = threading.Thread(target=self._provider.shutdown, name="last-spans", daemon=True)
        ending.start()
        ending.join(FLUSH_S)
        if ending.is_alive():
            log.warning("spans were lost: the collector did not take them in time", waited_s=FLUSH_S)


class _Fields(Getter[Fields]):
    """Reads the header fields of an ASGI scope."""

    def get(self, carrier: Fields, key: str) -> list[str]:
        name = key.encode()
        return [value.decode("latin-1") for field, value in carrier if field == name]

    def keys(self, carrier: Fields) -> list[str]:
        return [field.decode("latin-1") for field, _ in carrier]


_FIELDS = _Fields()


class ActiveSpan:
    """Current within its `with`; an exception that leaves it makes it an error."""

    __slots__ = ("_token", "span")

    def __init__(self, span: OtelSpan) -> None:
        self.span = span
        self._token: Token[otel.Context] | None = None

    def __enter__(self) -> Self:
        self._token = otel.attach(set_span_in_context(self.span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            otel.detach(self._token)
        if error is not None:
            self.span.set_attribute("error.type", type(error).__qualname__)
            self.span.set_status(Status(StatusCode.ERROR, _sendable(str(error))))
        self.span.end()

    def set(self, **attributes: str | int | float | bool) -> None:
        self.span.set_attributes(_own(attributes))


class Together(ActiveSpan):
    __slots__ = ("_attributes", "_began", "_name", "_others", "_traces")

    def __init__(
        self, traces: Traces, span: OtelSpan, name: str, others: list[RequestContext], attributes: Attributes
    ) -> None:
        super().__init__(span)
        self._traces = traces
        self._name = name
        self._others = others
        self._attributes = attributes
        self._began = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        ended = time.monotonic()
        for context in self._others:
            self._traces.past(self._name, context, self._began, ended, self, self._attributes)


class ClientSpan(ActiveSpan):
    __slots__ = ()

    def fields(self, fields: bytes) -> bytes:
        """Header fields as they stand in a message, with where this span is in place of where the caller's was."""
        sent: dict[str, str] = {}
        propagate.inject(sent, set_span_in_context(self.span))
        if not sent:
            return fields
        replaced = tuple(f"{name}:".encode() for name in {"tracestate", *sent})
        kept = [line for line in fields.splitlines(keepends=True) if not line.lower().startswith(replaced)]
        return b"".join(kept + [f"{name}: {value}\r\n".encode() for name, value in sent.items()])

    def answered(self, status: int) -> None:
        self.span.set_attribute("http.response.status_code", status)
        if status >= 400:
            self.span.set_attribute("error.type", str(status))
            self.span.set_status(Status(StatusCode.ERROR))


class ServerSpan:
    __slots__ = ("_method", "_token", "span")

    def __init__(self, span: OtelSpan, method: str) -> None:
        self.span = span
        self._method = _method(method)
        self._token = otel.attach(set_span_in_context(span))

    def end(self, route: str, status: int) -> None:
        otel.detach(self._token)
        span = self.span
        if route != "unmatched":
            span.update_name(f"{self._method} {route}")
            span.set_attribute("http.route", route)
        span.set_attribute("http.response.status_code", status)
        if status >= 500:
            span.set_attribute("error.type", str(status))
            span.set_status(Status(StatusCode.ERROR))
        span.end()


def traceparent(here: SpanContext) -> str:
    return f"00-{here.trace_id:032x}-{here.span_id:016x}-{here.trace_flags:02x}"


def _request_attributes(scope: Scope, context: RequestContext, method: str) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "http.request.method": method if method in METHODS else "_OTHER",
        "url.scheme": scope.get("scheme", "http"),
        "url.path": scope["path"],
        "network.protocol.version": scope.get("http_version", "1.1"),
        "http.request.body.size": min(context.announced_bytes, LARGEST),
        "vernier.request_id": context.request_id,
    }
    if method not in METHODS:
        attributes["http.request.method_original"] = method
    for key, address in (("server", scope.get("server")), ("client", scope.get("client"))):
        if address:
            attributes[f"{key}.address"], attributes[f"{key}.port"] = address[0], address[1] or 0
    for name, value in scope["headers"]:
        if name == b"user-agent":
            attributes["user_agent.original"] = value.decode("latin-1")
    return attributes


def _method(method: str) -> str:
    return method if method in METHODS else "HTTP"


def _own(attributes: Attributes) -> dict[str, str | int | float | bool]:
    return {f"vernier.{name}": value for name, value in attributes.items()}


def _sendable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _check_protocol() -> None:
    for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if os.environ.get(name, "http/protobuf") != "http/protobuf":
            raise ValueError(f"{name} may be http/protobuf alone, as which traces are sent, not {os.environ[name]!r}")


def _checked(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"OTEL_EXPORTER_OTLP_ENDPOINT must be an address as http://127.0.0.1:4318, not {endpoint!r}")
    return endpoint
