import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Histogram
from prometheus_client.core import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from shared.metrics import OUTCOMES, SECONDS, Metrics

REQUESTS = "http_server_request_duration_seconds"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def family(metrics: Metrics, name: str) -> Metric:
    found = {each.name: each for each in text_string_to_metric_families(metrics.exposition().decode())}
    return found[name]


def openmetrics_families(metrics: Metrics) -> dict[str, Metric]:
    text = metrics.openmetrics().decode()
    return {each.name: each for each in openmetrics.text_string_to_metric_families(text)}  # type: ignore[no-untyped-call]


def test_a_made_up_method_makes_no_series_of_its_own() -> None:
    metrics = Metrics()
    for method in ("BREW", "PROPFIND", "GET"):
        metrics.observe_request(method, "/x", 200, 0.1)
    samples = [
        (sample.labels["http_request_method"], sample.value)
        for sample in family(metrics, REQUESTS).samples
        if sample.name == f"{REQUESTS}_count"
    ]
    assert sorted(samples) == [("GET", 1.0), ("_OTHER", 2.0)]


def test_two_processes_in_one_interpreter_do_not_mix() -> None:
    one, other = Metrics(), Metrics()
    one.model("speed").outcomes["ok"].inc()
    other.model("speed")
    labels = {"model": "speed", "outcome": "ok"}
    assert one.registry.get_sample_value("inference_requests_total", labels) == 1
    assert other.registry.get_sample_value("inference_requests_total", labels) == 0


@given(st.lists(st.floats(0, 100) | st.sampled_from(SECONDS), max_size=30))
def test_requests_fall_into_the_buckets_of_the_library_s_own_histogram(seconds: list[float]) -> None:
    metrics = Metrics()
    twin = Histogram("twin", "x", buckets=SECONDS, registry=None)
    metrics.requests.of("GET", "/x", 200)
    for each in seconds:
        metrics.observe_request("GET", "/x", 200, each)
        twin.observe(each)

    def values(samples: list[Sample]) -> list[tuple[str, str | None, Any]]:
        return [(each.name.rpartition("_")[2], each.labels.get("le"), pytest.approx(each.value)) for each in samples]

    ours = next(iter(metrics.requests.collect())).samples
    theirs = next(iter(twin.collect())).samples
    assert values(ours) == [(each.name.rpartition("_")[2], each.labels.get("le"), each.value) for each in theirs]


def test_both_expositions_read_back() -> None:
    metrics = Metrics()
    metrics.observe_request("GET", "/x", 200, 0.003, TRACE)
    metrics.counted("things", "Things, so far", lambda: 3)
    metrics.model("speed").queue_seconds.observe(0.2)
    metrics.loaded("speed", "1.0.0", "ab", "CPUExecutionProvider")
    plain = {each.name: each for each in text_string_to_metric_families(metrics.exposition().decode())}
    open_ = openmetrics_families(metrics)
    assert plain.keys() == open_.keys()
    assert plain["things"].samples[0][:3] == ("things_total", {}, 3.0)
    assert all(each.documentation for each in open_.values())


def test_a_sampled_request_leaves_its_trace_in_its_bucket() -> None:
    metrics = Metrics()
    metrics.observe_request("GET", "/x", 200, 0.003, TRACE)
    metrics.observe_request("GET", "/x", 200, 0.03)
    kept = {s.labels["le"]: s.exemplar for s in openmetrics_families(metrics)[REQUESTS].samples if s.exemplar}
    assert {bound: (each.labels, each.value) for bound, each in kept.items()} == {"0.005": ({"trace_id": TRACE}, 0.003)}
    assert "# {" not in metrics.exposition().decode()


def test_outcomes_of_a_model_are_counted_from_zero() -> None:
    metrics = Metrics()
    metrics.model("speed")
    counted = {
        s.labels["outcome"]: s.value for s in family(metrics, "inference_requests").samples if s.labels.get("model")
    }
    assert counted == dict.fromkeys(OUTCOMES, 0.0)


def test_what_belongs_to_no_model_has_no_model_label() -> None:
    metrics = Metrics()
    metrics.model().queue_depth.set(2)
    assert re.search(rb"^inference_queue_depth 2.0$", metrics.exposition(), re.MULTILINE)


def test_an_unloaded_model_leaves_no_series() -> None:
    metrics = Metrics()
    for version in ("1", "2"):
        metrics.loaded("speed", version, "ab", "CPUExecutionProvider")
    metrics.unloaded("speed", "1")
    for name in ("model_info", "model_ready"):
        assert [sample.labels["version"] for sample in family(metrics, name).samples] == ["2"]
