"""The model's graph behind the process's one scheduler: pairs of frames, of whichever videos, share its runs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.batching import Batcher
from shared.metrics import Metrics
from shared.onnx import OnnxModel

Feeds = Mapping[str, NDArray[Any]]

INPUTS = {
    "previous": "uint8",
    "current": "uint8",
    "previous_homography": "float",
    "current_homography": "float",
    "seconds": "float",
}
OUTPUTS = {"speed_mps": "float", "sd_mps": "float"}
FURTHER = ("tilt_rad", "tilt_sd_rad")
"""Outputs that are handed on, after the others, where the graph has them all."""

NO_LIMIT = 1 << 62
"""A pair comes from a thread that measures a video and waits for it: the threads bound the queue, and a video that has
been admitted is not refused in its midst."""


class BatchedGraph:
    """What the estimator runs. Pairs of one size run together, up to `pixels_per_run` of them; a larger pair alone."""

    def __init__(self, graph: OnnxModel, *, pixels_per_run: int, slots: int, metrics: Metrics) -> None:
        graph.expect(INPUTS, OUTPUTS)
        self.name, self.version = graph.name, graph.version
        self._graph = graph
        names = [*OUTPUTS, *FURTHER] if set(FURTHER) <= set(graph.outputs) else list(OUTPUTS)
        self._columns = [graph.outputs.index(name) for name in names]
        self._most = pixels_per_run
        self.batcher: Batcher[Feeds, list[NDArray[Any]]] = Batcher(
            self.run_all,
            model=graph.name,
            version=graph.version,
            cost=self._cost,
            max_cost=pixels_per_run,
            slots=slots,
            max_queue_cost=NO_LIMIT,
            max_wait_s=float("inf"),
            metrics=metrics,
            group=lambda feeds: feeds["previous"].shape,
        )

    def run(self, feeds: Feeds, /) -> list[NDArray[Any]]:
        """Speed and its standard deviation of one pair, [1] each, and what is FURTHER; on a worker's thread."""
        return self.batcher.compute([feeds])[0]

    def run_all(self, pairs: Sequence[Feeds]) -> list[list[NDArray[Any]]]:
        """The same of several pairs of one size, in one pass."""
        if len(pairs) == 1:
            found = self._graph.run(pairs[0])
        else:
            found = self._graph.run({name: np.concatenate([each[name] for each in pairs]) for name in INPUTS})
        return [[found[column][row : row + 1] for column in self._columns] for row in range(len(pairs))]

    def _cost(self, feeds: Feeds) -> int:
        return min(feeds["previous"].size, self._most)
