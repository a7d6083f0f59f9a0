"""What the served path makes of whole clips: the exported graph, the estimator, the smoothing that the service uses."""

from dataclasses import dataclass
from pathlib import Path
from time import process_time

import numpy as np

from services.speed.estimator import Estimator, Frame
from services.speed.smoothing import smooth_speeds
from services.speed.training.data import Clip
from services.speed.views import GIVEN_SD
from shared.kalman import Array
from shared.onnx import OnnxModel

WINDOW_S = 5.0
THREADS = 2
"""Pairs of one clip that are worked on side by side; the figures do not depend on it."""


@dataclass(frozen=True)
class Course:
    """Speeds of one clip, one entry a frame [T], m/s: the truth, what was measured with its standard deviation (NaN
    where nothing was), and the tracks that the service makes of it, the causal one with its standard deviation as an
    answer for a known camera states it."""

    time_s: Array
    truth: Array
    raw: Array
    sd: Array
    kalman: Array
    kalman_sd: Array
    rts: Array

    def off(self, factor: float = 1.0) -> Array:
        """Errors of the measured frames in standard deviations, these multiplied by `factor` before they are stated."""
        seen = np.isfinite(self.raw) & np.isfinite(self.sd)
        return np.asarray((self.raw - self.truth)[seen] / stated(self.raw, factor * self.sd)[seen])

    def worst(self, window_s: float = WINDOW_S) -> tuple[float, float]:
        """Where the window begins in which the causal track errs most, and its root mean squared error there, m/s."""
        squares = np.concatenate([[0.0], np.cumsum((self.kalman - self.truth) ** 2)])
        last = np.searchsorted(self.time_s, self.time_s + window_s)
        full = self.time_s + window_s <= self.time_s[-1]
        full[0] = True
        mean = np.where(full, (squares[last] - squares[:-1]) / (last - np.arange(len(last))), -1.0)
        return float(self.time_s[mean.argmax()]), float(np.sqrt(mean.max()))


@dataclass(frozen=True)
class Score:
    """Errors of one clip against its truth: mean squared in (m/s)^2, `bias` of the raw speeds in m/s, shares of the raw
    errors and of the causal track's within one and two standard deviations as they are stated; `frames_per_s` of
    processor time on the machine that ran it."""

    clip: str
    frames: int
    mse_raw: float
    mse_kalman: float
    mse_rts: float
    bias: float
    within_1sd: float
    within_2sd: float
    kalman_within_1sd: float
    kalman_within_2sd: float
    frames_per_s: float
    course: Course


def stated(speed: Array, sd: Array) -> Array:
    """The standard deviations as an answer for a known camera has them: with what is not known of its height."""
    return np.hypot(sd, GIVEN_SD * np.abs(speed))


def evaluate(folder: Path, clips: list[Clip]) -> list[Score]:
    """Scores the model in `folder` on each clip."""
    estimator = Estimator(OnnxModel.load(folder, providers=["cpu"]), threads=THREADS)
    return [score(estimator, clip) for clip in clips]


def score(estimator: Estimator, clip: Clip) -> Score:
    """The first frame, which has no measurement, is scored after smoothing only."""
    frames = (Frame(float(t), grey) for t, grey in zip(clip.time_s, clip.frames, strict=True))
    start = process_time()
    rows = [(m.speed_mps, m.sd_mps) for m in estimator.measure(frames, clip.camera)]
    elapsed = process_time() - start
    raw, sd = np.array(rows, float).T
    return scored(clip, raw, sd, len(rows) / elapsed)


def scored(clip: Clip, raw: Array, sd: Array, frames_per_s: float) -> Score:
    """The score of raw speeds [T] with their standard deviations, NaN where nothing was measured."""
    time_s, truth = clip.time_s.astype(np.float64), clip.speed_mps.astype(np.float64)
    kalman, rts = (smooth_speeds(time_s, raw, sd, each) for each in ("kalman", "rts"))
    kalman_sd = stated(kalman.speed_mps, kalman.sd_mps)
    course = Course(time_s, truth, raw, sd, kalman.speed_mps, kalman_sd, rts.speed_mps)
    error = (raw - truth)[np.isfinite(raw)]
    smooth_off = (course.kalman - truth) / course.kalman_sd
    return Score(
        clip=clip.name,
        frames=len(raw),
        mse_raw=float((error**2).mean()),
        mse_kalman=float(((course.kalman - truth) ** 2).mean()),
        mse_rts=float(((course.rts - truth) ** 2).mean()),
        bias=float(error.mean()),
        within_1sd=float((np.abs(course.off()) < 1).mean()),
        within_2sd=float((np.abs(course.off()) < 2).mean()),
        kalman_within_1sd=float((np.abs(smooth_off) < 1).mean()),
        kalman_within_2sd=float((np.abs(smooth_off) < 2).mean()),
        frames_per_s=frames_per_s,
        course=course,
    )
