"""What a model has done since it was loaded, as Triton's statistics extension prints it.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_statistics.md
"""

import threading
import time
from typing import Any


class Tally:
    """How often, and how long in all."""

    __slots__ = ("count", "ns")

    def __init__(self) -> None:
        self.count = self.ns = 0

    def add(self, seconds: float, count: int = 1) -> None:
        self.count += count
        self.ns += int(seconds * 1e9)

    def document(self) -> dict[str, int]:
        return {"count": self.count, "ns": self.ns}


class Statistics:
    """`failures` by outcome: error, rejected, timeout, cancelled. Safe from any thread.

    A request is one submission, however many items it has; `inference_count` counts items, `execution_count` runs.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.success = Tally()
        self.failures: dict[str, Tally] = {}
        self.queue = Tally()
        self.compute_input = Tally()
        self.compute_infer = Tally()
        self.compute_output = Tally()
        self.runs_by_size: dict[int, Tally] = {}
        self.inference_count = 0
        self.execution_count = 0
        self.last_inference_ms = 0

    def ran(self, items: int, seconds: float) -> None:
        """One run of `items` that gave results."""
        with self._lock:
            self.execution_count += 1
            self.inference_count += items
            self.compute_infer.add(seconds)
            self.runs_by_size.setdefault(items, Tally()).add(seconds)
            self.last_inference_ms = int(time.time() * 1e3)

    def succeeded(self, seconds: float, queue_s: float) -> None:
        """One request, `seconds` from its arrival to its results, `queue_s` of them before its first run."""
        with self._lock:
            self.success.add(seconds)
            self.queue.add(queue_s)

    def failed(self, outcome: str, seconds: float) -> None:
        with self._lock:
            self.failures.setdefault(outcome, Tally()).add(seconds)

    def prepared(self, seconds: float) -> None:
        """One request's input made ready for the model, by its owner."""
        with self._lock:
            self.compute_input.add(seconds)

    def finished(self, seconds: float) -> None:
        """One request's results made into its answer, by its owner."""
        with self._lock:
            self.compute_output.add(seconds)

    def document(self, name: str, version: str) -> dict[str, Any]:
        """An entry of `model_stats`."""
        with self._lock:
            fail = Tally()
            for each in self.failures.values():
                fail.count += each.count
                fail.ns += each.ns
            return {
                "name": name,
                "version": version,
                "last_inference": self.last_inference_ms,
                "inference_count": self.inference_count,
                "execution_count": self.execution_count,
                "inference_stats": {
                    "success": self.success.document(),
                    "fail": fail.document(),
                    "queue": self.queue.document(),
                    "compute_input": self.compute_input.document(),
                    "compute_infer": self.compute_infer.document(),
                    "compute_output": self.compute_output.document(),
                    "cache_hit": Tally().document(),
                    "cache_miss": Tally().document(),
                },
                "batch_stats": [
                    {"batch_size": size, "compute_infer": tally.document()}
                    for size, tally in sorted(self.runs_by_size.items())
                ],
            }
