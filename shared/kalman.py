"""Kalman filter and fixed-interval smoother of one series, measured at any times with any noise.

The state is a chain of integrators driven by white noise (`Motion`): a *level* that wanders, a level whose *velocity*
wanders, or one whose *acceleration* wanders; or what forgets itself with time (`GaussMarkov`, `Singer`), or several of
them side by side (`Stacked`). What is measured is the first component unless a row says otherwise. A measurement that
is NaN is missing: the filter predicts through it. Without a prior the first state is exactly diffuse: no large number
stands for "unknown".

Sources, by the names used below: [BLK] Bar-Shalom, Li, Kirubarajan, Estimation with Applications to Tracking and
Navigation, 2001; [DK] Durbin, Koopman, Time Series Analysis by State Space Methods, 2nd ed., 2012; [RTS] Rauch,
Tung, Striebel, AIAA Journal 3(8), 1965; [S] Singer, IEEE Transactions on Aerospace and Electronic Systems 6(4), 1970.
"""

from dataclasses import dataclass
from math import exp, expm1, factorial, inf, log, nan, pi
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Kind = Literal["level", "velocity", "acceleration"]
Noise = Literal["continuous", "discrete"]

SIZES: dict[Kind, int] = {"level": 1, "velocity": 2, "acceleration": 3}
LOG_2PI = log(2 * pi)


class Model(Protocol):
    """How a state of `size` components moves between two times."""

    @property
    def size(self) -> int: ...

    def transition(self, dt: float, /) -> Array:
        """F [n, n]: the state `dt` seconds later, were there no noise."""

    def process_noise(self, dt: float, /) -> Array:
        """Q [n, n]: covariance of what the noise adds to the state in `dt` seconds."""


@dataclass(frozen=True, slots=True)
class Motion:
    """How the state moves between two times.

    `q` with `noise="continuous"`: spectral density of the white noise that drives the last derivative, in
    (unit of the level)^2 / s^(2n - 1) for n states ([BLK] 6.2.2, 6.2.3). With `noise="discrete"`: variance of the
    noise that is constant within a step, an acceleration for "velocity" and an increment of the acceleration for
    "acceleration" ([BLK] 6.3.2, 6.3.3); a level knows the continuous form only.
    """

    kind: Kind = "velocity"
    q: float = 1.0
    noise: Noise = "continuous"

    def __post_init__(self) -> None:
        if not 0 <= self.q < inf:
            raise ValueError(f"q is {self.q}; a noise's strength is 0 or more and finite")
        if self.kind == "level" and self.noise == "discrete":
            raise ValueError("a level's noise is continuous: its discrete form would not depend on the step")

    @property
    def size(self) -> int:
        return SIZES[self.kind]

    def transition(self, dt: float | Array) -> Array:
        """F [..., n, n]: the state `dt` [...] seconds later, were there no noise."""
        n = self.size
        f = np.zeros((*np.shape(dt), n, n))
        for i in range(n):
            for j in range(i, n):
                f[..., i, j] = dt ** (j - i) / factorial(j - i)
        return f

    def process_noise(self, dt: float | Array) -> Array:
        """Q [..., n, n]: covariance of what the noise adds to the state in `dt` [...] seconds."""
        n = self.size
        q = np.empty((*np.shape(dt), n, n))
        for i in range(n):
            for j in range(n):
                q[..., i, j] = self._covariance(i, j, dt)
        return self.q * q

    def _covariance(self, i: int, j: int, dt: float | Array) -> float | Array:
        """Of what the noise adds to the components i and j, for q = 1."""
        if self.noise == "discrete":
            g = dt**2 / 2, dt, 1.0
            return g[i] * g[j]
        a, b = self.size - 1 - i, self.size - 1 - j
        return dt ** (a + b + 1) / (factorial(a) * factorial(b) * (a + b + 1))


@dataclass(frozen=True, slots=True)
class GaussMarkov:
    """One component that forgets itself: 0 on average, of standard deviation `sd` in the long run, its correlation over
    `dt` seconds exp(-dt / memory_s) ([BLK] 4.7.2-10)."""

    sd: float
    memory_s: float
    size: int = 1

    def transition(self, dt: float) -> Array:
        return np.array([[exp(-dt / self.memory_s)]])

    def process_noise(self, dt: float) -> Array:
        return np.array([[-(self.sd**2) * expm1(-2 * dt / self.memory_s)]])


@dataclass(frozen=True, slots=True)
class Singer:
    """A level and its rate of change, which is a `GaussMarkov` of `sd` (unit of the level / s) and `memory_s` ([S])."""

    sd: float
    memory_s: float
    size: int = 2

    def transition(self, dt: float) -> Array:
        gone = -expm1(-dt / self.memory_s)
        return np.array([[1.0, gone * self.memory_s], [0.0, 1 - gone]])

    def process_noise(self, dt: float) -> Array:
        x = dt / self.memory_s
        gone, twice = -expm1(-x), -expm1(-2 * x)
        level = 2 * x - 4 * gone + twice if x > 0.01 else x**3 * (2 / 3 - x / 2 + 7 * x**2 / 30)
        between = gone**2 * self.memory_s
        return self.sd**2 * np.array([[level * self.memory_s**2, between], [between, twice]])


@dataclass(frozen=True, slots=True)
class Stacked:
    """Independent models side by side, one state."""

    parts: tuple[Model, ...]

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    def transition(self, dt: float) -> Array:
        return self._diagonal([part.transition(dt) for part in self.parts])

    def process_noise(self, dt: float) -> Array:
        return self._diagonal([part.process_noise(dt) for part in self.parts])

    def _diagonal(self, blocks: list[Array]) -> Array:
        whole = np.zeros((self.size, self.size))
        at = 0
        for block in blocks:
            whole[at : at + len(block), at : at + len(block)] = block
            at += len(block)
        return whole


@dataclass(frozen=True, slots=True)
class Innovation:
    """What one measurement said against the prediction. NaN throughout where there was none."""

    value: float
    variance: float
    nis: float
    """Normalised innovation squared: chi-squared with one degree of freedom when the model is right ([BLK] 5.4).
    NaN while the prediction is diffuse."""
    loglik: float
    used: bool


MISSING = Innovation(nan, nan, nan, 0.0, used=False)


class KalmanFilter:
    """The filter step by step: `predict(dt)`, then `update(z, r)`.

    `mean` [n] and `covariance` [n, n] are the state before the first measurement; without them it is exactly
    diffuse ([DK] 5.2), and `covariance` holds its finite part and `diffuse` [n, n] the part that is infinite.
    """

    def __init__(self, motion: Model, mean: ArrayLike | None = None, covariance: ArrayLike | None = None) -> None:
        n = motion.size
        self.motion = motion
        self.mean: Array = np.zeros(n) if mean is None else np.array(mean, float).reshape(n)
        if covariance is None:
            self.covariance, self.diffuse, self.unknown = np.zeros((n, n)), np.eye(n), n
        else:
            self.covariance = np.array(covariance, float).reshape(n, n)
            self.diffuse, self.unknown = np.zeros((n, n)), 0
        self._first = np.eye(n)[0]
        self._step: tuple[float, Array, Array] = (nan, self.covariance, self.covariance)

    def predict(self, dt: float) -> Array:
        """Moves the state on by `dt` >= 0 seconds; returns the transition F that it used."""
        if not 0 <= dt < inf:
            raise ValueError(f"a step of {dt} s: times must not run backwards")
        if dt != self._step[0]:
            self._step = (dt, self.motion.transition(dt), self.motion.process_noise(dt))
        self.move(*self._step[1:])
        return self._step[1]

    def move(self, transition: Array, noise: Array) -> None:
        """The state changes by F [n, n] and Q [n, n] of the caller's: what its model does not foresee."""
        self.mean = transition @ self.mean
        self.covariance = transition @ self.covariance @ transition.T + noise
        if self.unknown:
            self.diffuse = transition @ self.diffuse @ transition.T

    def expect(self, z: float, r: float, row: Array | None = None) -> Innovation:
        """What `update` would say of it; nothing is taken in."""
        if z != z:
            return MISSING
        if not 0 < r < inf:
            raise ValueError(f"a measurement of variance {r}; it is more than 0 and finite")
        h = self._first if row is None else row
        value = float(z - h @ self.mean)
        spread = float(h @ self.diffuse @ h) if self.unknown else 0.0
        if spread > 0:
            return Innovation(value, inf, nan, -0.5 * (LOG_2PI + log(spread)), used=True)
        variance = float(h @ self.covariance @ h) + r
        nis = value * value / variance
        return Innovation(value, variance, nis, -0.5 * (LOG_2PI + log(variance) + nis), used=True)

    def update(self, z: float, r: float, gate: float = inf, row: Array | None = None) -> Innovation:
        """Takes the measurement `z` of variance `r` > 0 in; NaN is no measurement.

        `row` [n] says what is measured of the state, its first component by default. A measurement whose NIS exceeds
        `gate` is left out (`used` is false). Joseph's form, which keeps the covariance positive whatever the rounding
        ([BLK] 5.2.3-18).
        """
        innovation = self.expect(z, r, row)
        if not innovation.used:
            return innovation
        h = self._first if row is None else row
        value, variance, nis = innovation.value, innovation.variance, innovation.nis
        if variance == inf:
            seen = self.diffuse @ h
            self._correct(seen / (h @ seen), value, r, h)
            self.unknown -= 1
            if not self.unknown:
                self.diffuse = np.zeros_like(self.diffuse)
            return innovation
        if nis > gate:
            return Innovation(value, variance, nis, 0.0, used=False)
        self._correct(self.covariance @ h / variance, value, r, h)
        return innovation

    def _correct(self, gain: Array, value: float, r: float, row: Array) -> None:
        keep = _keep(gain, row)
        self.mean = self.mean + gain * value
        self.covariance = keep @ self.covariance @ keep.T + r * np.outer(gain, gain)
        if self.unknown:
            self.diffuse = keep @ self.diffuse @ keep.T


@dataclass(frozen=True, slots=True)
class Filtered:
    """T steps of a filter of n states. Predicted and filtered parts are kept: the smoother needs both."""

    time: Array
    mean: Array
    """[T, n] after each measurement; NaN where the state is still diffuse in that component."""
    covariance: Array
    """[T, n, n]; infinite on the diagonal where the state is still diffuse."""
    innovation: Array
    innovation_variance: Array
    nis: Array
    used: NDArray[np.bool_]
    loglik: float
    """Of all measurements used, by prediction errors ([DK] 7.2); exact diffuse where there is no prior."""
    steps: "list[_Step]"

    @property
    def sd(self) -> Array:
        """[T, n] standard deviations."""
        return np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))


@dataclass(frozen=True, slots=True)
class Smoothed:
    """[T, n] means and [T, n, n] covariances given the whole series."""

    time: Array
    mean: Array
    covariance: Array

    @property
    def sd(self) -> Array:
        """[T, n] standard deviations."""
        return np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))


@dataclass(frozen=True, slots=True)
class _Step:
    transition: Array
    predicted: tuple[Array, Array]
    filtered: tuple[Array, Array, Array]
    innovation: Innovation
    r: float
    row: Array


class Recorder:
    """Drives a filter from time to time and keeps what the smoother needs."""

    def __init__(self, kalman: KalmanFilter) -> None:
        self.kalman = kalman
        self._times: list[float] = []
        self._steps: list[_Step] = []

    def step(
        self,
        time: float,
        z: float = nan,
        r: float = 1.0,
        *,
        gate: float = inf,
        row: Array | None = None,
        leap: tuple[Array, Array] | None = None,
    ) -> Innovation:
        """On to `time`, which the prior holds for in the first step, by `leap` (F, Q) on top, then takes `z` in. Raises
        ValueError as the filter does."""
        kalman = self.kalman
        transition = kalman.predict(time - self._times[-1]) if self._times else np.eye(kalman.motion.size)
        if leap is not None:
            kalman.move(*leap)
            transition = leap[0] @ transition
        predicted = kalman.covariance, kalman.diffuse
        innovation = kalman.update(z, r, gate, row)
        filtered = kalman.mean, kalman.covariance, kalman.diffuse
        measured = np.eye(kalman.motion.size)[0] if row is None else row
        self._times.append(time)
        self._steps.append(_Step(transition, predicted, filtered, innovation, r, measured))
        return innovation

    def filtered(self) -> Filtered:
        return _collect(np.array(self._times), self._steps, self.kalman.motion.size)


def run(
    motion: Model,
    z: ArrayLike,
    r: ArrayLike,
    time: ArrayLike,
    *,
    mean: ArrayLike | None = None,
    covariance: ArrayLike | None = None,
    gate: float = inf,
) -> Filtered:
    """Filters the series `z` [T] with variances `r` (one, or [T]) at `time` [T] seconds, none before the last.

    The prior, if given, is the state at the first time, before its measurement.
    """
    times = np.asarray(time, float)
    values = np.asarray(z, float)
    variances = np.broadcast_to(np.asarray(r, float), values.shape)
    if times.shape != values.shape or values.ndim != 1:
        raise ValueError(f"{values.shape} measurements at {times.shape} times: one series, one time each")
    recorder = Recorder(KalmanFilter(motion, mean, covariance))
    for k in range(len(values)):
        recorder.step(float(times[k]), float(values[k]), float(variances[k]), gate=gate)
    return recorder.filtered()


def _collect(times: Array, steps: list[_Step], n: int) -> Filtered:
    means = np.empty((len(steps), n))
    covariances = np.empty((len(steps), n, n))
    for k, step in enumerate(steps):
        means[k], covariances[k] = _presented(*step.filtered)
    said = np.array([(s.innovation.value, s.innovation.variance, s.innovation.nis) for s in steps], float).reshape(
        -1, 3
    )
    return Filtered(
        time=times,
        mean=means,
        covariance=covariances,
        innovation=said[:, 0],
        innovation_variance=said[:, 1],
        nis=said[:, 2],
        used=np.array([s.innovation.used for s in steps], bool),
        loglik=float(sum(s.innovation.loglik for s in steps)),
        steps=steps,
    )


def _presented(mean: Array, covariance: Array, diffuse: Array) -> tuple[Array, Array]:
    unknown = np.diagonal(diffuse) > 0
    if not unknown.any():
        return mean, covariance
    covariance = covariance.copy()
    covariance[unknown, :] = covariance[:, unknown] = nan
    covariance[unknown, unknown] = inf
    return np.where(unknown, nan, mean), covariance


def smooth(filtered: Filtered) -> Smoothed:
    """The state at each time given the whole series ([RTS]).

    In the backward form of [DK] 4.4 and 5.3: a vector and a matrix gather what later measurements say, so no
    covariance is inverted and the diffuse start is exact. Where the whole series leaves a component unknown its
    mean is NaN and its variance infinite.
    """
    length, n = filtered.mean.shape
    means = np.empty((length, n))
    covariances = np.empty((length, n, n))
    later = _Later.nothing(n)
    for k in range(length - 1, -1, -1):
        means[k], covariances[k] = later.added_to(*filtered.steps[k].filtered)
        later = later.before(filtered.steps[k])
    return Smoothed(filtered.time, means, covariances)


@dataclass(frozen=True, slots=True)
class _Later:
    """What the measurements after a time say of the state at it: r0, r1, N0, N1, N2 of [DK] 5.3."""

    r0: Array
    r1: Array
    n0: Array
    n1: Array
    n2: Array

    @classmethod
    def nothing(cls, n: int) -> "_Later":
        v, m = np.zeros(n), np.zeros((n, n))
        return cls(v, v, m, m, m)

    def added_to(self, mean: Array, p: Array, diffuse: Array) -> tuple[Array, Array]:
        mean = mean + p @ self.r0
        covariance = p - p @ self.n0 @ p
        if diffuse.any():
            mean = mean + diffuse @ self.r1
            cross = diffuse @ self.n1 @ p
            covariance = covariance - cross - cross.T - diffuse @ self.n2 @ diffuse
            still = diffuse - diffuse @ self.n1 @ diffuse
            scale = np.diagonal(diffuse).max()
            diffuse = np.where(np.abs(still) > 1e-9 * scale, still, 0.0)
        return _presented(mean, (covariance + covariance.T) / 2, diffuse)

    def before(self, step: _Step) -> "_Later":
        return self._measured(step)._moved(step.transition)

    def _measured(self, step: _Step) -> "_Later":
        if not step.innovation.used:
            return self
        p, diffuse = step.predicted
        value, variance = step.innovation.value, step.innovation.variance
        if variance == inf:
            return self._measured_diffuse(p, diffuse, value, step.r, step.row)
        h = step.row
        seen = np.outer(h, h)
        keep = _keep(p @ h / variance, h)
        r0 = keep.T @ self.r0 + h * (value / variance)
        n0 = keep.T @ self.n0 @ keep + seen / variance
        return _Later(r0, self.r1, n0, self.n1 @ keep, self.n2)

    def _measured_diffuse(self, p: Array, diffuse: Array, value: float, r: float, h: Array) -> "_Later":
        known, unknown, seen = p @ h, diffuse @ h, np.outer(h, h)
        spread, finite = float(h @ unknown), float(h @ known) + r
        l0 = _keep(unknown / spread, h)
        l1 = np.outer(unknown * (finite / spread**2) - known / spread, h)
        r1 = l0.T @ self.r1 + l1.T @ self.r0 + h * (value / spread)
        n1 = l0.T @ self.n1 @ l0 + l1.T @ self.n0 @ l0 + seen / spread
        crossed = l0.T @ self.n1 @ l1
        n2 = l0.T @ self.n2 @ l0 + crossed + crossed.T + l1.T @ self.n0 @ l1 - seen * (finite / spread**2)
        return _Later(l0.T @ self.r0, r1, l0.T @ self.n0 @ l0, n1, n2)

    def _moved(self, f: Array) -> "_Later":
        return _Later(f.T @ self.r0, f.T @ self.r1, f.T @ self.n0 @ f, f.T @ self.n1 @ f, f.T @ self.n2 @ f)


def _keep(gain: Array, row: Array) -> Array:
    return np.asarray(np.eye(len(gain)) - np.outer(gain, row))
