"""The filter against published values, two independent implementations and the dense Gaussian it abbreviates."""

from csv import DictReader
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest
from filterpy.common import Q_discrete_white_noise
from filterpy.kalman import KalmanFilter as FilterPy
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm
from scipy.stats import multivariate_normal
from statsmodels.tsa.statespace.structural import UnobservedComponents

from shared.kalman import (
    Array,
    GaussMarkov,
    KalmanFilter,
    Kind,
    Model,
    Motion,
    Noise,
    Recorder,
    Singer,
    Stacked,
    run,
    smooth,
)

NILE = Path(__file__).parents[2].parent / "shared" / "data" / "stats" / "nile.csv"
KINDS: list[Kind] = ["level", "velocity", "acceleration"]


@pytest.fixture(scope="module")
def nile() -> Array:
    if not NILE.exists():
        pytest.skip(f"needs {NILE.name} of the development data")
    with NILE.open() as lines:
        return np.array([float(row["volume"]) for row in DictReader(lines)])


def gaps(nile: Array) -> Array:
    z = nile.copy()
    z[20:40] = z[60:80] = nan
    return z


def irregular(seed: int, length: int) -> tuple[Array, Array, Array]:
    """A walk, its times (some twice the same) and the variances of its measurements."""
    rng = np.random.default_rng(seed)
    steps = rng.uniform(0.02, 0.5, length) * (rng.random(length) > 0.1)
    time = np.cumsum(steps)
    r = rng.uniform(0.05, 0.5, length)
    z = 10 + np.cumsum(rng.normal(0, 0.3, length)) + rng.normal(0, np.sqrt(r))
    z[rng.random(length) < 0.15] = nan
    return time, z, r


class Dense:
    """The same by one Gaussian of all states [T * n] at once: nothing recursive in it."""

    def __init__(self, motion: Model, z: Array, r: Array, time: Array, prior: Array, rows: Array | None = None) -> None:
        n, length = motion.size, len(z)
        self.shape = length, n
        self.from_start = np.vstack([motion.transition(float(t - time[0])) for t in time])
        joint = np.zeros((length * n, length * n))
        at_k = prior
        for k in range(length):
            if k:
                dt = float(time[k] - time[k - 1])
                at_k = motion.transition(dt) @ at_k @ motion.transition(dt).T + motion.process_noise(dt)
            for j in range(k, length):
                across = motion.transition(float(time[j] - time[k])) @ at_k
                joint[j * n : j * n + n, k * n : k * n + n] = across
                joint[k * n : k * n + n, j * n : j * n + n] = across.T
        seen = np.flatnonzero(~np.isnan(z))
        self.z, self.joint, self.pick = z[seen], joint, np.zeros((len(seen), length * n))
        for at, k in enumerate(seen.tolist()):
            self.pick[at, k * n : k * n + n] = np.eye(n)[0] if rows is None else rows[k]
        self.s = self.pick @ joint @ self.pick.T + np.diag(r[seen])
        self.gain = joint @ self.pick.T @ np.linalg.inv(self.s)

    def blocks(self, covariance: Array) -> Array:
        length, n = self.shape
        return np.stack([covariance[k * n : k * n + n, k * n : k * n + n] for k in range(length)])

    def posterior(self) -> tuple[Array, Array]:
        """Means [T, n] and covariances [T, n, n] given the prior, whose mean is 0."""
        return (self.gain @ self.z).reshape(self.shape), self.blocks(self.joint - self.gain @ self.pick @ self.joint)

    def diffuse_posterior(self) -> tuple[Array, Array]:
        """The same with the first state unknown: generalised least squares for it. The prior given must be 0."""
        design = self.pick @ self.from_start
        information = design.T @ np.linalg.solve(self.s, design)
        first = np.linalg.solve(information, design.T @ np.linalg.solve(self.s, self.z))
        mean = self.from_start @ first + self.gain @ (self.z - design @ first)
        lever = self.from_start - self.gain @ design
        covariance = self.joint - self.gain @ self.pick @ self.joint + lever @ np.linalg.inv(information) @ lever.T
        return mean.reshape(self.shape), self.blocks(covariance)

    def loglik(self) -> float:
        return float(multivariate_normal(cov=self.s).logpdf(self.z))


class TestNile:
    """The local level of Durbin and Koopman's Nile (variances 15099 and 1469.1), exact diffuse start.

    The figures are statsmodels' to as many digits as were noted down, so each is met to its last digit; the
    log-likelihood is that of the same sum in 40 digits.
    """

    motion = Motion("level", 1469.1)

    def filtered(self, z: Array) -> tuple[Array, Array, float]:
        f = run(self.motion, z, 15099.0, np.arange(len(z)))
        return f.mean[:, 0], f.covariance[:, 0, 0], f.loglik

    def test_log_likelihood(self, nile: Array) -> None:
        assert self.filtered(nile)[2] == pytest.approx(-633.464563648878371, rel=1e-13)

    def test_filtered(self, nile: Array) -> None:
        x, p, _ = self.filtered(nile)
        assert (x[0], p[0]) == (1120, 15099)
        assert x[[1, 2, 99]] == pytest.approx([1140.92783993, 1072.79852953, 798.37029261], abs=5e-9)
        assert p[[1, 2, 99]] == pytest.approx([7899.7363794, 5781.4699387, 4032.1579418], abs=5e-8)

    def test_smoothed(self, nile: Array) -> None:
        s = smooth(run(self.motion, nile, 15099.0, np.arange(100)))
        assert s.mean[0, 0] == pytest.approx(1111.66831913, abs=5e-9)
        assert s.covariance[0, 0, 0] == pytest.approx(4032.15794181, abs=5e-9)

    def test_missing_years(self, nile: Array) -> None:
        f = run(self.motion, gaps(nile), 15099.0, np.arange(100))
        s = smooth(f)
        assert f.loglik == pytest.approx(-381.5060013085083, rel=1e-13)
        assert f.mean[39, 0] == pytest.approx(1026.1415550709821, rel=1e-13)
        assert f.covariance[39, 0, 0] == pytest.approx(33414.19616, abs=5e-6)
        assert s.mean[30, 0] == pytest.approx(893.7919448454977, rel=1e-13)
        assert s.covariance[30, 0, 0] == pytest.approx(9715.00555, abs=5e-6)

    def test_trend_against_statsmodels(self, nile: Array) -> None:
        """A level and its slope with the discrete noise [dt^2/2, dt], start exactly diffuse in both."""
        z = gaps(nile)
        motion = Motion("velocity", 25.0, "discrete")
        f = run(motion, z, 15099.0, np.arange(100))
        s = smooth(f)
        peer = UnobservedComponents(z, "local linear trend", use_exact_diffuse=True)
        peer.update([15099.0, 1.0, 1.0])
        peer["state_cov"] = motion.process_noise(1.0)
        peer["selection"] = np.eye(2)
        found = peer.ssm.smooth()
        assert f.loglik == pytest.approx(found.llf, rel=1e-12)
        assert f.mean[1:] == pytest.approx(found.filtered_state.T[1:], rel=1e-9)
        assert s.mean == pytest.approx(found.smoothed_state.T, rel=1e-9, abs=1e-9)
        assert s.covariance == pytest.approx(np.moveaxis(found.smoothed_state_cov, 2, 0), rel=1e-8)


@pytest.mark.parametrize("kind", ["velocity", "acceleration"])
def test_against_filterpy(kind: Kind) -> None:
    """Same recursions written by others: what differs is rounding, 1e-11 over 80 steps."""
    time, z, r = irregular(4, 80)
    motion = Motion(kind, 0.7, "discrete")
    n = motion.size
    prior = np.diag([25.0, 4.0, 1.0][:n])
    peer = FilterPy(n, 1)
    peer.x, peer.P, peer.H = np.array([[10.0], [0.0], [0.0]][:n]), prior.copy(), np.eye(1, n)
    means, covariances, transitions, noises = [], [], [], []
    for k in range(len(z)):
        dt = float(time[k] - time[k - 1]) if k else 0.0
        noise = Q_discrete_white_noise(n, dt, 0.7) if k else np.zeros((n, n))
        transitions.append(motion.transition(dt))
        noises.append(noise)
        peer.predict(F=transitions[-1], Q=noise)
        peer.update(None if np.isnan(z[k]) else z[k], R=r[k])
        means.append(peer.x.copy())
        covariances.append(peer.P.copy())
    mean = [10.0, 0.0, 0.0][:n]
    f = run(motion, z, r, time, mean=mean, covariance=prior)
    assert f.mean == pytest.approx(np.array(means)[:, :, 0], rel=1e-11, abs=1e-11)
    assert f.covariance == pytest.approx(np.array(covariances), rel=1e-11, abs=1e-11)
    xs, ps, _, _ = peer.rts_smoother(np.array(means), np.array(covariances), transitions, noises)
    s = smooth(f)
    assert s.mean == pytest.approx(xs[:, :, 0], rel=1e-8, abs=1e-8)
    assert s.covariance == pytest.approx(ps, rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_against_the_joint_gaussian(kind: Kind, seed: int) -> None:
    """Conditioning 25 states at once inverts a 25 x 25 matrix: 1e-8 is its rounding, not the filter's."""
    time, z, r = irregular(seed, 25)
    motion = Motion(kind, 0.4)
    prior = np.diag([100.0, 4.0, 1.0][: motion.size])
    dense = Dense(motion, z, r, time, prior)
    mean, covariance = dense.posterior()
    f = run(motion, z, r, time, mean=np.zeros(motion.size), covariance=prior)
    s = smooth(f)
    assert s.mean == pytest.approx(mean, rel=1e-8, abs=1e-8)
    assert s.covariance == pytest.approx(covariance, rel=1e-8, abs=1e-8)
    assert f.mean[-1] == pytest.approx(mean[-1], rel=1e-8, abs=1e-8)
    assert f.loglik == pytest.approx(dense.loglik(), rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_diffuse_start_against_least_squares(kind: Kind, seed: int) -> None:
    time, z, r = irregular(seed, 25)
    motion = Motion(kind, 0.4)
    mean, covariance = Dense(motion, z, r, time, np.zeros((motion.size, motion.size))).diffuse_posterior()
    s = smooth(run(motion, z, r, time))
    assert s.mean == pytest.approx(mean, rel=1e-7, abs=1e-7)
    assert s.covariance == pytest.approx(covariance, rel=1e-7, abs=1e-7)


def test_steady_gain() -> None:
    """dt 1, q 0.01 in the dt^4/4 form, r 1: the gain settles at exactly [0.36, 0.08]."""
    f = run(Motion("velocity", 0.01, "discrete"), np.zeros(300), 1.0, np.arange(300))
    assert f.covariance[-1, :, 0] == pytest.approx([0.36, 0.08], rel=1e-13)


def test_nis_of_the_true_model_is_chi_squared() -> None:
    """Mean of 4,000 values of one degree of freedom: 1, standard error sqrt(2 / 4000) = 0.022; four of them."""
    rng = np.random.default_rng(1)
    motion, length, dt = Motion("velocity", 0.5), 4000, 0.1
    noise = rng.multivariate_normal([0, 0], motion.process_noise(dt), length)
    state, z = np.array([10.0, 0.0]), np.empty(length)
    for k in range(length):
        z[k] = state[0] + rng.normal(0, 0.6)
        state = motion.transition(dt) @ state + noise[k]
    f = run(motion, z, 0.36, np.arange(length) * dt, mean=[10, 0], covariance=np.eye(2) * 1e-6)
    assert np.mean(f.nis) == pytest.approx(1, abs=4 * 0.0224)


def test_one_measurement_leaves_the_velocity_unknown() -> None:
    f = run(Motion("velocity"), [3.0, nan], 4.0, [0.0, 1.0])
    assert f.mean[0, 0] == 3
    assert f.sd[0].tolist() == [2, inf]
    assert np.isnan(f.mean[0, 1])
    assert f.sd[1].tolist() == [inf, inf]
    s = smooth(f)
    assert (s.mean[0, 0], s.sd[0, 0], s.sd[0, 1]) == (3, 2, inf)


def test_nothing_measured_leaves_everything_unknown() -> None:
    f = run(Motion("velocity"), [nan, nan], 1.0, [0.0, 1.0])
    assert f.loglik == 0
    assert np.isnan(smooth(f).mean).all()
    assert np.isinf(f.sd).all()


def test_gate_leaves_an_outlier_out() -> None:
    z = np.full(30, 10.0)
    z[20] = 25.0
    without = z.copy()
    without[20] = nan
    time = np.arange(30) * 0.1
    gated = run(Motion("velocity"), z, 0.1, time, gate=6.63)
    assert np.flatnonzero(~gated.used).tolist() == [20]
    assert gated.nis[20] > 6.63
    assert gated.mean == pytest.approx(run(Motion("velocity"), without, 0.1, time).mean, nan_ok=True)
    assert smooth(gated).mean[20, 0] == pytest.approx(10)


@pytest.mark.parametrize("noise", ["continuous", "discrete"])
def test_a_straight_line_is_followed_exactly(noise: Noise) -> None:
    time = np.array([0, 0.3, 0.4, 1.1, 2.0])
    s = smooth(run(Motion("velocity", 1.0, noise), 2 + 3 * time, 0.2, time))
    assert s.mean == pytest.approx(np.column_stack([2 + 3 * time, np.full(5, 3.0)]), rel=1e-12)


@given(cut=st.floats(0.0, 1.0), dt=st.floats(0.01, 10.0), kind=st.sampled_from(KINDS), q=st.floats(0.01, 100.0))
def test_two_short_steps_are_one_long_one(cut: float, dt: float, kind: Kind, q: float) -> None:
    """The continuous noise knows no sampling: predicting in parts changes nothing but rounding."""
    motion = Motion(kind, q)
    first, second = cut * dt, dt - cut * dt
    f = motion.transition(second)
    assert f @ motion.transition(first) == pytest.approx(motion.transition(dt), rel=1e-12, abs=1e-12)
    together = f @ motion.process_noise(first) @ f.T + motion.process_noise(second)
    assert together == pytest.approx(motion.process_noise(dt), rel=1e-9)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), kind=st.sampled_from(KINDS), shift=st.floats(-100, 100))
def test_laws(seed: int, kind: Kind, shift: float) -> None:
    """Covariances are symmetric and positive, smoothing never widens, and a shifted series shifts the answer."""
    time, z, r = irregular(seed, 30)
    motion = Motion(kind, 0.4)
    prior = np.diag([100.0, 4.0, 1.0][: motion.size])
    f = run(motion, z, r, time, mean=np.zeros(motion.size), covariance=prior)
    s = smooth(f)
    for covariance in (f.covariance, s.covariance):
        assert covariance == pytest.approx(np.swapaxes(covariance, 1, 2), rel=1e-9, abs=1e-12)
        assert (np.linalg.eigvalsh(covariance) > -1e-9).all()
    assert (s.sd <= f.sd * (1 + 1e-9)).all()
    start = np.zeros(motion.size)
    start[0] = shift
    moved = smooth(run(motion, z + shift, r, time, mean=start, covariance=prior))
    assert moved.mean[:, 0] == pytest.approx(s.mean[:, 0] + shift, abs=1e-9)
    assert moved.covariance == pytest.approx(s.covariance)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"time": [0.0, 1.0, 0.5]}, "backwards"),
        ({"time": [0.0, 1.0]}, "one time each"),
        ({"r": 0.0}, "variance 0"),
        ({"r": [1.0, nan, 1.0]}, "variance nan"),
    ],
)
def test_refusals(change: dict[str, object], what: str) -> None:
    arguments: dict[str, object] = {"z": [1.0, 2.0, 3.0], "r": 1.0, "time": [0.0, 1.0, 2.0]} | change
    with pytest.raises(ValueError, match=what):
        run(Motion("velocity"), **arguments)  # type: ignore[arg-type]


def test_motion_refusals() -> None:
    with pytest.raises(ValueError, match="q is -1"):
        Motion("velocity", -1)
    with pytest.raises(ValueError, match="continuous"):
        Motion("level", 1, "discrete")


class TestForgetting:
    """What forgets itself: Gauss-Markov components, Singer's acceleration, several side by side."""

    car = Stacked((Singer(1.5, 2.0), GaussMarkov(1.0, 0.2), GaussMarkov(0.7, 3.0)))

    @pytest.mark.parametrize("dt", [1e-4, 0.005, 0.0199, 0.0201, 0.1, 3.0, 60.0])
    def test_noise_is_the_integral_of_its_source(self, dt: float) -> None:
        """Van Loan, IEEE Transactions on Automatic Control 23(3), 1978: both from one matrix exponential."""
        sd, memory = 1.5, 2.0
        a = np.array([[0, 1], [0, -1 / memory]])
        source = np.diag([0, 2 * sd**2 / memory])
        parts = max(1, round(dt / 0.5))  # the exponential of a long step loses digits
        noise = np.zeros((2, 2))
        for _ in range(parts):
            whole = expm(np.block([[-a, source], [np.zeros((2, 2)), a.T]]) * dt / parts)
            f = whole[2:, 2:].T
            noise = f @ noise @ f.T + f @ whole[:2, 2:]
        singer = Singer(sd, memory)
        assert singer.process_noise(dt) == pytest.approx(noise, rel=2e-8)
        assert singer.transition(dt) == pytest.approx(expm(a * dt), rel=1e-12, abs=1e-15)
        markov = GaussMarkov(sd, memory)
        assert markov.transition(dt)[0, 0] == pytest.approx(expm(a * dt)[1, 1])
        assert markov.process_noise(dt)[0, 0] == pytest.approx(noise[1, 1], rel=1e-8)

    @given(st.floats(0, 30), st.floats(0, 30))
    def test_two_steps_are_one(self, first: float, second: float) -> None:
        f = self.car.transition(second)
        both = f @ self.car.process_noise(first) @ f.T + self.car.process_noise(second)
        assert self.car.process_noise(first + second) == pytest.approx(both, rel=1e-6, abs=1e-9)
        assert self.car.transition(first + second) == pytest.approx(f @ self.car.transition(first), abs=1e-12)

    @pytest.mark.parametrize("seed", range(3))
    def test_rows_against_one_gaussian(self, seed: int) -> None:
        """Each measurement sees a mixture of its own of the state."""
        time, z, r = irregular(seed, 30)
        rng = np.random.default_rng(seed)
        rows = np.column_stack([np.ones(30), rng.normal(size=(30, 3))])
        prior = np.diag([4.0, 2.0, 1.0, 0.5])
        dense = Dense(self.car, z, r, time, prior, rows)
        recorder = Recorder(KalmanFilter(self.car, np.zeros(4), prior))
        for k in range(30):
            recorder.step(float(time[k]), float(z[k]), float(r[k]), row=rows[k])
        filtered = recorder.filtered()
        smoothed = smooth(filtered)
        mean, covariance = dense.posterior()
        assert smoothed.mean == pytest.approx(mean, abs=1e-9)
        assert smoothed.covariance == pytest.approx(covariance, abs=1e-9)
        assert filtered.mean[-1] == pytest.approx(mean[-1], abs=1e-9)
        assert filtered.loglik == pytest.approx(dense.loglik(), rel=1e-9)

    def test_an_unknown_start_is_found_by_rows(self) -> None:
        """Of two measurements of a level and its velocity, the second sees their sum."""
        recorder = Recorder(KalmanFilter(Motion("velocity", 1e-12)))
        recorder.step(0.0, 3.0, 0.1, row=np.array([1.0, 0.0]))
        recorder.step(0.0, 8.0, 0.2, row=np.array([1.0, 1.0]))
        recorder.step(2.0)
        filtered = recorder.filtered()
        assert filtered.mean[1] == pytest.approx([3, 5])
        assert filtered.covariance[1] == pytest.approx(np.array([[0.1, -0.1], [-0.1, 0.3]]))
        assert smooth(filtered).mean == pytest.approx(np.array([[3, 5], [3, 5], [13, 5]]), abs=1e-6)

    def test_a_leap_parts_what_is_before_from_what_is_after(self) -> None:
        recorder = Recorder(KalmanFilter(Motion("level", 0.01), [5.0], [[1.0]]))
        for k, z in enumerate([5.0, 5.0, 5.0, 50.0, 50.0]):
            leap = (np.zeros((1, 1)), np.array([[1e6]])) if k == 3 else None
            recorder.step(float(k), z, 0.01, leap=leap)
        smoothed = smooth(recorder.filtered())
        assert smoothed.mean[:, 0] == pytest.approx([5, 5, 5, 50, 50], abs=1e-4)

    def test_what_is_expected_is_what_an_update_says(self) -> None:
        kalman = KalmanFilter(self.car, np.zeros(4), np.eye(4))
        row = np.array([1.0, 0.0, 0.5, 0.5])
        said = kalman.expect(2.0, 0.5, row)
        assert kalman.mean.tolist() == [0, 0, 0, 0]
        assert said.variance == pytest.approx(2.0)
        assert kalman.update(2.0, 0.5, row=row) == said
