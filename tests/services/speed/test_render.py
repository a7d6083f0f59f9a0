from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from services.speed.camera import PRESETS
from services.speed.estimator import Estimator, Frame
from services.speed.render import render_clip, render_frames, speed_profile
from shared.onnx import OnnxModel
from tests.services.speed.drives import MODEL

CAMERA = PRESETS["kitti"].scaled(620, 188)


def read(path: Path) -> list[NDArray[Any]]:
    video = cv2.VideoCapture(str(path))
    frames: list[NDArray[Any]] = []
    while (taken := video.read())[0]:
        frames.append(cv2.cvtColor(taken[1], cv2.COLOR_BGR2GRAY))
    return frames


@pytest.mark.parametrize(("name", "size"), [("kitti", (620, 188)), ("comma-eon", (480, 360))])
def test_the_model_reads_a_rendered_clip(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    camera = PRESETS[name].scaled(*size)
    truth = render_clip(tmp_path / "clip.mp4", seconds=5, fps=12, seed=1, camera=camera)
    table = np.genfromtxt(tmp_path / "clip.csv", delimiter=",", names=True)
    assert table.dtype.names == ("frame", "time_s", "speed_mps")
    assert table["speed_mps"] == pytest.approx(truth, abs=1e-4)
    frames = [Frame(float(t), g) for t, g in zip(table["time_s"], read(tmp_path / "clip.mp4"), strict=True)]
    model = OnnxModel.load(MODEL, providers=["CPUExecutionProvider"])
    raw = np.array([m.speed_mps for m in Estimator(model).measure(frames, camera)])
    assert ((raw - truth)[1:] ** 2).mean() < 0.1


def test_the_same_seed_renders_the_same_frames() -> None:
    time = np.arange(2) * 0.1
    one, same, other = (np.stack(list(render_frames(time, time, seed, CAMERA))) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_the_profile_stands_at_both_ends_and_accelerates_like_a_car() -> None:
    time = np.arange(400) / 20
    speed = speed_profile(time, 3)
    assert speed[0] == speed[-1] == 0
    assert speed.max() > 8
    assert np.abs(np.diff(speed) * 20).max() < 2.5


def test_a_path_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="cannot write video"):
        render_clip(tmp_path / "no" / "clip.mp4", seconds=1, fps=5, seed=0, camera=CAMERA)
