"""Maximum likelihood against a general optimiser and published values."""

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

from services.stats.kalman.filtering import estimate
from services.stats.kalman.fitting import fit
from services.stats.kalman.kernels.step import FloatArray
from shared.kalman import Kind, Motion, Noise
from tests.services.stats.kalman.peers import nile, walks, with_gaps
from tests.services.stats.kalman.test_filtering import MODELS


def loglik(motion: Motion, z: FloatArray, time: FloatArray, q: float, r: float) -> float:
    return float(estimate(motion, z[None], r, time, q=q).loglik[0])


def test_nile(data: Path) -> None:
    """Durbin and Koopman's estimates are 15099 and 1469.1, to as many digits as they print."""
    found = fit(Motion("level"), nile(data)[None], np.arange(100.0))
    assert found.r[0] == pytest.approx(15099, abs=0.6)
    assert found.q[0] == pytest.approx(1469.1, abs=0.1)
    assert found.loglik[0] == pytest.approx(-633.4645636, abs=1e-7)
    assert found.loglik[0] > loglik(Motion("level"), nile(data), np.arange(100.0), 1469.1, 15099.0)
    assert not found.still[0]
    assert not found.noiseless[0]


@pytest.mark.parametrize(("kind", "noise"), MODELS)
def test_nothing_near_is_likelier(kind: Kind, noise: Noise) -> None:
    """Nelder and Mead's simplex, started there and elsewhere, finds nothing higher."""
    motion = Motion(kind, 1.0, noise)
    time = np.cumsum(np.random.default_rng(2).uniform(0.5, 1.5, 80))
    truth = Motion(kind, 0.3, noise)
    rng = np.random.default_rng(3)
    state, z = np.zeros(motion.size), np.empty(80)
    for k in range(80):
        dt = float(time[k] - time[k - 1]) if k else 0.0
        state = truth.transition(dt) @ state + rng.multivariate_normal(np.zeros(motion.size), truth.process_noise(dt))
        z[k] = state[0] + rng.normal(0, 0.7)
    z[30:40] = np.nan
    found = fit(motion, z[None], time)
    q, r = float(found.q[0]), float(found.r[0])
    assert loglik(motion, z, time, q, r) == pytest.approx(float(found.loglik[0]), rel=1e-12)
    for start in ([np.log(q), np.log(r)], [0.0, 0.0]):
        better = minimize(
            lambda p: -loglik(motion, z, time, float(np.exp(p[0])), float(np.exp(p[1]))),
            start, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-10},
        )  # fmt: skip
        assert -better.fun <= found.loglik[0] + 1e-8
    assert 0.1 < r / 0.49 < 10
    assert 0.03 < q / 0.3 < 30


def test_many_are_each_by_itself() -> None:
    z, time, _ = walks(70, 60)
    whole = fit(Motion("velocity"), z, time)
    for i in (0, 33, 69):
        alone = fit(Motion("velocity"), z[i : i + 1], time)
        # the maximum is flat: a unit in the last place of the likelihood is 1e-8 of its place
        assert whole.q[i] == pytest.approx(alone.q[0], rel=1e-5)
        assert whole.r[i] == pytest.approx(alone.r[0], rel=1e-5)
        assert whole.loglik[i] == pytest.approx(alone.loglik[0], rel=1e-11)


def test_what_is_given_is_kept(data: Path) -> None:
    z, time = with_gaps(nile(data))[None], np.arange(100.0)
    free = fit(Motion("level"), z, time)
    q, r = float(free.q[0]), float(free.r[0])
    by_r = fit(Motion("level"), z, time, r=r)
    by_q = fit(Motion("level"), z, time, q=q)
    assert by_r.r[0] == r
    assert by_r.q[0] == pytest.approx(q, rel=1e-5)
    assert by_q.q[0] == pytest.approx(q, rel=1e-14)
    assert by_q.r[0] == pytest.approx(r, rel=1e-5)
    assert fit(Motion("level"), z, time, r=2 * r).loglik[0] < free.loglik[0]


@pytest.mark.parametrize("unit", [1e-9, 1.0, 3600.0, 1e9])
@pytest.mark.parametrize("kind", ["level", "velocity", "acceleration"])
def test_a_unit_of_time_is_a_unit(kind: Kind, unit: float) -> None:
    z, time, _ = walks(1, 60, seed=4)
    power = 2 * Motion(kind).size - 1
    seconds, others = fit(Motion(kind), z, time), fit(Motion(kind), z, time * unit)
    # what is unknown at first, a velocity and an acceleration, has a unit of its own
    units = {"level": 0, "velocity": 1, "acceleration": 3}[kind] * np.log(unit)
    assert others.loglik[0] == pytest.approx(seconds.loglik[0] - units, rel=1e-9)
    assert others.r[0] == pytest.approx(seconds.r[0], rel=1e-4)
    assert others.q[0] * unit**power == pytest.approx(seconds.q[0], rel=1e-3)


def test_edges() -> None:
    rng = np.random.default_rng(5)
    time = np.arange(200.0)
    noise, walk = rng.normal(size=200), rng.normal(size=200).cumsum()
    found = fit(Motion("level"), np.stack([noise - 0.01 * time * 0, walk, time * 0 + 3]), time)
    assert found.noiseless.tolist()[1:] == [True, False]
    assert found.r[1] < 1e-6 * found.q[1]
    assert found.q[0] < 1e-3 * found.r[0]
    assert np.isnan(found.q[2])
    line = fit(Motion("velocity"), (2 + 3 * time + noise)[None], time)
    assert line.still[0] == (line.q[0] == 0)
    assert line.q[0] < 1e-4
    few = fit(Motion("velocity"), np.array([[1.0, np.nan, 2.0, 4.0]]), np.arange(4.0))
    assert np.isnan([few.q[0], few.r[0], few.loglik[0]]).all()


def test_progress_and_end() -> None:
    z, time, _ = walks(2, 20)
    shares: list[float] = []
    fit(Motion("level"), z, time, report=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)

    class Stopped(Exception):
        pass

    def stop() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        fit(Motion("level"), z, time, check=stop)


@pytest.mark.parametrize("kind", ["level", "velocity", "acceleration"])
@pytest.mark.parametrize("strength", [1e-6, 1e-2, 1e2])
@pytest.mark.parametrize("length", [8, 60])
def test_nothing_anywhere_is_likelier(kind: Kind, strength: float, length: int) -> None:
    """On a grid ten times as fine, over short and long series, whatever drives them: the highest of several maxima."""
    rng = np.random.default_rng(length)
    motion, series = Motion(kind, strength), 6
    time = np.cumsum(rng.uniform(0.5, 1.5, length))
    state, z = rng.normal(size=(series, motion.size)), np.empty((series, length))
    for k in range(length):
        if k:
            dt = float(time[k] - time[k - 1])
            noise = rng.multivariate_normal(np.zeros(motion.size), motion.process_noise(dt), series)
            state = state @ motion.transition(dt).T + noise
        z[:, k] = state[:, 0] + rng.normal(size=series)
    found = fit(Motion(kind), z, time)
    told = ~np.isnan(found.loglik)
    ratios = np.concatenate([[0.0], 10 ** np.linspace(-14, 7, 420)])
    settled = length - motion.size
    for ratio in ratios:
        unit = estimate(Motion(kind), z, 1.0, time, q=ratio)
        r = np.nansum(unit.nis, axis=1) / settled  # the likeliest for this ratio
        likelihood = unit.loglik - 0.5 * (settled * np.log(r) + np.nansum(unit.nis, axis=1) * (1 / r - 1))
        assert (likelihood[told] <= found.loglik[told] + 1e-5).all()
    assert told.sum() >= series - 1
