"""What the cache did and how long its looks took: counted on the event loop alone, without locks, since every cached
answer is counted."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from prometheus_client.core import Metric
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

RESULTS = ("hit", "miss", "coalesced", "bypass", "error")
LAYERS = ("memory", "redis")
BOUNDS = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)
"""Seconds: a look into the process takes some microseconds, one into Redis at most the time it is given."""


class Durations:
    """A histogram's counts and sum."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    def cumulated(self) -> Sequence[tuple[str, float]]:
        total, buckets = 0, []
        for bound, count in zip((*BOUNDS, float("inf")), self.counts, strict=True):
            total += count
            buckets.append(("+Inf" if bound == float("inf") else repr(bound), float(total)))
        return buckets


class Tally(Collector):
    """`cache_requests` and `cache_lookup_duration_seconds`."""

    def __init__(self) -> None:
        self.results = dict.fromkeys(RESULTS, 0)
        self.memory, self.redis = Durations(), Durations()

    @contextmanager
    def expecting(self) -> Iterator[None]:
        """Around what should give an answer."""
        try:
            yield
        except BaseException:
            self.results["error"] += 1
            raise

    def collect(self) -> Iterable[Metric]:
        what = f"Requests by what the cache did: {', '.join(RESULTS)} (there was no answer)"
        results = CounterMetricFamily("cache_requests", what, labels=("result",))
        for result, count in self.results.items():
            results.add_metric([result], count)
        yield results
        lookups = HistogramMetricFamily(
            "cache_lookup_duration_seconds", "Time of a look into a layer", labels=("layer",)
        )
        for layer, seen in zip(LAYERS, (self.memory, self.redis), strict=True):
            lookups.add_metric([layer], seen.cumulated(), seen.seconds)
        yield lookups
