"""The speed model as the repository holds it: loaded off its folder, warm, one graph for every transport."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from prometheus_client import Counter

from services.speed import inference
from services.speed.camera import DEFAULT_CAMERA, PRESETS, Attitude, ground_homography
from services.speed.estimator import Estimator, Frame
from services.speed.pairs import BatchedGraph, Feeds
from services.speed.settings import SpeedSettings
from shared.context import current_context
from shared.inference.types import Array
from shared.metrics import Metrics
from shared.onnx import FAULTS, ModelError, OnnxModel, describe
from shared.providers import CPU
from shared.workers import Workers

WARM_UP_FRAMES = 3
WARM_UP_SIZES = ((620, 188), (640, 360), (640, 480))
"""Width and height of the frames most seen, reduced: KITTI's, 16:9 and 4:3."""


class SpeedModel:
    """`fastest_mps` is the highest speed that it was trained on."""

    inputs = inference.INPUTS
    outputs = inference.OUTPUTS

    def __init__(
        self, folder: Path, settings: SpeedSettings, workers: Workers, metrics: Metrics, frames: Counter
    ) -> None:
        """Raises ModelError for a folder that holds no such model."""
        graph = OnnxModel.load(folder, providers=settings.execution, threads=settings.onnx_threads)
        self.name, self.version, self.sha256, self.provider = graph.name, graph.version, graph.sha256, graph.provider
        self.fastest_mps = _fastest(folder)
        on_cpu = graph.provider == CPU
        slots = workers.threads if on_cpu else 1
        batched = BatchedGraph(graph, pixels_per_run=settings.pixels_per_run, slots=slots, metrics=metrics)
        self.batcher = batched.batcher
        self.estimator = Estimator(batched, workers.threads)
        self._limits = settings.limits
        self._max_images = settings.max_images
        self._workers = workers
        self._frames = frames
        try:
            warm_up(self.estimator)
            if not on_cpu:
                warm_up_batches(batched.run_all, settings.pixels_per_run)
        except FAULTS as error:
            self.close()
            raise ModelError(f"the graph in {folder} does not run: {error}") from None

    async def infer(self, inputs: Mapping[str, Array], parameters: Mapping[str, Any]) -> Mapping[str, Array]:
        context = current_context.get()
        check = context.check if context else lambda: None
        reader = inference.reader(inputs, parameters, self._limits, check, self._frames.inc)
        compute = partial(inference.infer, reader, self, inputs, self._max_images)
        return await self._workers.run(compute)

    def close(self) -> None:
        self.batcher.close()


def warm_up(estimator: Estimator) -> None:
    """Measures a texture that comes nearer, so that the first request does not pay for what is made once."""
    camera = PRESETS[DEFAULT_CAMERA].scaled(620, 188)
    noise = np.random.default_rng(0).integers(0, 256, (188, 620), np.uint8)
    texture = cv2.equalizeHist(cv2.GaussianBlur(noise, (0, 0), 2)).astype(np.uint8)
    for _ in estimator.measure((_nearer(texture, index) for index in range(WARM_UP_FRAMES)), camera):
        pass


def warm_up_batches(run_all: Callable[[Sequence[Feeds]], object], pixels_per_run: int) -> None:
    """Runs batches from the largest that a run may hold down to a pair, for the sizes of frame most seen: a GPU chooses
    its kernels, and TensorRT builds its engine, for each range of shapes that it meets."""
    for width, height in WARM_UP_SIZES:
        count = max(1, pixels_per_run // (width * height))
        pair = _pair(width, height)
        while count:
            run_all([pair] * count)
            count //= 2


def _pair(width: int, height: int) -> Feeds:
    noise = np.random.default_rng(0).integers(0, 256, (2, 1, height, width), np.uint8)
    road = ground_homography(PRESETS[DEFAULT_CAMERA].scaled(width, height), Attitude(0.0, 0.0))[None].astype(np.float32)
    return {
        "previous": noise[0],
        "current": noise[1],
        "previous_homography": road,
        "current_homography": road,
        "seconds": np.array([0.1], np.float32),
    }


def _nearer(texture: NDArray[np.uint8], index: int) -> Frame:
    height, width = texture.shape
    zoom = cv2.getRotationMatrix2D((width / 2, height / 2), 0, 1.03**index)
    return Frame(0.1 * index, cv2.warpAffine(texture, zoom, (width, height)).astype(np.uint8))


def _fastest(folder: Path) -> float:
    try:
        return float(describe(folder)["speeds_seen_mps"][1])
    except (KeyError, IndexError, TypeError, ValueError):
        raise ModelError(f"{folder / 'model.json'} lacks speeds_seen_mps, the lowest and the highest") from None
