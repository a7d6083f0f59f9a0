"""A dash-cam clip with a known speed: an ordinary street, straight and flat, seen by a known camera that shakes a
little. Scenes of every kind are drawn by `services.speed.rendering.chance`."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from services.speed.camera import Camera
from services.speed.rendering.drive import Manner
from services.speed.rendering.furnish import Surroundings, furnish, panorama, traffic
from services.speed.rendering.ground import Ground, Look, surface
from services.speed.rendering.lens import Lens
from services.speed.rendering.road import FLAT, Road
from services.speed.rendering.scene import Scene

Grey = NDArray[np.uint8]
Floats = NDArray[np.floating[Any]]

TOP_SPEED_MPS = 13.0
SHAKE_RAD = 0.002


def render_clip(path: Path, *, seconds: float, fps: float, seed: int, camera: Camera) -> Floats:
    """Writes an mp4 to `path` and its truth (frame, time_s, speed_mps) to the csv beside it; returns the speeds [T] in
    m/s. The car starts from a stand, drives and stops again. The codec
    drops the last column or row of an odd size. Raises OSError where the video cannot be written."""
    time = np.arange(round(seconds * fps)) / fps
    speed = speed_profile(time, seed)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (camera.width, camera.height), False)
    if not writer.isOpened():
        raise OSError(f"cannot write video to {path}")
    for frame in render_frames(time, speed, seed, camera):
        writer.write(frame)
    writer.release()
    rows = np.column_stack([np.arange(len(time)), time, speed])
    np.savetxt(
        path.with_suffix(".csv"), rows, ("%d", "%.6f", "%.4f"), ",", header="frame,time_s,speed_mps", comments=""
    )
    return speed


def speed_profile(time_s: Floats, seed: int) -> Floats:
    """Speeds [T] in m/s that begin and end at 0 over the given times; no more than 2.5 m/s^2 either way."""
    draw = np.random.default_rng(seed)
    length = max(float(time_s[-1]), 1e-9)
    share = time_s / length
    ramp = np.clip(np.minimum(share, 1 - share) / 0.45 - 0.1, 0, 1)
    wave = 1 - 0.05 * (1 + np.sin(2 * np.pi * (1.5 * share + draw.random())))
    top = min(TOP_SPEED_MPS, 0.65 * length)
    return np.asarray(top * wave * (3 * ramp**2 - 2 * ramp**3))


def render_frames(time_s: Floats, speed_mps: Floats, seed: int, camera: Camera) -> Iterator[Grey]:
    """One uint8 [height, width] frame for each of the times [T]."""
    length = float((np.diff(time_s) * np.maximum(speed_mps[1:], speed_mps[:-1])).sum())
    for frame, _ in street(seed, length).film(camera, time_s, speed_mps, seed):
        yield frame


def street(seed: int, length_m: float) -> Scene:
    """An ordinary street at least `length_m` long: houses, hedges, trees and parked cars, now and then one that
    comes towards us."""
    draw = np.random.default_rng(seed)
    road = Road(FLAT, length_m)
    phase = draw.uniform(0, 2 * np.pi, 2)
    shake = [np.array([[SHAKE_RAD, period, at]]) for period, at in zip((0.77, 1.4), phase, strict=True)]
    around = Surroundings(houses=0.35, walls=0.35, trees=5.0, posts=3.0, parked=1.0, nearest_m=6.4)
    return Scene(
        road,
        _paved(seed),
        Manner(lane_m=1.7, pitch=shake[0], roll=shake[1]),
        Lens(gain=1.2, vignette=0.2),
        furnish(road, around, draw),
        panorama(draw, 225.0, 60.0),
        traffic(draw, 1.8, 1 + round(length_m / 150), leader=False),
    )


@lru_cache(maxsize=4)
def _paved(seed: int) -> Ground:
    return Ground(surface(Look(shade=0.35, shade_m=0.5), np.random.default_rng(seed)))
