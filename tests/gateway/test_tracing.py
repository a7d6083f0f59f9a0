"""One trace from the client's own to the model, over real processes."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.collector import Collector, Seen
from tests.gateway.conftest import gateway_before
from tests.gateway.upstream import Upstream
from tests.processes import running, running_redis

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=1"}


@pytest.fixture
def collector() -> Iterator[Collector]:
    each = Collector()
    yield each
    each.stop()


def settings(collector: Collector, **more: str) -> dict[str, Any]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100", **more}


def pick(spans: list[Seen], service: str, name: str, kind: str = "INTERNAL") -> Seen:
    (found,) = [span for span in spans if (span.service, span.name, span.kind) == (service, name, kind)]
    return found


def test_one_trace_from_the_gateway_to_the_model(collector: Collector) -> None:
    env = settings(collector)
    with running("services.text", **env) as text, gateway_before({"text": text.address}, **env) as gateway:
        body = {"model": "text-embedding", "input": "a sentence"}
        for _ in range(2):
            answer = httpx.post(f"{gateway.address}/v1/embeddings", json=body, headers=SAMPLED, timeout=60)
            assert answer.status_code == 200
        assert answer.headers["x-cache-status"] == "HIT"
    spans = [span for span in collector.spans if span.trace == TRACE]
    first, hit = sorted(
        (span for span in spans if (span.service, span.kind) == ("vernier-gateway", "SERVER")), key=lambda s: s.began
    )
    assert first.name == hit.name == "POST /v1/embeddings"
    assert first.parent == hit.parent == PARENT
    miss, found = sorted((span for span in spans if span.name == "cache"), key=lambda span: span.began)
    asked = pick(spans, "vernier-gateway", "POST /v1/embeddings", "CLIENT")
    served = pick(spans, "vernier-text", "POST /v1/embeddings", "SERVER")
    batch, model = pick(spans, "vernier-text", "batch"), pick(spans, "vernier-text", "model")
    assert (miss.parent, miss.attributes["vernier.status"]) == (first.id, "miss")
    assert (found.parent, found.attributes["vernier.status"]) == (hit.id, "hit")
    assert asked.parent == miss.id
    assert asked.attributes["http.response.status_code"] == 200
    assert served.parent == asked.id
    assert served.state == "vendor=1"
    assert batch.parent == served.id
    assert batch.links == [(TRACE, served.id)]
    assert model.parent == batch.id
    assert model.attributes["vernier.model"] == "text-embedding"
    assert model.attributes["vernier.provider"] == "CPUExecutionProvider"
    assert model.attributes["vernier.batch_size"] == 1
    assert {"vernier.version"} <= model.attributes.keys()
    waits = [span for span in spans if span.name == "queue"]
    assert served.id in {span.parent for span in waits}
    assert all(served.began <= span.began <= span.ended <= served.ended + 5_000_000 for span in [batch, model, *waits])
    assert not [span for span in collector.spans if span.failed]


def test_a_run_that_several_share_is_linked_to_each(collector: Collector) -> None:
    env = settings(collector, VERNIER_TEXT_BATCH_DELAY_S="1")
    with running("services.text", **env) as text, httpx.Client(base_url=text.address, timeout=60) as client:

        def ask(number: int) -> int:
            trace = {"traceparent": f"00-{number + 1:032x}-{PARENT}-01"}
            body = {"input": f"sentence {number}", "model": "text-embedding"}
            return client.post("/v1/embeddings", json=body, headers=trace).status_code

        with ThreadPoolExecutor(5) as pool:
            assert set(pool.map(ask, range(5))) == {200}
    joint = [span for span in collector.spans if span.name == "batch" and len(span.links) > 1]
    assert joint, "no two requests shared a run"
    servers = {(span.trace, span.id) for span in collector.spans if span.kind == "SERVER"}
    for batch in joint:
        assert set(batch.links) <= servers
        assert (batch.trace, batch.parent) in batch.links
        others = [s for s in collector.spans if s.name == "batch" and s.links == [(batch.trace, batch.id)]]
        assert {(span.trace, span.parent) for span in others} == set(batch.links) - {(batch.trace, batch.parent)}


def test_what_is_not_sampled_is_passed_on_as_such_and_kept_nowhere(collector: Collector) -> None:
    env = settings(collector)
    with running("tests.shared.echo", **env) as echo, gateway_before({"stats": echo.address}, **env) as gateway:
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
        assert httpx.post(f"{gateway.address}/sum", json={"x": [1]}, headers=headers).json() == {"sum": 1.0}
    assert {span.name for span in collector.spans} <= {"GET /openapi.json"}
    for process in (gateway, echo):
        (line,) = [line for line in process.lines if line["event"] == "request" and line["path"] == "/sum"]
        assert line["trace_id"] == TRACE
        assert line["span_id"] != PARENT


def test_a_service_that_is_away_leaves_a_span_that_failed(collector: Collector) -> None:
    env = settings(collector, VERNIER_GATEWAY_RESTART_PATIENCE_S="0.1")
    with running("tests.shared.echo") as echo, gateway_before({"stats": echo.address}, **env) as gateway:
        echo.stop()
        assert httpx.get(f"{gateway.address}/number?n=1&token=hush", headers=SAMPLED, timeout=60).status_code >= 502
    failed = [span for span in collector.spans if span.kind == "CLIENT"]
    assert failed
    assert all(span.failed and span.attributes["error.type"] == "UpstreamFailed" for span in failed)
    assert "hush" not in str(collector.spans)


def test_those_who_wait_for_the_same_answer_have_traces_of_their_own(collector: Collector) -> None:
    env = settings(collector)
    ready = threading.Barrier(8)
    with running("services.text", **env) as text, gateway_before({"text": text.address}, **env) as gateway:

        def ask(number: int) -> str:
            ready.wait()
            headers = {"traceparent": f"00-{number + 1:032x}-{PARENT}-01"}
            body = {"input": ["word " * 200] * 32, "model": "text-embedding"}
            answer = httpx.post(f"{gateway.address}/v1/embeddings", json=body, headers=headers, timeout=60)
            return answer.headers["x-cache-status"]

        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(ask, range(8)))
    assert statuses.count("MISS") == 1
    (asked,) = [span for span in collector.spans if span.kind == "CLIENT"]
    assert statuses[int(asked.trace, 16) - 1] == "MISS"
    waited = [span for span in collector.spans if span.name == "cache"]
    told = {int(span.trace, 16) - 1: span.attributes["vernier.status"] for span in waited}
    assert told == {number: status.lower() for number, status in enumerate(statuses)}


def test_a_job_goes_on_in_the_trace_of_whoever_asked_for_it(collector: Collector, tmp_path: Path) -> None:
    env = settings(collector)
    with running_redis(tmp_path) as (_, redis_url), running("services.stats", **env) as stats:
        more = {**env, "REDIS_URL": redis_url}
        with (
            running("gateway.jobs", VERNIER_JOBS_STATS_URL=stats.address, VERNIER_JOBS_SPEED_URL="",
                    VERNIER_JOBS_TEXT_URL="", **more),
            gateway_before({"stats": stats.address}, **more) as gateway,
        ):  # fmt: skip
            asked = {"prefer": "respond-async", **SAMPLED}
            job = httpx.post(f"{gateway.address}/v1/stats/trend", json={"series": [1, 2, 3]}, headers=asked)
            assert job.status_code == 202
            collector.await_spans(lambda spans: any(span.kind == "CONSUMER" for span in spans), "the job's span")
    spans = [span for span in collector.spans if span.trace == TRACE]
    taken = pick(spans, "vernier-gateway", "POST /v1/stats/trend", "SERVER")
    run = pick(spans, "vernier-jobs", "job trend", "CONSUMER")
    served = pick(spans, "vernier-stats", "POST /v1/stats/trend", "SERVER")
    assert taken.parent == PARENT
    assert run.parent == taken.id
    assert served.parent == run.id
    assert served.began >= taken.began


def test_a_websocket_is_a_span_on_either_side(collector: Collector) -> None:
    env = settings(collector)
    with (
        running("tests.gateway.chatter", **env) as chatter,
        gateway_before({"stats": chatter.address}, **env) as gateway,
    ):
        address = "ws" + gateway.address.removeprefix("http") + "/echo"
        with connect(address, proxy=None, additional_headers=SAMPLED, open_timeout=60) as socket:
            socket.send("hello")
            socket.recv(60)
    outer, inner = (
        pick([span for span in collector.spans if span.trace == TRACE], service, "GET /echo", "SERVER")
        for service in ("vernier-gateway", "vernier-chatter")
    )
    assert (outer.parent, inner.parent) == (PARENT, outer.id)
    assert outer.attributes["http.response.status_code"] == inner.attributes["http.response.status_code"] == 101


def test_without_traces_of_its_own_a_gateway_passes_the_callers_on(gateway: str, upstream: Upstream) -> None:  # noqa: ARG001
    told = httpx.post(f"{gateway}/echo", headers={**SAMPLED, "baggage": "a=1"}).json()["headers"]
    assert {name: value for name, value in told if name in {"traceparent", "tracestate", "baggage"}} == {
        **SAMPLED,
        "baggage": "a=1",
    }


def test_lines_of_cached_answers_name_the_callers_trace(upstream: Upstream) -> None:
    with gateway_before({"stats": upstream.url}) as gateway:
        statuses = [
            httpx.post(f"{gateway.address}/pure", content=b"x", headers=SAMPLED).headers["x-cache-status"]
            for _ in range(2)
        ]
        accept = {"accept": "application/openmetrics-text"}
        told = httpx.get(f"{gateway.address}/metrics", headers=accept).text
    assert statuses == ["MISS", "HIT"]
    lines = [line for line in gateway.lines if line["event"] == "request" and line["path"] == "/pure"]
    assert [(line["trace_id"], line["span_id"]) for line in lines] == [(TRACE, PARENT)] * 2
    assert len({line["request_id"] for line in lines}) == 2
    assert 'http_route="/pure",le="' in told
    assert f'# {{trace_id="{TRACE}"}}' in told
