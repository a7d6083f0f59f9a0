"""The metrics of a process, in a registry of its own; every label comes from a closed set."""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, exposition
from prometheus_client.core import Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

SECONDS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0,
)  # fmt: skip
"""OpenTelemetry's bounds for HTTP servers, finer below (a cached answer) and coarser above (a video)."""
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
PLAIN, OPENMETRICS = "text/plain", "application/openmetrics-text"
PARAMETERS = {PLAIN: "version=0.0.4", OPENMETRICS: "version=1.0.0"}
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
OUTCOMES = ("ok", "error", "rejected", "timeout", "cancelled")

disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """Names follow OpenTelemetry's HTTP conventions and, for models, those that serving dashboards expect."""

    def __init__(self) -> None:
        self.registry = _Registry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.requests = Requests()
        self.registry.register(self.requests)
        self.active_requests = self.gauge("http_server_active_requests", "Requests being answered")
        self._queue_seconds = self.histogram(
            "inference_queue_duration_seconds", "Time that a computation waited for its turn", ("model",)
        )
        self._compute_seconds = self.histogram(
            "inference_compute_duration_seconds", "Time that a computation took, of a whole batch where it is one",
            ("model",),
        )  # fmt: skip
        self._batch_size = self.histogram(
            "inference_batch_size", "Items computed at once", ("model",), buckets=BATCH_SIZES
        )
        self._queue_depth = self.gauge("inference_queue_depth", "Computations that wait for their turn", ("model",))
        self._outcomes = self.counter(
            "inference_requests",
            f"Computations by how they ended: {', '.join(OUTCOMES)}",
            ("model", "outcome"),
        )
        self.model_info = self.gauge(
            "model_info", "1 for each model that is loaded", ("model", "version", "sha256", "provider")
        )
        self.model_ready = self.gauge("model_ready", "1 while a model takes requests, else 0", ("model", "version"))
        self._models: dict[str, Inference] = {}

    def model(self, name: str = "") -> "Inference":
        """What is measured of one model; without a name, of what the process's threads compute besides."""
        known = self._models.get(name)
        if known is None:
            known = self._models[name] = Inference(self, name)
        return known

    def loaded(self, model: str, version: str, sha256: str, provider: str) -> None:
        self.model_info.labels(model, version, sha256, provider).set(1)
        self.model_ready.labels(model, version).set(1)

    def unloaded(self, model: str, version: str) -> None:
        for gauge in (self.model_info, self.model_ready):
            gauge.remove_by_labels({"model": model, "version": version})

    def counter(self, name: str, help_text: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(name, _help(help_text, labels), labels, registry=self.registry)

    def counted(self, name: str, help_text: str, count: Callable[[], float]) -> None:
        """A counter without labels that something else keeps: `count` is asked at every scrape."""
        self.registry.register(_Counted(name, help_text, count))

    def gauge(self, name: str, help_text: str, labels: tuple[str, ...] = ()) -> Gauge:
        return Gauge(name, _help(help_text, labels), labels, registry=self.registry)

    def histogram(
        self, name: str, help_text: str, labels: tuple[str, ...] = (), buckets: tuple[float, ...] = SECONDS
    ) -> Histogram:
        return Histogram(name, _help(help_text, labels), labels, buckets=buckets, registry=self.registry)

    def observe_request(
        self, method: str, route: str, status: int, seconds: float, trace_id: str | None = None
    ) -> None:
        """`trace_id` of a sampled trace, to lead from the histogram to it."""
        self.requests.of(method, route, status).observe(seconds, trace_id)

    @property
    def expositions(self) -> dict[str, Callable[[], bytes]]:
        """By media type; the first where a client does not care."""
        return {PLAIN: self.exposition, OPENMETRICS: self.openmetrics}

    def exposition(self) -> bytes:
        """Prometheus' text format, 0.0.4."""
        return exposition.generate_latest(self.registry)

    def openmetrics(self) -> bytes:
        """OpenMetrics 1.0.0, which has room for exemplars."""
        text: bytes = openmetrics.generate_latest(self.registry)  # type: ignore[no-untyped-call]
        return text


def _help(text: str, labels: tuple[str, ...]) -> str:
    """Names the labels, so that they can be known before the first series is there."""
    return f"{text}; by {', '.join(labels)}" if labels else text


class Inference:
    """The series of one model, there from the start so that the first event already makes a rate."""

    def __init__(self, metrics: Metrics, model: str) -> None:
        self.queue_seconds = metrics._queue_seconds.labels(model)
        self.compute_seconds = metrics._compute_seconds.labels(model)
        self.batch_size = metrics._batch_size.labels(model)
        self.queue_depth = metrics._queue_depth.labels(model)
        self.outcomes = {outcome: metrics._outcomes.labels(model, outcome) for outcome in OUTCOMES}


class _Counted(Collector):
    def __init__(self, name: str, help_text: str, count: Callable[[], float]) -> None:
        self._describe = name, help_text
        self._count = count

    def collect(self) -> Iterable[Metric]:
        yield CounterMetricFamily(*self._describe, value=self._count())


class RequestSeries:
    """Durations of the requests with one method, route and status."""

    __slots__ = ("counts", "exemplars", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.exemplars: list[Exemplar | None] = [None] * len(self.counts)
        self.seconds = 0.0

    def observe(self, seconds: float, trace_id: str | None = None) -> None:
        bucket = bisect_left(SECONDS, seconds)
        self.counts[bucket] += 1
        self.seconds += seconds
        if trace_id is not None:
            self.exemplars[bucket] = Exemplar({"trace_id": trace_id}, seconds, time.time())


class Requests(Collector):
    """The histogram `http_server_request_duration_seconds`, to be observed and collected on the event loop alone: it
    stands on the path of every cached answer, where the library's locks would be felt."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str, int], RequestSeries] = {}

    def of(self, method: str, route: str, status: int) -> RequestSeries:
        key = (method if method in METHODS else "_OTHER", route, status)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = RequestSeries()
        return series

    def collect(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(
            "http_server_request_duration_seconds",
            "Time from the request's head to its answer's end",
            labels=("http_request_method", "http_route", "http_response_status_code"),
        )
        for (method, route, status), series in self._series.items():
            buckets: Any = list(_buckets(series))
            family.add_metric([method, route, str(status)], buckets, series.seconds)
        yield family


def _buckets(series: RequestSeries) -> Iterator[tuple[str, int, Exemplar | None]]:
    total = 0
    for bound, count, exemplar in zip((*SECONDS, float("inf")), series.counts, series.exemplars, strict=True):
        total += count
        yield floatToGoString(bound), total, exemplar  # type: ignore[no-untyped-call]


class _Registry(CollectorRegistry):
    """An empty label is no label (so Prometheus reads it), and is not printed."""

    def collect(self) -> Iterator[Metric]:
        for family in super().collect():
            family.samples = [
                sample._replace(labels={name: value for name, value in sample.labels.items() if value})
                for sample in family.samples
            ]
            yield family
