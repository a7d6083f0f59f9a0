"""The causal track, frame by frame: what it follows, what it does not, and what it says of its own error."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.speed.live import GATE, LiveTrack
from services.speed.scene import Trouble
from services.speed.smoothing import smooth_speeds
from shared.kalman import Array

STEPS = st.lists(st.floats(0.01, 0.5), min_size=2, max_size=25)
FPS = 10


def track(
    speed: Callable[[float], float], count: int, *, sd: float = 0.1, seed: int | None = 0
) -> tuple[LiveTrack, Array]:
    """After `count` frames of a car at `speed(time)`, measured between frames; speeds and sds [count, 2]."""
    live = LiveTrack()
    draw = np.random.default_rng(seed)
    rows = []
    for k in range(count):
        noise = 0.0 if seed is None else draw.normal(0, sd / 2)
        raw = np.nan if k == 0 else speed((k - 0.5) / FPS) + noise
        rows.append(live.push(k / FPS, raw, sd))
    return live, np.array(rows)


@settings(deadline=None, max_examples=50)
@given(STEPS, st.integers(0, 2**32 - 1), st.floats(0, 0.5))
def test_a_file_gets_the_same_numbers(steps: list[float], seed: int, gaps: float) -> None:
    draw = np.random.default_rng(seed)
    time_s = np.cumsum(steps)
    raw = draw.normal(10, 5, len(steps))
    sd = draw.uniform(0, 2, len(steps))
    raw[draw.random(len(steps)) < gaps] = np.nan
    raw[0] = np.nan
    troubles = [Trouble.cut if np.isnan(value) and draw.random() < 0.3 else None for value in raw]
    live = LiveTrack()
    found = np.array([live.push(*row) for row in zip(time_s, raw, sd, troubles, strict=True)])
    whole = smooth_speeds(time_s, raw, sd, "kalman", troubles)
    said = np.isfinite(found[:, 0])
    said[: int(np.argmax(said)) + 1] = False
    assert found[said, 0] == pytest.approx(whole.speed_mps[said], rel=1e-12)
    assert found[said, 1] == pytest.approx(whole.sd_mps[said], rel=1e-12)


def test_a_car_that_stands_does_not_reverse_by_noise() -> None:
    _, rows = track(lambda _: -0.01, 20, sd=0.5, seed=None)
    assert np.isnan(rows[0, 0])
    assert rows[1:, 0].min() == 0.0


def test_a_car_that_reverses_is_below_0() -> None:
    _, rows = track(lambda _: -3.0, 20, seed=None)
    assert rows[-1, 0] == pytest.approx(-3.0, abs=0.2)


@pytest.mark.parametrize("wrong", [25.0, 0.0, -8.0])
@pytest.mark.parametrize("count", [1, 3])
def test_an_outlier_is_not_followed_but_doubted(wrong: float, count: int) -> None:
    live, rows = track(lambda _: 10.0, 40)
    for k in range(40, 40 + count):
        speed, sd = live.push(k / FPS, wrong, 0.1)
        assert speed == pytest.approx(10.0, abs=1.0)
        assert abs(speed - wrong) < 3 * sd
    speed, sd = live.push(4.0 + count / FPS, 10.0, 0.1)
    assert speed == pytest.approx(10.0, abs=0.3)
    assert sd < 1.5 * rows[-1, 1]


def test_outliers_that_do_not_agree_with_each_other_are_never_followed() -> None:
    live, _ = track(lambda _: 10.0, 40)
    draw = np.random.default_rng(1)
    for k in range(40, 60):
        speed, sd = live.push(k / FPS, draw.choice([0.0, 20.0, 30.0]) if k % 2 else 45.0, 0.1)
        assert abs(speed - 10) < 2 * sd


@pytest.mark.parametrize("after", [0.0, 4.0, 30.0])
def test_measurements_that_agree_are_believed_within_a_second(after: float) -> None:
    live, rows = track(lambda _: 12.0, 40)
    found = np.array([live.push(k / FPS, after, 0.1) for k in range(40, 60)])
    assert found[-1, 0] == pytest.approx(after, abs=0.1)
    assert found[10:, 0] == pytest.approx(after, abs=0.5)
    assert (np.abs(found[:, 0] - after) < 3 * found[:, 1]).all()
    assert found[-1, 1] < 1.5 * rows[-1, 1]


def test_the_first_measurement_may_be_the_outlier() -> None:
    live = LiveTrack()
    live.push(0.0, np.nan, 0.1)
    live.push(0.1, 30.0, 0.1)
    found = np.array([live.push(0.1 * k, 5.0, 0.1) for k in range(2, 6)])
    assert found[1:, 0] == pytest.approx(5.0, abs=0.5)


def test_after_a_cut_it_begins_anew() -> None:
    live, rows = track(lambda _: 12.0, 40)
    speed, sd = live.push(4.0, np.nan, np.nan, Trouble.cut)
    assert sd > 8
    for k in (41, 42):
        speed, sd = live.push(k / FPS, 3.0, 0.1)
        assert speed == pytest.approx(3.0, abs=0.1)
    assert sd < 2 * rows[-1, 1]


def test_without_a_measurement_the_sd_grows_and_after_a_gap_any_speed_is_taken() -> None:
    live, rows = track(lambda _: 12.0, 40)
    deviations = [live.push(4.0 + 0.1 * k, np.nan, np.nan)[1] for k in range(100)]
    assert (np.diff([rows[-1, 1], *deviations]) > 0).all()
    assert deviations[-1] > 4
    live.push(30.0, np.nan, np.nan)
    assert live.push(30.1, 2.0, 0.1)[0] == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("braking", [4.0, 8.0])
def test_hard_braking_is_followed_at_once(braking: float) -> None:
    """Never more than two frames' worth behind, and within what the gate allows of the sd that is said."""
    live, _ = track(lambda _: 25.0, 40)
    for k in range(40, 60):
        time_s = k / FPS
        speed, sd = live.push(time_s, 25 - braking * max(0.0, time_s - 4.05), 0.1)
        behind = speed - (25 - braking * (time_s - 4.0))
        assert abs(behind) < max(0.2 * braking + 0.1, 0.5)
        assert abs(behind) < GATE * sd
    assert abs(behind) < 0.1


def test_a_stop_is_held_at_0_and_let_go_at_once() -> None:
    def drive(time_s: float) -> float:
        return max(0.0, 6 - 2 * time_s) if time_s < 10 else 2 * (time_s - 10)

    live = LiveTrack()
    draw = np.random.default_rng(3)
    found = []
    for k in range(130):
        middle = (k - 0.5) / FPS
        true = drive(middle)
        raw = np.nan if k == 0 else 0.0 if true == 0 else true + draw.normal(0, 0.05)
        found.append(live.push(k / FPS, raw, 0.03 if true == 0 else 0.15)[0])
    speeds = np.array(found)
    truth = np.array([drive(k / FPS) for k in range(130)])
    assert np.abs(speeds[35:100]).max() < 0.02
    assert np.abs(speeds[31:] - truth[31:]).max() < 0.45
    assert np.abs(speeds[105:] - truth[105:]).max() < 0.2


def test_state_goes_on_elsewhere() -> None:
    live, _ = track(lambda _: 12.0, 40)
    live.push(4.0, 30.0, 0.1)
    other = LiveTrack.restored(json.loads(json.dumps(live.state())))
    for k in range(1, 30):
        after = 4.0 + k / FPS
        assert other.push(after, 30.0, 0.1) == live.push(after, 30.0, 0.1)


def test_state_before_anything_was_measured_goes_on_too() -> None:
    live = LiveTrack()
    live.push(0.0, np.nan, np.nan)
    other = LiveTrack.restored(json.loads(json.dumps(live.state())))
    assert other.push(0.1, 5.0, 0.1) == live.push(0.1, 5.0, 0.1)


@pytest.mark.parametrize("broken", [{}, {"mean": [1, 2], "covariance": [], "clock": 0}, {"mean": "x"}, {"clock": None}])
def test_a_state_that_is_none_is_refused(broken: dict[str, object]) -> None:
    state = track(lambda _: 12.0, 5)[0].state()
    with pytest.raises(ValueError, match="state"):
        LiveTrack.restored({**state, **broken} if broken else {})
