"""The track of what the served model measures: no worse than the measurements, and as sure as it says."""

from collections.abc import Callable

import numpy as np
import pytest

from services.speed.camera import PRESETS
from services.speed.estimator import Estimator, Frame
from services.speed.render import render_frames
from services.speed.smoothing import Smoothing, Track, smooth_speeds
from services.speed.training.data import Clip, load_clip
from shared.kalman import Array
from shared.onnx import OnnxModel
from tests.services.speed.drives import DRIVES, MODEL, needs_drives


def rendered() -> Clip:
    """A car that speeds up from 4 m/s to 9 and brakes to a stand, where it stays for two seconds."""
    time_s = np.arange(110, dtype=float) / 10
    speed = np.interp(time_s, [0, 3, 5, 9, 11], [4, 9, 9, 0, 0])
    camera = PRESETS["kitti"].scaled(620, 188)
    frames = np.stack(list(render_frames(time_s, speed, 11, camera)))
    return Clip("rendered", frames, time_s, speed, camera)


def recorded() -> Clip:
    return load_clip(DRIVES / "val_odom03_0640_0800.mp4")


@pytest.fixture(
    scope="module", params=[rendered, pytest.param(recorded, marks=needs_drives)], ids=["rendered", "recorded"]
)
def series(request: pytest.FixtureRequest) -> tuple[Array, Array, Array, Array]:
    """Times, true speeds, measured speeds and their sd, of all frames."""
    make: Callable[[], Clip] = request.param
    clip = make()
    estimator = Estimator(OnnxModel.load(MODEL))
    frames = (Frame(float(t), grey) for t, grey in zip(clip.time_s, clip.frames, strict=True))
    rows = np.array([(each.speed_mps, each.sd_mps) for each in estimator.measure(frames, clip.camera)])
    sd = clip.camera.widened(rows[:, 0], rows[:, 1])
    return clip.time_s.astype(np.float64), clip.speed_mps.astype(np.float64), rows[:, 0], sd


def of(series: tuple[Array, Array, Array, Array], smoothing: Smoothing) -> tuple[Track, Array]:
    """The track, and how far it is off."""
    time_s, true, raw, sd = series
    track = smooth_speeds(time_s, raw, sd, smoothing)
    return track, np.abs(track.speed_mps - true)


def test_what_came_before_helps_and_what_comes_after_helps_more(series: tuple[Array, Array, Array, Array]) -> None:
    """Errors of neighbouring frames hang together, so the gain is small on a clip of some seconds; it is no loss."""
    measured = np.isfinite(series[2])
    raw, causal, all_frames = (
        float((off[measured] ** 2).mean()) for _, off in (of(series, each) for each in ("none", "kalman", "rts"))
    )
    assert causal < 1.2 * raw + 0.002
    assert all_frames < causal
    assert causal < 0.3


def test_the_truth_lies_within_what_is_said(series: tuple[Array, Array, Array, Array]) -> None:
    """A clip of ten seconds holds about thirty independent errors, so 68 and 95 of 100 are known to 9 and 4 of 100; and
    a model may be surer of one road than of another."""
    track, off = of(series, "kalman")
    assert (off < track.sd_mps).mean() > 0.5
    assert (off < 2 * track.sd_mps).mean() > 0.85
    assert off.max() < 5 * track.sd_mps[int(np.argmax(off))]
    assert np.median(track.sd_mps) < 0.6


def test_a_stand_is_held(series: tuple[Array, Array, Array, Array]) -> None:
    track, _ = of(series, "kalman")
    stands = np.flatnonzero(series[1] == 0)[3:]
    if len(stands):
        assert track.speed_mps[stands].max() < 0.03
        assert np.diff(track.speed_mps[stands]).max(initial=0.0) < 0.01
