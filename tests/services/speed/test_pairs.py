"""Pairs of frames through one scheduler."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from services.speed.camera import PRESETS, Attitude, ground_homography
from services.speed.estimator import TILT_DECIMALS
from services.speed.pairs import FURTHER, OUTPUTS, BatchedGraph, Feeds
from shared.metrics import Metrics
from shared.onnx import ModelError, OnnxModel
from tests.polling import until
from tests.services.speed import clips
from tests.services.speed.models import FOLDER, without_seconds, write_folder

WIDTH = len(OUTPUTS) + len(FURTHER)


def pair(seed: int, width: int = 160, height: int = 96) -> Feeds:
    camera = PRESETS["kitti"].scaled(width, height)
    frames = clips.pictures(seed + 2, width, height)
    homography = ground_homography(camera, Attitude(0.01 * seed))[None].astype(np.float32)
    return {
        "previous": frames[seed][None],
        "current": frames[seed + 1][None],
        "previous_homography": homography,
        "current_homography": homography,
        "seconds": np.array([0.1], np.float32),
    }


def used(answer: Sequence[NDArray[Any]]) -> list[Any]:
    """Speed and sd as they are, which the graph rounds; the tilts to the decimals that the mount is told."""
    columns = [*answer[: len(OUTPUTS)], *(np.round(each, TILT_DECIMALS) for each in answer[len(OUTPUTS) : WIDTH])]
    return [column.tolist() for column in columns]


@pytest.fixture(scope="module")
def graph() -> OnnxModel:
    return OnnxModel.load(FOLDER, threads=1)


@pytest.fixture
def batched(graph: OnnxModel) -> Iterator[BatchedGraph]:
    it = BatchedGraph(graph, pixels_per_run=1 << 20, slots=1, metrics=Metrics())
    yield it
    it.batcher.close()


def test_a_pair_is_measured_alike_alone_and_in_company(graph: OnnxModel, batched: BatchedGraph) -> None:
    """To the last digit that is used: what the cache keeps may not depend on who asked at the same time."""
    pairs = [pair(seed) for seed in range(5)]
    alone = [used(graph.run(each)) for each in pairs]
    assert [used(each) for each in batched.run_all(pairs)] == alone
    assert [used(batched.run(each)) for each in pairs] == alone


class Held(BatchedGraph):
    """Waits in its first run until told to go on; `runs` are the sizes of the frames of each."""

    def __init__(self, graph: OnnxModel) -> None:
        self.inside, self.go = threading.Event(), threading.Event()
        self.runs: list[list[tuple[int, ...]]] = []
        super().__init__(graph, pixels_per_run=1 << 20, slots=1, metrics=Metrics())

    def run_all(self, pairs: Sequence[Feeds]) -> list[list[NDArray[Any]]]:
        self.inside.set()
        assert self.go.wait(60)
        self.runs.append([each["previous"].shape[1:] for each in pairs])
        return super().run_all(pairs)


def test_videos_measured_at_once_share_runs_with_those_of_their_size(graph: OnnxModel) -> None:
    pairs = [pair(seed, *((160, 96) if seed % 2 else (128, 80))) for seed in range(7)]
    held = Held(graph)
    with ThreadPoolExecutor(len(pairs)) as pool:
        first = pool.submit(held.run, pairs[0])
        assert held.inside.wait(60)
        rest = [pool.submit(held.run, each) for each in pairs[1:]]
        until(lambda: held.batcher.admission.waiting == sum(each["previous"].size for each in pairs[1:]), "all queue")
        held.go.set()
        found = [each.result(60) for each in [first, *rest]]
    held.batcher.close()
    assert held.runs[0] == [(80, 128)]
    assert sorted(held.runs[1:]) == [[(80, 128)] * 3, [(96, 160)] * 3]
    for given, answer in zip(pairs, found, strict=True):
        assert used(answer) == used(graph.run(given))


def test_the_tilt_of_the_road_comes_with_the_speed(graph: OnnxModel, batched: BatchedGraph) -> None:
    speed, sd, tilt, tilt_sd = batched.run(pair(1))
    outputs = dict(zip(graph.outputs, graph.run(pair(1)), strict=True))
    assert speed.shape == sd.shape == (1,)
    assert np.array_equal(tilt, outputs["tilt_rad"])
    assert np.array_equal(tilt_sd, outputs["tilt_sd_rad"])
    assert tilt.shape == tilt_sd.shape == (1, 2)


def test_a_pair_larger_than_a_run_runs_alone(graph: OnnxModel) -> None:
    small = BatchedGraph(graph, pixels_per_run=100, slots=1, metrics=Metrics())
    assert len(small.run(pair(0))) == WIDTH
    small.batcher.close()


def test_another_graph_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, without_seconds(), "1.0.0")
    with pytest.raises(ModelError, match=r"it must have previous \(uint8\).*seconds \(float\)"):
        BatchedGraph(OnnxModel.load(tmp_path), pixels_per_run=100, slots=1, metrics=Metrics())
