"""Order statistics of the n(n-1)/2 slopes between the points of a series, in O(n log n) time and O(n) memory.

A pair's slope is below theta exactly where x - theta t is inverted (Cole et al. 1989; Matousek 1991). A bracket from
a sample of slopes is counted so, narrowed until few slopes are left in it, and those are listed and sorted.
"""

import math

import numpy as np

from services.stats.inversions import IndexArray, count_inversions, list_inversions
from services.stats.leastsquares import FloatArray

DIRECT_PAIRS = 1 << 20
"""Up to so many slopes are simply all computed."""
LISTED_PAIRS = 1 << 20
_SAMPLE = 1 << 20
_BLOCK = 1 << 17
_ULP = float(np.finfo(float).eps)


def differences(x: FloatArray, out: FloatArray | None = None) -> FloatArray:
    """x[j] - x[i] of all i < j along the last axis, lag by lag: shape (..., n(n-1)/2)."""
    n = x.shape[-1]
    out = np.empty((*x.shape[:-1], n * (n - 1) // 2)) if out is None else out
    start = 0
    for lag in range(1, n):
        np.subtract(x[..., lag:], x[..., :-lag], out=out[..., start : start + n - lag])
        start += n - lag
    return out


class Slopes:
    """The slopes of one long series `x` at the strictly increasing times `t`."""

    def __init__(self, x: FloatArray, t: FloatArray) -> None:
        self.x, self.t = x, t
        self.pairs = len(x) * (len(x) - 1) // 2
        rng = np.random.default_rng(0)
        size = min(_SAMPLE, max(1 << 14, self.pairs >> 4))
        i = rng.integers(0, len(x), size)
        j = (i + rng.integers(1, len(x), size)) % len(x)
        self.sample = np.sort((x[j] - x[i]) / (t[j] - t[i])) + 0.0  # no negative zero

    def at(self, low: int, high: int) -> tuple[float, float]:
        """The slopes of ranks `low` <= `high` (neighbours, from 0).

        Where more than `LISTED_PAIRS` slopes lie within 32 units in the last place of each other, one of them
        stands for all.
        """
        below, upto, lo, hi = 0, self.pairs, -math.inf, math.inf
        while upto - below > LISTED_PAIRS:
            inside = self.sample[np.searchsorted(self.sample, lo) : np.searchsorted(self.sample, hi, "right")]
            if math.isfinite(hi - lo) and hi - lo <= 32 * _ULP * max(abs(lo), abs(hi)):
                return (float(inside[len(inside) // 2]),) * 2
            was = lo, hi
            lower, upper = self._pivots(inside, (low - below) / (upto - below))
            if lo < lower < hi:
                if (count := self.count(lower, or_equal=False)) <= low:
                    lo, below = lower, count
                elif count > high:
                    hi, upto = lower, self.count(lower, or_equal=True)
            if lo < upper < hi:
                if (count := self.count(upper, or_equal=True)) > high:
                    hi, upto = upper, count
                elif count <= low:
                    lo, below = upper, self.count(upper, or_equal=False)
            if (lo, hi) == was:
                break
        return self._pick(lo, hi, low, high)

    def count(self, theta: float, *, or_equal: bool) -> int:
        """How many slopes are below `theta` (or equal to it)."""
        order = self._order(theta, or_equal=or_equal)
        return count_inversions(order)

    def between(self, lo: float, hi: float) -> FloatArray:
        """The slopes from `lo` to `hi`, both included, in no order."""
        steps = np.arange(len(self.x))
        order = self._order(lo, or_equal=False) if lo > -math.inf else steps
        ranks = np.empty_like(steps)
        ranks[self._order(hi, or_equal=True) if hi < math.inf else steps[::-1]] = steps
        parts = []
        for first, second in list_inversions(ranks[order], _BLOCK):
            i, j = order[first], order[second]
            parts.append((self.x[j] - self.x[i]) / (self.t[j] - self.t[i]))
        return np.concatenate(parts) if parts else np.empty(0)

    def _pivots(self, inside: FloatArray, fraction: float) -> tuple[float, float]:
        """Two values, a little off any slope, that bracket the given quantile of `inside` in 999 cases of 1,000."""
        size = len(inside)
        spread = 3.3 * math.sqrt(size * max(fraction * (1 - fraction), 4 / size))
        lower = max(0, math.floor(fraction * size - spread))
        upper = min(size - 1, math.ceil(fraction * size + spread))
        low, high = float(inside[lower]), float(inside[upper])
        return low - 12 * _ULP * abs(low), high + 12 * _ULP * abs(high)

    def _pick(self, lo: float, hi: float, low: int, high: int) -> tuple[float, float]:
        """A slope of rank near the edges may be out of its true order by rounding: then the bracket is widened."""
        while True:
            below = self.count(lo, or_equal=False) if lo > -math.inf else 0
            slopes = np.partition(self.between(lo, hi), sorted({low - below, high - below}))
            first, last = float(slopes[low - below]), float(slopes[high - below])
            margin_lo = 4 * _ULP * abs(lo) if lo > -math.inf else 0.0
            margin_hi = 4 * _ULP * abs(hi) if hi < math.inf else 0.0
            if first >= lo + margin_lo and last <= hi - margin_hi:
                return first, last
            lo, hi = lo - 4 * margin_lo, hi + 4 * margin_hi

    def _order(self, theta: float, *, or_equal: bool) -> IndexArray:
        """The points in the order of x - theta t; equal ones in the order of time, or against it for `or_equal`."""
        high, low = _residuals(self.x, self.t, theta)
        if or_equal:
            high, low = high[::-1], low[::-1]
        order = np.argsort(high)
        ordered = high[order]
        if (ordered[1:] == ordered[:-1]).any():
            order = np.lexsort((low, high))
        return len(high) - 1 - order if or_equal else order


def _residuals(x: FloatArray, t: FloatArray, theta: float) -> tuple[FloatArray, FloatArray]:
    """x - theta t as a sum of two doubles, to some 104 bits (two-product by Veltkamp's split, two-sum by Knuth)."""
    product = theta * t
    split = 134217729.0
    theta_high = split * theta - (split * theta - theta)
    t_high = split * t - (split * t - t)
    theta_low, t_low = theta - theta_high, t - t_high
    error = theta_low * t_low - (((product - theta_high * t_high) - theta_low * t_high) - theta_high * t_low)
    total = x - product
    shadow = total - x
    rest = ((x - (total - shadow)) - (product + shadow)) - error
    high = total + rest
    return high, rest - (high - total)
