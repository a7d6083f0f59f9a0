"""Drives through rendered scenes by cameras of which nothing is told: does the stated sd cover the truth?"""

import numpy as np
import pytest
from numpy.typing import NDArray

from services.speed.camera import Camera
from services.speed.estimator import Estimator, Frame
from services.speed.rendering.chance import random_scene
from services.speed.smoothing import smooth_speeds
from services.speed.views import FOCALS, HEIGHTS_M, View
from shared.onnx import OnnxModel
from tests.services.speed.models import FOLDER

CLIPS, FRAMES, FPS = 20, 9, 10.0
WIDTH, HEIGHT = 360, 200


def dash_cam(draw: np.random.Generator) -> Camera:
    return Camera(
        WIDTH * draw.uniform(*FOCALS), WIDTH / 2, HEIGHT / 2, draw.uniform(*HEIGHTS_M), 0.015 * draw.standard_normal(),
        WIDTH, HEIGHT,
    )  # fmt: skip


@pytest.fixture(scope="module")
def errors() -> NDArray[np.float64]:
    """[CLIPS, 2, 2] of the last frame of each clip, without and with its camera told: error and sd, as shares."""
    estimator = Estimator(OnnxModel.load(FOLDER, providers=["CPUExecutionProvider"]))
    draw = np.random.default_rng(4)
    rows: list[list[tuple[float, float]]] = []
    for _ in range(CLIPS):
        camera, time = dash_cam(draw), np.arange(FRAMES) / FPS
        speed = np.full(FRAMES, draw.uniform(6, 14))
        scene = random_scene(draw, float(time[-1] * speed[0]), float(speed[0]))
        frames = [grey for grey, _ in scene.film(camera, time, speed, int(draw.integers(2**31)))]
        told = View(None, camera.focal_px, camera.cx_px, camera.cy_px, camera.height_m, camera.pitch_rad)
        rows.append([])
        for view in (View(), told):
            used, _ = view.camera(WIDTH, HEIGHT)
            measured = list(estimator.measure((Frame(float(t), f) for t, f in zip(time, frames, strict=True)), used))
            raw, sd = np.array([(m.speed_mps, m.sd_mps) for m in measured]).T
            track = smooth_speeds(time, raw, sd, "kalman")
            widened = used.widened(track.speed_mps, track.sd_mps)
            rows[-1].append(((track.speed_mps[-1] - speed[-1]) / speed[-1], widened[-1] / speed[-1]))
    return np.array(rows)


def test_the_stated_sd_covers_cameras_of_which_nothing_is_told(errors: NDArray[np.float64]) -> None:
    """Of 20 clips 68 and 95 % are 13.6 and 19; as many as a normal leaves out in one case of a hundred may lie out, and
    an sd far too wide would show as all of them within one."""
    off = np.abs(errors[:, 0, 0]) / errors[:, 0, 1]
    assert 8 <= np.sum(off < 1) < CLIPS
    assert np.sum(off < 2) >= 17


def test_a_camera_that_is_told_is_measured_with_a_small_sd(errors: NDArray[np.float64]) -> None:
    unknown, told = np.median(np.abs(errors[..., 0]), axis=0)
    assert told < unknown / 2
    assert np.median(errors[:, 1, 1]) < np.median(errors[:, 0, 1]) / 2
    assert np.sum(np.abs(errors[:, 1, 0]) < 2 * errors[:, 1, 1]) >= 16


def test_a_frame_that_shows_no_near_road_is_measured_further_off() -> None:
    """Cropped below, the road begins 9 m ahead in place of 3. Looked for at 6 m all the same, it is found to stand
    nearly still: 1.2 m/s in place of 9."""
    estimator = Estimator(OnnxModel.load(FOLDER, providers=["CPUExecutionProvider"]))
    draw, time, speed = np.random.default_rng(3), np.arange(20) / FPS, np.full(20, 9.0)
    camera = Camera(0.58 * WIDTH, WIDTH / 2, HEIGHT / 2, 1.5, 0.0, WIDTH, HEIGHT)
    scene = random_scene(draw, float(time[-1] * speed[0]), float(speed[0]))
    rows = HEIGHT // 2 + 36
    cropped = camera.with_values(height=rows)
    assert cropped.unit_m == pytest.approx(1.02 * 1.5 * 0.58 * WIDTH / 35 / 6, rel=1e-6)
    frames = [
        Frame(float(t), grey[:rows]) for t, (grey, _) in zip(time, scene.film(camera, time, speed, 7), strict=True)
    ]
    found = np.array([m.speed_mps for m in estimator.measure(frames, cropped)])[5:]
    assert np.median(np.abs(found - 9)) < 0.9
