"""The track that is made of raw speeds: what it promises of each smoothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.speed import smoothing as module
from services.speed.live import ACCELERATION_S, ACCELERATION_SD, FAST, FAST_S, SLOW, SLOW_S
from services.speed.scene import Trouble
from services.speed.smoothing import Smoothing, smooth_speeds
from shared.kalman import Array, GaussMarkov, Model, Singer

ALL: list[Smoothing] = ["kalman", "rts", "none"]


def drawn(model: Model, time: Array, start: Array, draw: np.random.Generator) -> Array:
    """[T, n] one course of a state."""
    states = [start]
    for dt in np.diff(time):
        noise = np.linalg.cholesky(model.process_noise(dt) + 1e-15 * np.eye(model.size))
        states.append(model.transition(dt) @ states[-1] + noise @ draw.normal(size=model.size))
    return np.array(states)


def drive(seed: int = 0, length: int = 400, noise: float = 0.4) -> tuple[Array, Array, Array, Array]:
    """Times, true speeds, measured ones (the first frame has none) and their sd, as the filter takes a car and its
    measurements to be.

    Each is compared with the frame 0.1 s before, so what is measured is the speed half-way between.
    """
    draw = np.random.default_rng(seed)
    fine = np.arange(2 * length - 1, dtype=float) * 0.05
    car = Singer(ACCELERATION_SD, ACCELERATION_S)
    true = 60 + drawn(car, fine, np.array([0.0, draw.normal(0, ACCELERATION_SD)]), draw)[:, 0]
    middles = fine[1::2]
    sd = noise * np.exp(0.3 * np.sin(np.arange(length)))
    error = np.sqrt(1 - FAST - SLOW) * draw.normal(size=length - 1)
    for share, memory in ((FAST, FAST_S), (SLOW, SLOW_S)):
        error += np.sqrt(share) * drawn(GaussMarkov(1, memory), middles, draw.normal(size=1), draw)[:, 0]
    raw = np.concatenate([[np.nan], true[1::2] + sd[1:] * error])
    return fine[::2], true[::2], raw, np.concatenate([[np.nan], sd[1:]])


def rmse(a: Array, b: Array) -> float:
    return float(np.sqrt(np.mean((a - b) ** 2)))


def test_smoothing_pays() -> None:
    """Eight drives that are as the filter assumes: earlier frames help a frame, later ones help it more."""
    errors = dict.fromkeys(ALL, 0.0)
    for seed in range(8):
        time, true, raw, sd = drive(seed)
        for each in ALL:
            errors[each] += rmse(smooth_speeds(time, raw, sd, each).speed_mps, true) / 8
    assert errors["kalman"] < 0.9 * errors["none"]
    assert errors["rts"] < 0.8 * errors["kalman"]


@pytest.mark.parametrize("smoothing", ["kalman", "rts"])
def test_the_truth_lies_within_1_sd_in_68_and_within_2_sd_in_95_of_100_frames(smoothing: Smoothing) -> None:
    """Twelve drives of 40 s whose errors forget themselves within about half a second: the share within 1 sd is known
    to sqrt(0.68 * 0.32 / 960) = 0.015, that within 2 sd to 0.007; three times that is allowed."""
    off = []
    for seed in range(12):
        time, true, raw, sd = drive(100 + seed)
        track = smooth_speeds(time, raw, sd, smoothing)
        off.append(np.abs(track.speed_mps - true) / track.sd_mps)
    shares = [float((np.concatenate(off) < limit).mean()) for limit in (1, 2)]
    assert shares == [pytest.approx(0.683, abs=0.045), pytest.approx(0.954, abs=0.021)]


@pytest.mark.parametrize("smoothing", ["kalman", "rts"])
def test_an_outlier_now_and_then_costs_little(smoothing: Smoothing) -> None:
    time, true, raw, sd = drive(5)
    clean = smooth_speeds(time, raw, sd, smoothing)
    hit = raw.copy()
    hit[20::37] += np.where(np.arange(len(hit[20::37])) % 2, 12.0, -15.0)
    track = smooth_speeds(time, hit, sd, smoothing)
    assert rmse(track.speed_mps, true) < 1.25 * rmse(clean.speed_mps, true)
    assert (np.abs(track.speed_mps - true) < 4 * track.sd_mps).all()


def test_a_leap_that_holds_is_seen_from_its_beginning_by_all_frames() -> None:
    time = np.arange(120, dtype=float) * 0.1
    true = np.where(time < 5.95, 20.0, 6.0)
    raw = true + np.random.default_rng(0).normal(0, 0.05, 120)
    raw[0] = np.nan
    track = smooth_speeds(time, raw, np.full(120, 0.1), "rts")
    away = np.abs(time - 5.95) > 0.15
    assert track.speed_mps[away] == pytest.approx(true[away], abs=0.3)


@pytest.mark.parametrize("smoothing", ["kalman", "rts"])
def test_a_cut_parts_two_tracks(smoothing: Smoothing) -> None:
    time = np.arange(60, dtype=float) * 0.1
    raw = np.where(time < 2.95, 20.0, 6.0)
    raw[[0, 30]] = np.nan
    troubles: list[Trouble | None] = [None] * 60
    troubles[0], troubles[30] = Trouble.first, Trouble.cut
    track = smooth_speeds(time, raw, np.full(60, 0.1), smoothing, troubles)
    assert track.speed_mps[:30] == pytest.approx(20.0, abs=0.1)
    assert track.speed_mps[31:] == pytest.approx(6.0, abs=0.1)


def test_a_long_track_smoothed_in_pieces_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    time, _, raw, sd = drive(7)
    raw[100:140] = np.nan
    whole = smooth_speeds(time, raw, sd, "rts")
    monkeypatch.setattr(module, "PIECE", 150)
    monkeypatch.setattr(module, "LATER", 300)
    pieces = smooth_speeds(time, raw, sd, "rts")
    assert pieces.speed_mps == pytest.approx(whole.speed_mps, rel=1e-6)
    assert pieces.sd_mps == pytest.approx(whole.sd_mps, rel=1e-6)


@pytest.mark.parametrize("smoothing", ALL)
def test_every_frame_gets_a_number(smoothing: Smoothing) -> None:
    time, _, raw, sd = drive(length=60)
    raw[20:30] = np.nan
    track = smooth_speeds(time, raw, sd, smoothing)
    assert np.isfinite(track.speed_mps).all()
    assert (track.sd_mps > 0).all()
    assert track.sd_mps[25] > 1.1 * track.sd_mps[18]
    assert track.sd_mps[0] > track.sd_mps[2]


@pytest.mark.parametrize("smoothing", ["kalman", "rts"])
@pytest.mark.parametrize("fps", [4.0, 10.0, 30.0])
def test_braking_is_not_late(smoothing: Smoothing, fps: float) -> None:
    """3 m/s^2 for 4 s, measured without error between pairs: each frame's speed within 0.05 m/s once it has settled,
    where a measurement that was taken for its frame's own would be 0.15 m/s late, at 4 frames a second 0.37."""
    time = np.arange(int(4 * fps), dtype=float) / fps
    raw = 20 - 3 * (time - max(0.1, 1 / fps) / 2)
    raw[0] = np.nan
    track = smooth_speeds(time, raw, np.full(len(time), 0.05), smoothing)
    settled = time > 2
    assert track.speed_mps[settled] == pytest.approx(20 - 3 * time[settled], abs=0.05)


def test_kalman_knows_no_later_frame() -> None:
    time, _, raw, sd = drive(length=50)
    whole = smooth_speeds(time, raw, sd, "kalman")
    part = smooth_speeds(time[:20], raw[:20], sd[:20], "kalman")
    assert part.speed_mps == pytest.approx(whole.speed_mps[:20], rel=1e-12)
    assert part.sd_mps == pytest.approx(whole.sd_mps[:20], rel=1e-12)


def test_none_repeats_the_measurements() -> None:
    time = np.array([0.0, 0.1, 0.19, 0.3, 0.5])
    raw = np.array([np.nan, 5.0, np.nan, 7.0, np.nan])
    track = smooth_speeds(time, raw, np.full(5, 0.3), "none")
    assert track.speed_mps.tolist() == [5, 5, 5, 7, 7]
    assert track.sd_mps == pytest.approx(np.hypot(0.3, ACCELERATION_SD * np.array([0.1, 0, 0.09, 0, 0.2])))


def test_nothing_measured() -> None:
    nothing = np.full(4, np.nan)
    for each in ALL:
        assert np.isnan(smooth_speeds(np.arange(4, dtype=float), nothing, nothing, each).speed_mps).all()


@pytest.mark.parametrize("smoothing", ALL)
def test_a_stop_is_a_stop(smoothing: Smoothing) -> None:
    """Braking to a stand: no noise makes it reverse, and it is 0 within three sd once it stands."""
    time = np.arange(80, dtype=float) * 0.1
    true = np.maximum(0, 8 - 2.5 * time)
    raw = true + np.random.default_rng(2).normal(0, 0.2, 80)
    raw[0] = np.nan
    track = smooth_speeds(time, raw, np.full(80, 0.2), smoothing)
    assert (track.speed_mps >= 0).all()
    assert (track.speed_mps[50:] < 3 * np.maximum(track.sd_mps[50:], 0.2)).all()


@pytest.mark.parametrize("smoothing", ALL)
def test_reversing_is_said(smoothing: Smoothing) -> None:
    time = np.arange(40, dtype=float) * 0.1
    track = smooth_speeds(time, np.full(40, -1.5), np.full(40, 0.2), smoothing)
    assert track.speed_mps[5:] == pytest.approx(-1.5)


@given(st.lists(st.floats(0, 60) | st.just(float("nan")), min_size=2, max_size=40), st.sampled_from(ALL))
def test_laws(values: list[float], smoothing: Smoothing) -> None:
    raw = np.array(values)
    track = smooth_speeds(np.arange(len(raw), dtype=float) * 0.05, raw, np.full(len(raw), 0.2), smoothing)
    assert track.speed_mps.shape == track.sd_mps.shape == raw.shape
    if np.isfinite(raw).any():
        assert ((track.speed_mps >= 0) | (track.speed_mps < -3 * track.sd_mps)).all()
        assert (track.sd_mps > 0).all()
        assert np.isfinite(track.sd_mps).all()


def test_a_sharper_measurement_weighs_more() -> None:
    time = np.array([0.0, 0.05])
    for sd, near in ((0.05, 12.0), (5.0, 10.0)):
        track = smooth_speeds(time, np.array([10.0, 12.0]), np.array([0.5, sd]), "kalman")
        assert track.speed_mps[1] == pytest.approx(near, abs=0.3)


@pytest.mark.parametrize("smoothing", ALL)
@pytest.mark.parametrize("gap", [1e-9, 60.0, 1e6, 1e15, 1e307])
def test_any_gap_is_survived(smoothing: Smoothing, gap: float) -> None:
    """However long it was, a car is no faster than cars are."""
    time = gap * np.arange(4, dtype=np.float64)
    track = smooth_speeds(time, np.array([np.nan, 5.0, np.nan, 7.0]), np.full(4, 0.2), smoothing)
    assert np.isfinite(track.speed_mps).all()
    assert track.sd_mps[1:].max() < 100
    assert 4 < track.speed_mps[-1] < 7.1
