"""Order statistics of slopes between points, in O(n log n) time and O(n) memory, whatever the data.

A pair's slope is below theta exactly where x - theta t is inverted (Cole et al. 1989; Matousek 1991). A bracket from
a sample of slopes is counted so, narrowed until few slopes are left in it, and those are listed and sorted. x - theta t
is taken to some 104 bits, so that long ties, lines and large offsets are ordered as they are.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from services.stats.kernels.ordering import count_inversions, list_inversions, order_exactly
from services.stats.kernels.rows import group_slopes
from services.stats.leastsquares import FloatArray

IndexArray = npt.NDArray[np.int64]

LISTED_PAIRS = 1 << 20
_SAMPLE = 1 << 18
_ULP = float(np.finfo(float).eps)
Points = tuple[FloatArray, FloatArray]
"""Values, and the strictly increasing times at which they were taken."""


def all_slopes(groups: Sequence[Points]) -> FloatArray:
    """Of all pairs within each of the groups, lag by lag."""
    starts = np.cumsum([0, *(len(x) for x, _ in groups)])
    slopes = np.empty(sum(len(x) * (len(x) - 1) // 2 for x, _ in groups))
    x, t = (np.concatenate(each) for each in zip(*groups, strict=True))
    group_slopes(x.astype(np.float64), t.astype(np.float64), starts, slopes)
    return slopes


def differences(x: FloatArray) -> FloatArray:
    """x[j] - x[i] of all i < j, lag by lag."""
    n = len(x)
    out = np.empty(n * (n - 1) // 2)
    start = 0
    for lag in range(1, n):
        np.subtract(x[lag:], x[:-lag], out=out[start : start + n - lag])
        start += n - lag
    return out


class Slopes:
    """The slopes within `groups` of points: those between points of different groups are not among them."""

    def __init__(self, groups: Sequence[Points], check: Callable[[], None] = lambda: None) -> None:
        self.groups = [(np.array(x, np.float64), np.array(t, np.float64)) for x, t in groups if len(x) > 1]
        self.check = check
        self._counts: dict[tuple[float, bool], int] = {}
        of_group = [len(x) * (len(x) - 1) // 2 for x, _ in self.groups]
        self.pairs = sum(of_group)
        size = min(_SAMPLE, max(1 << 14, self.pairs >> 4))
        rng = np.random.default_rng(0)
        parts = [
            _sample(x, t, size * pairs // self.pairs + 1, rng)
            for (x, t), pairs in zip(self.groups, of_group, strict=True)
        ]
        self.sample = np.sort(np.concatenate(parts)) + 0.0  # no negative zero

    def at(self, low: int, high: int) -> tuple[float, float]:
        """The slopes of ranks `low` <= `high` (neighbours, from 0).

        Where more than `LISTED_PAIRS` slopes lie within 32 units in the last place of each other, one of them
        stands for all.
        """
        while True:
            (lo, below), (hi, upto) = self._bracket(low, high)
            inside = self.sample[np.searchsorted(self.sample, lo) : np.searchsorted(self.sample, hi, "right")]
            if upto - below <= LISTED_PAIRS or not len(inside):
                break
            if math.isfinite(hi - lo) and hi - lo <= 32 * _ULP * max(abs(lo), abs(hi)):
                return (float(inside[len(inside) // 2]),) * 2
            lower, upper = self._pivots(inside, (low - below) / (upto - below))
            if lo < lower < hi and self.count(lower, or_equal=False) > high:
                self.count(lower, or_equal=True)
            if lo < upper < hi and self.count(upper, or_equal=True) <= low:
                self.count(upper, or_equal=False)
            if ((lo, below), (hi, upto)) == self._bracket(low, high):
                break
        return self._pick(lo, hi, low, high)

    def _bracket(self, low: int, high: int) -> tuple[tuple[float, int], tuple[float, int]]:
        """The narrowest that what has been counted allows, each end with its count."""
        lows = [(theta, count) for (theta, equal), count in self._counts.items() if not equal and count <= low]
        highs = [(theta, count) for (theta, equal), count in self._counts.items() if equal and count > high]
        return max(lows, default=(-math.inf, 0)), min(highs, default=(math.inf, self.pairs))

    def count(self, theta: float, *, or_equal: bool) -> int:
        """How many slopes are below `theta` (or equal to it)."""
        if (theta, or_equal) not in self._counts:
            self.check()
            self._counts[theta, or_equal] = sum(
                order_exactly(x, t, theta, or_equal, np.empty(len(x), dtype=np.int64)) for x, t in self.groups
            )
        return self._counts[theta, or_equal]

    def between(self, lo: float, hi: float) -> FloatArray:
        """The slopes from `lo` to `hi`, both included, in no order."""
        self.check()
        return np.concatenate([_between(x, t, lo, hi) for x, t in self.groups])

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


def _sample(x: FloatArray, t: FloatArray, size: int, rng: np.random.Generator) -> FloatArray:
    i = rng.integers(0, len(x), size)
    j = (i + rng.integers(1, len(x), size)) % len(x)
    slopes: FloatArray = (x[j] - x[i]) / (t[j] - t[i])
    return slopes


def _between(x: FloatArray, t: FloatArray, lo: float, hi: float) -> FloatArray:
    steps = np.arange(len(x))
    order, to = steps.copy(), steps[::-1].copy()
    if lo > -math.inf:
        order_exactly(x, t, lo, False, order)
    if hi < math.inf:
        order_exactly(x, t, hi, True, to)
    ranks = np.empty_like(steps)
    ranks[to] = steps
    ranks = ranks[order]
    i, j = np.empty((2, count_inversions(ranks)), dtype=np.int64)
    list_inversions(ranks, order, i, j)
    slopes: FloatArray = (x[j] - x[i]) / (t[j] - t[i])
    return slopes
