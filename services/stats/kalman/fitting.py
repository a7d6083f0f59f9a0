"""q and r of a series by maximum likelihood.

The exact diffuse likelihood depends on the scale of both in closed form (Durbin, Koopman 2.10.2), so that one number is
left to search for, their ratio. It is tried on a grid over all that a series of this length can tell apart, since the
likelihood may have several maxima, and then followed to the highest by golden sections.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.stats.kalman.filtering import Steps, log_likelihood, median_step, run_to_the_end, unknown
from services.stats.kalman.kernels.step import SUMS, FloatArray
from shared.kalman import Motion

MOST = 8.0
"""The largest exponent of the ratio that is tried, in units of the median step: above, nothing is noise."""
_SPARE = 2.0
"""Decades below the ratio that moves the state by a measurement's noise in the whole time, where the grid begins."""
_SECTIONS = 44
"""Of a golden section each: a grid's cell to 1e-9 of itself."""
_GOLDEN = (np.sqrt(5.0) - 1) / 2


@dataclass(frozen=True)
class Fit:
    """Of m series: `q`, `r` and `loglik` [m] at them, NaN where a series has too few measurements to tell.

    `still` [m]: the likelihood is highest where the state does not move, q = 0; `noiseless` [m]: it still rises where
    r is so small that it is not told from 0.
    """

    q: FloatArray
    r: FloatArray
    loglik: FloatArray
    still: NDArray[np.bool_]
    noiseless: NDArray[np.bool_]


def least_measurements(motion: Motion) -> int:
    """So many are unknown at the start, and two more tell q from r."""
    return motion.size + 2


def fit(
    motion: Motion,
    z: FloatArray,
    time: FloatArray,
    *,
    q: float | None = None,
    r: float | None = None,
    check: Callable[[], None] = lambda: None,
    report: Callable[[float], None] = lambda _: None,
) -> Fit:
    """Fits `z` [m, T], NaN where missing, at `time` [T]; what of `q` and `r` is given is kept.

    `check` is called now and then and may raise to end it, `report` with the share that is done.
    """
    search = _Search(motion, z, time, q, r, check, report)
    found = search.highest()
    ratio = np.where(search.still(found), 0.0, search.of(found))
    sums = search.sums(ratio)
    scale = search.scale(ratio, sums)
    loglik = search.loglik(ratio, sums)
    enough = np.count_nonzero(~np.isnan(z), axis=1) >= least_measurements(motion)
    enough &= np.isfinite(loglik)
    strength, variance, height = (np.where(enough, each, np.nan) for each in (ratio * scale, scale, loglik))
    return Fit(
        strength,
        variance,
        height,
        still=enough & (ratio == 0),
        noiseless=enough & (found > search.exponents[-1] - search.cell),
    )


class _Search:
    """Over log10 of the ratio q / r, for all series side by side."""

    def __init__(
        self,
        motion: Motion,
        z: FloatArray,
        time: FloatArray,
        q: float | None,
        r: float | None,
        check: Callable[[], None],
        report: Callable[[float], None],
    ) -> None:
        self.z = np.require(z, np.float64, ["C", "W"])
        self.q, self.r = q, r
        self.steps = Steps.between(time, motion)
        self._check, self._report = check, report
        self.step = median_step(time)
        self.start = unknown(len(z), motion.size, self.step)
        # q of a step moves the level by q dt^(2n - 1), or by q dt^(2n - 2) where it is constant within the step
        power = 2 * motion.size - (1 if motion.noise == "continuous" else 2)
        self.unit = -power * np.log10(self.step)
        least = -power * np.log10(max(1.0, (time[-1] - time[0]) / self.step)) - _SPARE
        self.exponents = np.linspace(least, MOST, int(2 * (MOST - least)) + 2)
        self._done, self._all = 0, len(self.exponents) + _SECTIONS + 5
        self.cell = float(self.exponents[1] - self.exponents[0])

    def of(self, exponent: FloatArray) -> FloatArray:
        return np.asarray(10.0 ** (exponent + self.unit))

    def sums(self, ratio: FloatArray) -> FloatArray:
        """With r = 1 and q = ratio [m]."""
        self._check()
        sums = np.zeros((len(self.z), SUMS))
        f = self.steps
        run_to_the_end((self.z, np.ones((1, 1)), f.f, f.q, f.at, ratio), np.inf, self.start.copy(), sums)
        self._done += 1
        self._report(self._done / self._all)
        return sums

    def scale(self, ratio: FloatArray, sums: FloatArray) -> FloatArray:
        """r [m]: given, by the given q, or the likeliest."""
        if self.r is not None:
            return np.full(len(self.z), self.r)
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.q is not None:
                return np.asarray(self.q / ratio)
            return np.asarray(sums[:, 3] / (sums[:, 0] - sums[:, 1]))

    def loglik(self, ratio: FloatArray, sums: FloatArray) -> FloatArray:
        scale = self.scale(ratio, sums)
        settled = sums[:, 0] - sums[:, 1]
        scaled = sums.copy()
        with np.errstate(divide="ignore", invalid="ignore"):
            scaled[:, 2] += settled * np.log(scale)
            scaled[:, 3] /= scale
        return np.asarray(log_likelihood(scaled, self.step))

    def at(self, exponent: FloatArray) -> FloatArray:
        ratio = self.of(exponent)
        found = self.loglik(ratio, self.sums(ratio))
        return np.where(np.isnan(found), -np.inf, found)

    def highest(self) -> FloatArray:
        """[m]: the exponent at which each is likeliest."""
        tried = np.array([self.at(np.full(len(self.z), each)) for each in self.exponents])
        best = self.exponents[np.argmax(tried, axis=0)]
        low = np.maximum(best - self.cell, self.exponents[0])
        high = np.minimum(best + self.cell, self.exponents[-1])
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        at_left, at_right = self.at(left), self.at(right)
        for _ in range(_SECTIONS):
            lower = at_left >= at_right
            low, high = np.where(lower, low, left), np.where(lower, right, high)
            new = np.where(lower, high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))
            left, right = np.where(lower, new, right), np.where(lower, left, new)
            at_new = self.at(new)
            at_left, at_right = np.where(lower, at_new, at_right), np.where(lower, at_left, at_new)
        highest: FloatArray = np.where(at_left >= at_right, left, right)
        return highest

    def still(self, found: FloatArray) -> NDArray[np.bool_]:
        """[m]: whether nothing is as likely as a state that does not move."""
        if self.q is not None:
            return np.zeros(len(self.z), bool)
        none = np.zeros(len(self.z))
        return np.asarray(self.loglik(none, self.sums(none)) >= self.at(found))
