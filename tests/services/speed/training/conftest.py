import numpy as np
import pytest
import torch

from services.speed.camera import PRESETS
from services.speed.render import render_frames
from services.speed.training.augment import plain
from services.speed.training.data import Clip, Pair, pairs_of
from services.speed.training.examples import Examples, examples


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def clips() -> list[Clip]:
    """Two short clips of a flat street: a standing and a moving one."""
    camera, time = PRESETS["kitti"].scaled(620, 188), np.arange(14) / 10
    speeds = np.zeros(14), 11 + 3 * np.sin(time)
    return [
        Clip(f"rendered_{k}", np.stack(list(render_frames(time, speed, k, camera))), time, speed, camera)
        for k, speed in enumerate(speeds)
    ]


@pytest.fixture(scope="session")
def pairs(clips: list[Clip]) -> list[Pair]:
    return [pair for clip in clips for pair in pairs_of(clip, (1,))]


@pytest.fixture(scope="session")
def volumes(pairs: list[Pair]) -> Examples:
    return examples([plain(pair) for pair in pairs])
