import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import orjson
import pytest
from prometheus_client.openmetrics import parser as openmetrics

from shared import tracing
from shared.context import RequestContext
from tests.collector import Collector, Seen
from tests.processes import ROOT, Process, clean_environment, running
from tests.sockets import exchange

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "50"}
NEVER = {"OTEL_BSP_SCHEDULE_DELAY": "3600000"}


@pytest.fixture
def collector() -> Iterator[Collector]:
    each = Collector()
    yield each
    each.stop()


@contextmanager
def traced_echo(collector: Collector, **env: str) -> Iterator[Process]:
    with running("tests.shared.echo", **{"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, **NEVER, **env}) as echo:
        yield echo


def named(spans: list[Seen], name: str) -> Seen:
    (found,) = [span for span in spans if span.name == name]
    return found


def test_a_request_is_a_span_by_the_conventions_for_http(collector: Collector) -> None:
    env = {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test", "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=me"}
    with traced_echo(collector, **env) as echo, httpx.Client(base_url=echo.address) as client:
        client.post("/sum", json={"x": [1, 2]}, headers={"x-request-id": "me", "user-agent": "a test"})
        client.get("/fault")
        client.get("/nowhere/else", params={"token": "hush"})
        client.request("PROPFIND", "/sum")
        for path in ("/livez", "/readyz", "/metrics", "/v2/health/ready"):
            client.get(path)
    assert {span.service for span in collector.spans} == {"vernier-echo"}
    servers = [span for span in collector.spans if span.kind == "SERVER"]
    assert [span.name for span in servers] == ["POST /sum", "GET /fault", "GET", "HTTP /sum"]
    summed, fault, nowhere, odd = servers
    assert summed.resource["deployment.environment.name"] == "test"
    assert {"service.version", "service.instance.id", "telemetry.sdk.name"} <= summed.resource.keys()
    port = int(echo.address.rpartition(":")[2])
    assert summed.attributes | {"client.port": 0} == {
        "http.request.method": "POST",
        "http.route": "/sum",
        "http.response.status_code": 200,
        "http.request.body.size": 11,
        "url.scheme": "http",
        "url.path": "/sum",
        "network.protocol.version": "1.1",
        "server.address": "127.0.0.1",
        "server.port": port,
        "client.address": "127.0.0.1",
        "client.port": 0,
        "user_agent.original": "a test",
        "vernier.request_id": "me",
    }
    assert (summed.parent, summed.failed, summed.began < summed.ended) == ("", False, True)
    assert (fault.failed, fault.attributes["error.type"]) == (True, "500")
    (event,) = fault.events
    assert (event["exception.type"], event["exception.message"]) == ("RuntimeError", "a bug")
    assert "http.route" not in nowhere.attributes
    assert "hush" not in str(nowhere)
    assert not nowhere.failed
    assert (odd.attributes["http.request.method"], odd.attributes["http.request.method_original"]) == (
        "_OTHER",
        "PROPFIND",
    )
    assert collector.headers[0]["x-tenant"] == "me"


def test_a_trace_goes_on_and_its_callers_choice_is_kept(collector: Collector) -> None:
    with traced_echo(collector, OTEL_SERVICE_NAME="other") as echo, httpx.Client(base_url=echo.address) as client:
        kept = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "a=1,b=2"}
        client.get("/number", params={"n": 1}, headers=kept)
        client.post("/sum", json={"x": [1]}, headers=kept)
        client.get("/number", params={"n": 2}, headers={"traceparent": f"00-{'1' * 32}-{PARENT}-00"})
        text = client.get("/metrics", headers={"accept": "application/openmetrics-text;version=1.0.0"}).text
        plain = client.get("/metrics")
    span, _ = (span for span in collector.spans if span.kind == "SERVER")
    assert (span.service, span.trace, span.parent, span.state) == ("other", TRACE, PARENT, "a=1,b=2")
    exemplars = {
        (family.name, sample.labels.get("http_route"), sample.exemplar.labels["trace_id"])
        for family in openmetrics.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
        for sample in family.samples
        if sample.exemplar
    }
    assert exemplars == {
        ("http_server_request_duration_seconds", "/number", TRACE),
        ("http_server_request_duration_seconds", "/sum", TRACE),
        ("inference_queue_duration_seconds", None, TRACE),
        ("inference_compute_duration_seconds", None, TRACE),
    }
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    one, _, other = (line for line in echo.lines if line["event"] == "request")
    assert (one["trace_id"], one["span_id"]) == (TRACE, span.id)
    assert other["trace_id"] == "1" * 32


@pytest.mark.parametrize(
    "header",
    [
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}",
        "nonsense",
    ],
)
def test_what_is_no_traceparent_counts_as_none(header: str) -> None:
    context = RequestContext.of([(b"traceparent", header.encode())], 1)
    assert (context.trace_id, context.sampled_trace_id) == (None, None)
    assert context.log_fields() == {"request_id": context.request_id}


def test_a_traceparent_of_a_later_version_counts_as_far_as_it_is_known() -> None:
    context = RequestContext.of([(b"traceparent", f"cc-{TRACE}-{PARENT}-01-more".encode())], 1)
    assert (context.trace_id, context.sampled_trace_id) == (TRACE, TRACE)
    assert context.log_fields() == {"request_id": context.request_id, "trace_id": TRACE, "span_id": PARENT}


@pytest.mark.parametrize("flags", ["00", "02", "fe"])
def test_a_trace_that_is_not_sampled_is_no_exemplar(flags: str) -> None:
    context = RequestContext.of([(b"traceparent", f"00-{TRACE}-{PARENT}-{flags}".encode())], 1)
    assert (context.trace_id, context.sampled_trace_id) == (TRACE, None)


def test_a_span_on_a_thread_belongs_to_its_request(collector: Collector) -> None:
    with traced_echo(collector) as echo:
        httpx.get(f"{echo.address}/told/word")
    server, queue, compute, telling = (
        named(collector.spans, name) for name in ("GET /told/{word}", "queue", "compute", "telling")
    )
    assert {span.trace for span in collector.spans} == {server.trace}
    assert (queue.parent, compute.parent, telling.parent) == (server.id, server.id, compute.id)
    assert {span.kind for span in (queue, compute, telling)} == {"INTERNAL"}
    assert telling.attributes == {"vernier.words": 2}
    assert server.began <= compute.began <= telling.began <= telling.ended <= compute.ended <= server.ended


@pytest.mark.parametrize(("variables", "count"), [
    ({"OTEL_TRACES_SAMPLER": "always_off"}, 0),
    ({"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}, 1),
    ({"OTEL_PROPAGATORS": "none"}, 2),
    ({"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}, 2),
])  # fmt: skip
def test_the_standard_variables_are_heard(collector: Collector, variables: dict[str, str], count: int) -> None:
    with traced_echo(collector, **variables) as echo:
        assert httpx.get(f"{echo.address}/number?n=1").status_code == 200
        assert httpx.get(f"{echo.address}/number?n=1", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"}).is_success
    assert len(collector.spans) == count
    if "OTEL_PROPAGATORS" in variables:
        assert TRACE not in {span.trace for span in collector.spans}
    if "OTEL_EXPORTER_OTLP_COMPRESSION" in variables:
        assert collector.encodings == {"gzip"}


def test_spans_leave_while_the_process_serves(collector: Collector) -> None:
    with traced_echo(collector, **SOON) as echo:
        httpx.get(f"{echo.address}/number?n=1")
        collector.await_spans(lambda spans: len(spans) == 1, "the span")


def test_no_request_costs_the_spans_of_others(collector: Collector) -> None:
    with traced_echo(collector) as echo:
        odd = b"POST /sum HTTP/1.1\r\nHost: x\r\nUser-Agent: \xff\xfe\r\nTracestate: \xff=,,=\r\n"
        answer = exchange(echo.address, odd + b"Content-Length: 18446744073709551615\r\n\r\n")
        assert b" 413 " in answer.partition(b"\r\n")[0]
        httpx.get(f"{echo.address}/torn")
        httpx.get(f"{echo.address}/number?n=1")
    assert [span.name for span in collector.spans] == ["POST", "GET /torn", "GET /number"]
    assert collector.spans[1].events[0]["exception.message"] == "half of \\ud83d"
    assert [line for line in echo.lines if "encode" in line["event"]] == []


@pytest.mark.parametrize("state", ["gone", "hung", "refusing"])
def test_a_collector_in_trouble_costs_spans_and_nothing_else(state: str) -> None:
    collector = Collector(answer={"gone": 200, "hung": 0, "refusing": 503}[state])
    if state == "gone":
        collector.stop()
    env = {**SOON, "OTEL_BSP_MAX_QUEUE_SIZE": "20", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10"}
    with traced_echo(collector, **env) as echo, httpx.Client(base_url=echo.address) as client:
        for number in range(100):
            assert client.get("/number", params={"n": number}).json() == {"n": number}
        assert echo.stop() == 0
    if state != "gone":
        collector.stop()
    assert [line for line in echo.lines if line.get("raw")] == []
    troubles = [line for line in echo.lines if line["event"].startswith(("Failed to export", "spans were lost"))]
    assert 1 <= len(troubles) <= 20


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "nonsense"},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "ftp://127.0.0.1/v1/traces"},
        {"OTEL_BSP_MAX_QUEUE_SIZE": "1"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ],
)
def test_variables_that_make_no_sense_turn_traces_off_and_say_so(variables: dict[str, str]) -> None:
    script = """
from shared import logs, tracing
from shared.settings import Settings
logs.configure(Settings())
tracing.configure("echo")
assert tracing.active is None
"""
    env = {**clean_environment(), "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", **variables}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, env=env)
    (line,) = (orjson.loads(line) for line in done.stdout.splitlines())
    assert (line["event"], line["level"]) == ("no traces", "error")


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "no"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_TRACES_EXPORTER": "otlp"}, True),
    ],
)
def test_traces_are_wanted_by_the_standard_variables(environment: dict[str, str], wanted: bool) -> None:
    assert tracing.wanted(environment) is wanted


def test_without_an_endpoint_the_sdk_is_not_even_imported() -> None:
    script = """
import sys, orjson
from shared import tracing
from tests.shared.echo import echo_app
echo_app()
tracing.configure("echo")
with tracing.span("x", n=1) as span:
    span.set(n=2)
tracing.shutdown()
heavy = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto", "google.protobuf", "requests")
print(orjson.dumps([name for name in sys.modules if name.startswith(heavy)]).decode())
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, env=clean_environment()
    )
    assert orjson.loads(done.stdout) == []
