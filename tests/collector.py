"""An OTLP collector for tests: a real HTTP server that decodes what is sent and keeps the spans."""

import gzip
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from tests.polling import until

KINDS = trace_pb2.Span.SpanKind
STATUSES = trace_pb2.Status.StatusCode


@dataclass(frozen=True)
class Seen:
    """A span as it arrived; times in nanoseconds since the epoch."""

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    state: str
    began: int
    ended: int
    failed: bool
    attributes: dict[str, Any]
    links: list[tuple[str, str]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    resource: dict[str, Any] = field(default_factory=dict)


class Collector:
    """`answer`: what the next requests get, 0 for nothing at all until `stop`."""

    def __init__(self, answer: int = 200) -> None:
        self.answer = answer
        self.spans: list[Seen] = []
        self.encodings: set[str] = set()
        self.headers: list[dict[str, str]] = []
        self.asked = 0
        self._end = threading.Event()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.take(self)

            def log_message(self, *_: object) -> None:
                return None

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["content-length"]))
        self.asked += 1
        if self.answer == 0:
            self._end.wait()
            return
        if self.answer == 200:
            encoding = request.headers.get("content-encoding", "none")
            self.encodings.add(encoding)
            self.headers.append(dict(request.headers))
            assert request.path == "/v1/traces"
            self.spans += decode(gzip.decompress(body) if encoding == "gzip" else body)
        request.send_response(self.answer)
        request.send_header("content-length", "0")
        request.end_headers()

    def await_spans(self, enough: Callable[[list[Seen]], bool], what: str) -> list[Seen]:
        until(lambda: enough(list(self.spans)), f"{what} arrived")
        return list(self.spans)

    def stop(self) -> None:
        self._end.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(30)


def decode(body: bytes) -> list[Seen]:
    request = ExportTraceServiceRequest.FromString(body)
    return [
        seen(span, attributes(group.resource.attributes))
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def seen(span: trace_pb2.Span, resource: dict[str, Any]) -> Seen:
    return Seen(
        service=str(resource["service.name"]),
        name=span.name,
        kind=KINDS.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        state=span.trace_state,
        began=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        failed=span.status.code == STATUSES.Value("STATUS_CODE_ERROR"),
        attributes=attributes(span.attributes),
        links=[(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
        events=[{"name": event.name, **attributes(event.attributes)} for event in span.events],
        resource=resource,
    )


def attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: value(pair.value) for pair in pairs if isinstance(pair, KeyValue)}


def value(each: AnyValue) -> Any:
    return getattr(each, each.WhichOneof("value") or "string_value")
