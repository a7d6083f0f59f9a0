"""Level, velocity and acceleration of many series by the Kalman filter and the fixed-interval smoother.

The models and the meaning of q and r are those of `shared.kalman`, whose filter this is, compiled.
"""

from dataclasses import dataclass
from math import inf, log
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtri

from services.stats.kalman.kernels.filter import run_filter
from services.stats.kalman.kernels.smoother import run_smoother
from services.stats.kalman.kernels.step import OPENING, STATE, SUMS, TAKEN, FloatArray, IndexArray
from shared.errors import FieldError, Unprocessable
from shared.kalman import LOG_2PI, Motion

Way = Literal["filter", "smooth"]
Given = tuple[FloatArray, FloatArray, FloatArray, FloatArray, IndexArray, FloatArray]
"""z, r, f, q, at and scale of the kernels."""
_BLOCK = 1 << 16
_MOST = 1e75
"""Of a coefficient of a transition; noise and diffuse variance may be its square."""


@dataclass(frozen=True)
class Estimates:
    """Of m series at T times, by a model of n components: level, velocity, acceleration.

    `mean` and `sd` [n, m, T]: given the series up to each time (filter), or all of it (smooth); NaN and infinite where
    it does not tell yet. `innovation` [m, T]: a measurement less its prediction; `nis` [m, T]: its square over its
    variance, chi-squared with one degree of freedom if the model is right, NaN while the prediction is diffuse. `used`
    [m, T]: whether there was a measurement and it passed the gate.
    `loglik` [m]: exact diffuse, by prediction errors (Durbin, Koopman 7.2). `states` [m, STATE]: where the filter
    ended, to go on from.
    """

    time: FloatArray
    mean: FloatArray
    sd: FloatArray
    innovation: FloatArray
    nis: FloatArray
    used: NDArray[np.bool_]
    loglik: FloatArray
    states: FloatArray


@dataclass(frozen=True)
class Steps:
    """The distinct steps between the times: transitions `f` [U, 3], noises of q = 1 `q` [U, 6], and which of them each
    step is, `at` [T]."""

    f: FloatArray
    q: FloatArray
    at: IndexArray

    @classmethod
    def between(cls, time: FloatArray, motion: Motion, since: float | None = None) -> "Steps":
        """`since`: the time at which the first step sets out; the first of `time` without.

        Raises ValueError where the times run backwards.
        """
        steps = np.diff(time, prepend=time[0] if since is None else since)
        if not (steps >= 0).all():
            raise ValueError("times must not run backwards")
        lengths, at = np.unique(steps, return_inverse=True)
        f, q = np.zeros((len(lengths), 3)), np.zeros((len(lengths), 6))
        unit = Motion(motion.kind, 1.0, motion.noise)
        rows, columns = np.triu_indices(3)
        f_of = np.flatnonzero((rows < columns) & (columns < motion.size))
        q_of = np.flatnonzero(columns < motion.size)
        for start in range(0, len(lengths), _BLOCK):
            block = slice(start, start + _BLOCK)
            with np.errstate(over="ignore"):
                transition, noise = unit.transition(lengths[block]), unit.process_noise(lengths[block])
            f[block, [("01", "02", "12").index(f"{rows[j]}{columns[j]}") for j in f_of]] = transition[
                :, rows[f_of], columns[f_of]
            ]
            q[block][:, q_of] = noise[:, rows[q_of], columns[q_of]]
        return cls(f, q, at.astype(np.int64))


def _owned(values: FloatArray) -> FloatArray:
    """As the kernels take arrays: of doubles in rows, and not read-only."""
    return np.require(values, np.float64, ["C", "W"])


def unknown(series: int, size: int, unit: float = 1.0) -> FloatArray:
    """[series, STATE]: states of `size` components of which nothing is known.

    The diffuse part is the identity where time is counted by `unit`; near a step's length, digits are kept.
    """
    states = np.zeros((series, STATE))
    states[:, [9, 12, 14][:size]] = unit ** (-2.0 * np.arange(size))
    states[:, 15] = size
    return states


def estimate(
    motion: Motion,
    z: FloatArray,
    r: ArrayLike,
    time: FloatArray,
    *,
    way: Way = "filter",
    q: ArrayLike | None = None,
    gate: float = inf,
    states: FloatArray | None = None,
    since: float | None = None,
) -> Estimates:
    """Filters or smooths `z` [m, T], NaN where missing, measured at `time` [T], which does not decrease.

    `r`: variances of the measurements, one, one a series [m, 1], one a time [1, T] or all [m, T], above 0. `q`: one a
    series [m], else that of `motion`. `gate`: a measurement of a larger NIS is left out. `states` [m, STATE] at the
    time `since`: where to go on from, else nothing is known. Raises ValueError for shapes that do not fit.
    """
    ready = _Ready.of(motion, z, r, time, q, states, since)
    series, length = z.shape
    mean, sd = np.empty((motion.size, series, length)), np.empty((motion.size, series, length))
    innovation, nis = np.empty((series, length)), np.empty((series, length))
    kinds = np.empty((series, length), np.uint8)
    run = run_filter if way == "filter" else run_smoother
    run(*ready.given, gate, ready.states, mean, sd, innovation, nis, kinds, ready.sums)
    used = (kinds == TAKEN) | (kinds == OPENING)
    return Estimates(time, mean, sd, innovation, nis, used, log_likelihood(ready.sums, ready.unit), ready.states)


@dataclass(frozen=True)
class Ends:
    """Where the filters of m series are after the last time: `states` [m, STATE], and `loglik` [m] of what they took
    in on the way."""

    states: FloatArray
    loglik: FloatArray


def advance(
    motion: Motion,
    z: FloatArray,
    r: ArrayLike,
    time: FloatArray,
    *,
    q: ArrayLike | None = None,
    gate: float = inf,
    states: FloatArray | None = None,
    since: float | None = None,
) -> Ends:
    """As `estimate` by the filter, with nothing kept on the way: for who asks where the series are now."""
    ready = _Ready.of(motion, z, r, time, q, states, since)
    run_to_the_end(ready.given, gate, ready.states, ready.sums)
    return Ends(ready.states, log_likelihood(ready.sums, ready.unit))


@dataclass(frozen=True)
class _Ready:
    """Checked and laid out as the kernels take it."""

    given: Given
    states: FloatArray
    sums: FloatArray
    unit: float

    @classmethod
    def of(
        cls,
        motion: Motion,
        z: FloatArray,
        r: ArrayLike,
        time: FloatArray,
        q: ArrayLike | None,
        states: FloatArray | None,
        since: float | None,
    ) -> "_Ready":
        series, length = z.shape
        variances = np.atleast_2d(np.asarray(r, np.float64))
        scale = np.broadcast_to(np.asarray(motion.q if q is None else q, np.float64), (series,)).copy()
        if time.shape != (length,) or any(a not in (1, b) for a, b in zip(variances.shape, z.shape, strict=True)):
            raise ValueError(f"{z.shape} measurements, {time.shape} times and {variances.shape} variances do not fit")
        if not ((variances > 0) & (variances < inf)).all() or not ((scale >= 0) & (scale < inf)).all():
            raise ValueError("a measurement's variance is above 0, q is 0 or more, and both are finite")
        steps = Steps.between(time, motion, since)
        if not (np.abs(steps.f).max(initial=0) < _MOST and steps.q.max(initial=0) * scale.max(initial=0) < _MOST**2):
            detail = "has a step so long that the state's variance leaves the range of numbers; use larger units"
            raise Unprocessable(f"/time {detail}", errors=[FieldError("/time", detail)])
        unit = median_step(time) if states is None else 1.0
        ends = unknown(series, motion.size, unit) if states is None else states.copy()
        given = (_owned(z), _owned(variances), steps.f, steps.q, steps.at, scale)
        return cls(given, ends, np.zeros((series, SUMS)), unit)


def run_to_the_end(given: Given, gate: float, states: FloatArray, sums: FloatArray) -> None:
    """The filter, with nothing kept on the way: writes where it ends, and the sums."""
    nothing, none = np.empty((0, 0, 0)), np.empty((0, 0))
    run_filter(*given, gate, states, nothing, nothing, none, none, np.empty((0, 0), np.uint8), sums)


def threshold(gate: float | None) -> float:
    """The NIS above which a measurement is beyond the share `gate` of what is expected; infinite where None."""
    return inf if gate is None else float(chdtri(1, 1 - gate))


def median_step(time: FloatArray) -> float:
    """Of the steps above 0; 1 where there is none."""
    steps = np.diff(time)
    return float(np.median(steps[steps > 0])) if (steps > 0).any() else 1.0


def log_likelihood(sums: FloatArray, unit: float = 1.0) -> FloatArray:
    """[...]: of sums [..., SUMS] from a state that was unknown by `unit`, as if the diffuse part had been the
    identity."""
    by_unit = sums[..., 1] * (sums[..., 1] - 1) * log(unit)
    return -0.5 * (sums[..., 0] * LOG_2PI + sums[..., 2] + sums[..., 3] + by_unit)
