"""The compiled filter against the one in shared/, published values and two libraries."""

from math import inf
from pathlib import Path

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter as FilterPy
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.tsa.statespace.structural import UnobservedComponents

from services.stats.kalman.filtering import Way, advance, estimate, unknown
from services.stats.kalman.kernels.step import FloatArray
from shared.errors import Unprocessable
from shared.kalman import Kind, Motion, Noise, run, smooth
from tests.services.stats.kalman.peers import nile, walks, with_gaps

MODELS: list[tuple[Kind, Noise]] = [
    ("level", "continuous"),
    ("velocity", "continuous"),
    ("velocity", "discrete"),
    ("acceleration", "continuous"),
    ("acceleration", "discrete"),
]
LEVEL = Motion("level", 1469.1)


def same(found: FloatArray, wanted: FloatArray, within: float) -> bool:
    """NaN and infinite in the same places, elsewhere equal to a share of the largest."""
    finite = np.isfinite(wanted)
    unknown = np.array_equal(found[~finite], wanted[~finite], equal_nan=True)
    largest = float(np.max(np.abs(wanted[finite]), initial=1e-300))
    return unknown and bool(np.all(np.abs(found[finite] - wanted[finite]) <= within * largest))


@pytest.mark.parametrize(("kind", "noise"), MODELS)
@pytest.mark.parametrize("gate", [inf, 4.0])
@pytest.mark.parametrize("late", [0, 7])
def test_equations_are_those_of_the_shared_filter(kind: Kind, noise: Noise, gate: float, late: int) -> None:
    """To 1e-12. What later measurements take off a variance is a difference, and digits go where three of them close
    together leave the acceleration all but open: there the two smoothers lose different ones."""
    z, time, r = walks(3, 50, seed=late)
    z[:, :late] = np.nan
    motion = Motion(kind, 0.4, noise)
    start = unknown(3, motion.size)
    filtered = estimate(motion, z, r, time, gate=gate, states=start)
    smoothed = estimate(motion, z, r, time, gate=gate, way="smooth", states=start)
    for i in range(3):
        forth = run(motion, z[i], r[i], time, gate=gate)
        back = smooth(forth)
        assert same(filtered.mean[:, i], forth.mean.T, 1e-12)
        assert same(filtered.sd[:, i], forth.sd.T, 1e-12)
        assert same(smoothed.mean[:, i], back.mean.T, 1e-9 if kind == "acceleration" else 1e-11)
        assert same(smoothed.sd[:, i], back.sd.T, 1e-5 if kind == "acceleration" else 1e-9)
        assert filtered.loglik[i] == pytest.approx(forth.loglik, rel=1e-12)
        for found in (filtered, smoothed):
            assert same(found.innovation[i], forth.innovation, 1e-12)
            assert same(found.nis[i], forth.nis, 1e-11)
            assert np.array_equal(found.used[i], forth.used)
    assert np.array_equal(filtered.loglik, smoothed.loglik)


@pytest.mark.parametrize("unit", [1e-9, 1e9])
@pytest.mark.parametrize("kind", ["velocity", "acceleration"])
@pytest.mark.parametrize("way", ["filter", "smooth"])
def test_a_unit_of_time_costs_no_digits(kind: Kind, unit: float, way: Way) -> None:
    """A diffuse start in the unit of another scale would: of dt^2, 1 is no part that a double keeps."""
    z, time, r = walks(1, 40, seed=2)
    motion = Motion(kind, 0.4)
    found = estimate(motion, z, r, time, way=way)
    other = estimate(motion, z, r, time * unit, way=way, q=0.4 / unit ** (2 * motion.size - 1))
    units = float(unit) ** np.arange(motion.size)[:, None, None]
    assert other.mean * units == pytest.approx(found.mean, rel=1e-7, abs=1e-7, nan_ok=True)
    assert other.sd * units == pytest.approx(found.sd, rel=1e-6)
    assert other.nis == pytest.approx(found.nis, rel=1e-7, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("series", [1, 7, 8, 63, 64, 65, 150])
@pytest.mark.parametrize(("kind", "noise"), MODELS[::2])
def test_side_by_side_is_one_by_one(series: int, kind: Kind, noise: Noise) -> None:
    """Bit for bit but for the sum of logarithms; over scales at which products of variances leave a double's range."""
    z, time, r = walks(series, 70)
    rng = np.random.default_rng(1)
    size = 10 ** rng.uniform(-25, 25, (series, 1))
    z, r, q = z * size, r * size**2, size[:, 0] ** 2 * 0.3
    z[series // 2, :69] = np.nan
    z[series // 3] = np.nan
    motion = Motion(kind, 1.0, noise)
    whole = estimate(motion, z, r, time, q=q, gate=9.0)
    ends = advance(motion, z, r, time, q=q, gate=9.0)
    assert np.array_equal(ends.states, whole.states)
    assert np.array_equal(ends.loglik, whole.loglik)
    for i in (0, series // 3, series // 2, series - 1):
        alone = estimate(motion, z[i : i + 1], r[i : i + 1], time, q=q[i], gate=9.0)
        for name in ("mean", "sd"):
            assert np.array_equal(getattr(whole, name)[:, i], getattr(alone, name)[:, 0], equal_nan=True)
        for name in ("innovation", "nis", "used", "states"):
            assert np.array_equal(getattr(whole, name)[i], getattr(alone, name)[0], equal_nan=True)
        assert whole.loglik[i] == pytest.approx(alone.loglik[0], rel=1e-12)


class TestNile:
    """The local level of Durbin and Koopman (variances 15099 and 1469.1), exact diffuse: statsmodels' figures."""

    def test_whole(self, data: Path) -> None:
        z, time = nile(data)[None], np.arange(100.0)
        f = estimate(LEVEL, z, 15099.0, time)
        s = estimate(LEVEL, z, 15099.0, time, way="smooth")
        assert f.loglik[0] == pytest.approx(-633.464563648878371, rel=1e-13)  # summed in 40 digits
        levels = f.mean[0, 0, [0, 1, 2, 99]]
        assert levels == pytest.approx([1120, 1140.92783993, 1072.79852953, 798.37029261], rel=1e-11)
        variances = f.sd[0, 0, [0, 1, 2, 99]] ** 2
        assert variances == pytest.approx([15099, 7899.7363794, 5781.4699387, 4032.1579418], rel=1e-11)
        assert s.mean[0, 0, 0] == pytest.approx(1111.66831913, rel=1e-11)
        assert s.sd[0, 0, 0] ** 2 == pytest.approx(4032.15794181, rel=1e-11)

    def test_years_missing(self, data: Path) -> None:
        z, time = with_gaps(nile(data))[None], np.arange(100.0)
        f = estimate(LEVEL, z, 15099.0, time)
        s = estimate(LEVEL, z, 15099.0, time, way="smooth")
        assert f.loglik[0] == pytest.approx(-381.5060013085083, rel=1e-13)
        assert f.mean[0, 0, 39] == pytest.approx(1026.1415550709821, rel=1e-13)
        assert f.sd[0, 0, 39] ** 2 == pytest.approx(33414.19616, abs=5e-6)
        assert s.mean[0, 0, 30] == pytest.approx(893.7919448454977, rel=1e-13)
        assert s.sd[0, 0, 30] ** 2 == pytest.approx(9715.00555, abs=5e-6)

    @pytest.mark.parametrize("gaps", [False, True])
    def test_trend_against_statsmodels(self, data: Path, gaps: bool) -> None:
        z = with_gaps(nile(data)) if gaps else nile(data)
        motion = Motion("velocity", 25.0, "discrete")
        peer = UnobservedComponents(z, "local linear trend", use_exact_diffuse=True)
        peer.update([15099.0, 1.0, 1.0])
        peer["state_cov"] = motion.process_noise(1.0)
        peer["selection"] = np.eye(2)
        wanted = peer.ssm.smooth()
        f = estimate(motion, z[None], 15099.0, np.arange(100.0))
        s = estimate(motion, z[None], 15099.0, np.arange(100.0), way="smooth")
        assert f.loglik[0] == pytest.approx(wanted.llf, rel=1e-12)
        assert f.mean[:, 0, 1:] == pytest.approx(wanted.filtered_state[:, 1:], rel=1e-9)
        assert s.mean[:, 0] == pytest.approx(wanted.smoothed_state, rel=1e-9, abs=1e-9)
        assert s.sd[:, 0] ** 2 == pytest.approx(np.diagonal(wanted.smoothed_state_cov).T, rel=1e-8)


def test_against_filterpy() -> None:
    """From the same sixth state on: the same recursion by others, over 200 irregular steps."""
    z, time, r = walks(1, 206, seed=5)
    motion = Motion("velocity", 0.7)
    begun = estimate(motion, z[:, :6], r[:, :6], time[:6])
    assert np.isfinite(begun.sd[:, 0, -1]).all()
    mean, p = begun.states[0, :2], begun.states[0, [3, 4, 4, 6]].reshape(2, 2)
    peer = FilterPy(2, 1)
    peer.x, peer.P, peer.H = mean.reshape(2, 1).copy(), p.copy(), np.eye(1, 2)
    wanted = []
    for k in range(6, 206):
        dt = float(time[k] - time[k - 1])
        peer.predict(F=motion.transition(dt), Q=motion.process_noise(dt))
        peer.update(None if np.isnan(z[0, k]) else z[0, k], R=r[0, k])
        wanted.append([*peer.x[:, 0], *np.sqrt(np.diag(peer.P))])
    rest = estimate(motion, z[:, 6:], r[:, 6:], time[6:], states=begun.states, since=float(time[5]))
    found = np.vstack([rest.mean[:, 0], rest.sd[:, 0]]).T
    assert found == pytest.approx(np.array(wanted), rel=1e-11)


def test_steady_gain() -> None:
    """dt 1, q 0.01 in the dt^4/4 form, r 1: the gain settles at exactly [0.36, 0.08]."""
    ends = advance(Motion("velocity", 0.01, "discrete"), np.zeros((1, 300)), 1.0, np.arange(300.0))
    assert ends.states[0, 3:5] == pytest.approx([0.36, 0.08], rel=1e-13)


@pytest.mark.parametrize(("kind", "noise"), MODELS)
def test_a_series_in_parts_is_the_series(kind: Kind, noise: Noise) -> None:
    """To the bit: what a stream does."""
    z, time, r = walks(2, 40, seed=3)
    motion = Motion(kind, 0.2, noise)
    whole = estimate(motion, z, r, time, states=unknown(2, motion.size))
    states, since, means, loglik = unknown(2, motion.size), None, [], np.zeros(2)
    for cut in (slice(0, 1), slice(1, 2), slice(2, 17), slice(17, 40)):
        part = estimate(motion, z[:, cut], r[:, cut], time[cut], states=states, since=since)
        states, since = part.states, float(time[cut][-1])
        means.append(part.mean)
        loglik += part.loglik
    assert np.array_equal(np.concatenate(means, axis=2), whole.mean, equal_nan=True)
    assert np.array_equal(states, whole.states)
    assert loglik == pytest.approx(whole.loglik, rel=1e-13)


@given(
    seed=st.integers(0, 10_000), shift=st.floats(-1e4, 1e4), scale=st.floats(0.01, 100.0), model=st.sampled_from(MODELS)
)
def test_laws(seed: int, shift: float, scale: float, model: tuple[Kind, Noise]) -> None:
    """Another origin or unit of the measurements changes the answer as it should; hindsight never widens."""
    z, time, r = walks(1, 30, seed)
    motion = Motion(model[0], 0.4, model[1])
    f, s = (estimate(motion, z, r, time, way=way) for way in ("filter", "smooth"))
    assert (s.sd <= f.sd * (1 + 1e-6)).all()
    moved = estimate(motion, z * scale + shift, r * scale**2, time, q=0.4 * scale**2)
    origin = np.array([shift, 0.0, 0.0])[: motion.size, None, None]
    tolerance = 1e-8 * (1 + abs(shift) + scale * 100)
    assert moved.mean == pytest.approx(f.mean * scale + origin, nan_ok=True, rel=1e-8, abs=tolerance)
    assert moved.sd == pytest.approx(f.sd * scale, rel=1e-9)
    assert moved.nis == pytest.approx(f.nis, nan_ok=True, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("way", ["filter", "smooth"])
def test_nothing_measured_tells_nothing(way: Way) -> None:
    for series in (1, 20):
        found = estimate(Motion("acceleration"), np.full((series, 5), np.nan), 1.0, np.arange(5.0), way=way)
        assert np.isnan(found.mean).all()
        assert np.isinf(found.sd).all()
        assert (found.loglik == 0).all()
        assert not found.used.any()


def test_refusals() -> None:
    z, time = np.zeros((2, 3)), np.arange(3.0)
    with pytest.raises(ValueError, match="backwards"):
        estimate(LEVEL, z, 1.0, time[::-1])
    with pytest.raises(ValueError, match="do not fit"):
        estimate(LEVEL, z, np.ones((3, 1)), time)
    for r in (0.0, -1.0, inf, np.nan):
        with pytest.raises(ValueError, match="above 0"):
            estimate(LEVEL, z, r, time)
    with pytest.raises(ValueError, match="0 or more"):
        estimate(LEVEL, z, 1.0, time, q=-1.0)
    with pytest.raises(Unprocessable, match="/time has a step so long"):
        estimate(Motion("acceleration"), z, 1.0, time * 1e60)
