"""Clips with their measured speed, and the pairs of frames that the model learns from."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from services.speed.camera import PRESETS, Attitude, Camera, Matrix
from services.speed.mount import Mount
from services.speed.rendering.chance import random_clip
from services.speed.rendering.road import Floats
from services.speed.rotation import motion

HELD_OUT = (0.55, 0.70)
"""The share of each training clip, by time, that early stopping is judged on."""
GAP_FRAMES = 15
SKIPS = (1, 2, 3)
UNTOLD_SD = 1.0
"""Radians: the mount is told the speed, but no graph has seen a roll yet."""


@dataclass(frozen=True)
class Clip:
    """A video with its truth: `frames` uint8 [T, H, W], `time_s` and `speed_mps` [T]; where it was rendered also the
    road's `planes` as each of the frames sees it."""

    name: str
    frames: NDArray[np.uint8]
    time_s: Floats
    speed_mps: Floats
    camera: Camera
    planes: tuple[Attitude, ...] | None = None

    @property
    def drive(self) -> str:
        """The drive that the clip is cut from: the second part of its name."""
        return self.name.split("_")[1]


@dataclass(frozen=True)
class Pair:
    """Two frames of one clip by their indices, the rotation from the later's axes to the earlier's, the attitude of the
    later frame, what is believed of it at least, and the distance driven between them."""

    clip: Clip
    earlier: int
    later: int
    rotation: Matrix
    attitude: Attitude
    seconds: float
    metres: float

    @property
    def plane(self) -> Attitude:
        """The true attitude of the later frame where it is known, else what is believed of it."""
        planes = self.clip.planes
        return self.attitude if planes is None else planes[self.later]


def load_clip(video: Path, camera: Camera | None = None) -> Clip:
    """Reads `video` and the csv beside it (frame, time_s, speed_mps). The camera is the preset of the clip's drive,
    "odom03" meaning "kitti-03", unless one is given. Raises ValueError where frames and rows differ in number."""
    truth = np.genfromtxt(video.with_suffix(".csv"), delimiter=",", names=True)
    frames = np.stack(list(_grey(video)))
    if len(frames) != len(truth):
        raise ValueError(f"{video.name} has {len(frames)} frames and its csv {len(truth)} rows")
    if camera is None:
        camera = PRESETS["kitti-" + video.stem.split("_")[1].removeprefix("odom")]
    camera = camera.scaled(frames.shape[2], frames.shape[1])
    return Clip(video.stem, frames, truth["time_s"], truth["speed_mps"], camera)


def _grey(video: Path) -> Iterator[NDArray[np.uint8]]:
    capture = cv2.VideoCapture(str(video))
    while True:
        there, frame = capture.read()
        if not there:
            capture.release()
            return
        yield cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY).astype(np.uint8)


def load_clips(folder: Path, prefix: str) -> list[Clip]:
    """The clips of `folder` whose names begin with `prefix`. Raises FileNotFoundError where there are none."""
    videos = sorted(folder.glob(f"{prefix}*.mp4"))
    if not videos:
        raise FileNotFoundError(f"no {prefix}*.mp4 in {folder}")
    return [load_clip(video) for video in videos]


def rendered(count: int, seed: int, length: int = 40, fps: float = 10.0, rough: float = 1.0) -> list[Clip]:
    """Rendered clips of `length` frames, each with a road, a camera and speeds of its own; `rough` as `random_clip` has
    it."""
    clips = []
    for index, each in enumerate(np.random.default_rng(seed).integers(2**31, size=count)):
        filmed = random_clip(int(each), length, fps, rough=rough)
        time, speed = (np.array([getattr(t, name) for t in filmed.truth]) for name in ("time_s", "speed_mps"))
        planes = tuple(t.attitude for t in filmed.truth)
        clips.append(Clip(f"rendered_{index}", filmed.frames, time, speed, filmed.camera, planes))
    return clips


def pairs_of(clip: Clip, skips: tuple[int, ...] = SKIPS) -> list[Pair]:
    """All pairs `skips` frames apart, in order of time. Distances integrate the measured speed (trapezoids)."""
    mount = Mount(clip.camera)
    steps = np.diff(clip.time_s) * (clip.speed_mps[1:] + clip.speed_mps[:-1]) / 2
    travelled = np.concatenate([[0.0], np.cumsum(steps)])
    pairs: list[Pair] = []
    turned: list[Matrix] = [np.eye(3)]
    risen: list[float] = [0.0]
    for later in range(1, len(clip.frames)):
        moved = motion(clip.frames[later - 1], clip.frames[later], clip.camera, mount.ahead)
        attitude = mount.update(moved, float(clip.time_s[later] - clip.time_s[later - 1]))
        mount.observe(attitude, float(clip.speed_mps[later]), np.zeros(2), UNTOLD_SD)
        turned.append(mount.rotation)
        risen.append(attitude.rise_m)
        rotation = np.eye(3)
        for skip in range(1, max(skips) + 1):
            earlier = later - skip
            if earlier < 0:
                break
            rotation = turned[earlier + 1] @ rotation
            if skip in skips:
                seconds = float(clip.time_s[later] - clip.time_s[earlier])
                metres = float(travelled[later] - travelled[earlier])
                whole = replace(attitude, rise_m=sum(risen[earlier + 1 :]))
                pairs.append(Pair(clip, earlier, later, rotation, whole, seconds, metres))
    return pairs


def split(pairs: list[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Training and held-out pairs: one block of time of each clip is held out, with a gap on both sides."""
    training, held_out = [], []
    for pair in pairs:
        count = len(pair.clip.frames)
        first, last = round(HELD_OUT[0] * count), round(HELD_OUT[1] * count)
        if first <= pair.earlier and pair.later < last:
            held_out.append(pair)
        elif pair.later < first - GAP_FRAMES or pair.earlier >= last + GAP_FRAMES:
            training.append(pair)
    return training, held_out
