"""Kendall's score, its ties, and Sen's slope with its limits, of series of equal length at once."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from services.stats import sen
from services.stats.inversions import IndexArray, count_inversions
from services.stats.leastsquares import FloatArray

_SORTED_PAIRS = 1 << 13
"""Up to so many slopes are sorted; beyond, selecting single ranks is faster."""


@dataclass(frozen=True)
class Scores:
    """Of series with the same number of points, one entry a series; `ties` is the sum over ties of m(m-1)(2m+5)."""

    s: IndexArray
    ties: IndexArray
    slope: FloatArray
    slope_ci: FloatArray


def kendall_scores(x: FloatArray, t: FloatArray, alpha: float) -> Scores:
    """For `x` and `t` of shape (series, n), without missing values."""
    rows, n = x.shape
    pairs = n * (n - 1) // 2
    ties = _tie_sums(x)
    low, high = _limit_ranks(n, ties, alpha)
    if pairs > sen.DIRECT_PAIRS:
        slopes = sen.Slopes(x[0], t[0])
        middle = slopes.at((pairs - 1) // 2, pairs // 2)
        limits = [slopes.at(rank, rank)[0] for rank in (int(low[0]), int(high[0]))]
        return Scores(np.array([_score(x[0])]), ties, np.array([sum(middle) / 2]), np.array([limits]))
    values = sen.differences(x)
    score = (values > 0).sum(axis=1, dtype=np.int32) - (values < 0).sum(axis=1, dtype=np.int32)
    with np.errstate(over="ignore", under="ignore"):
        values /= sen.differences(t)
    if pairs <= _SORTED_PAIRS:
        values.sort(axis=1)
        each = np.arange(rows)
        slope = (values[:, (pairs - 1) // 2] + values[:, pairs // 2]) / 2
        return Scores(score, ties, slope, np.column_stack([values[each, low], values[each, high]]))
    picked = np.array([_pick(*row) for row in zip(values, low.tolist(), high.tolist(), strict=True)])
    return Scores(score, ties, picked[:, 0], picked[:, 1:])


def _pick(values: FloatArray, low: int, high: int) -> tuple[float, float, float]:
    """The median, and the values of ranks `low` below it and `high` not below it; `values` is rearranged.

    One rank at a time: NumPy selects several at once far more slowly.
    """
    middle = len(values) // 2
    low = min(low, middle - 1)  # differs for a constant series only, whose slopes are all 0
    values.partition(middle)
    left, right = values[:middle], values[middle:]
    median = values[middle] if len(values) % 2 else (left.max() + values[middle]) / 2
    left.partition(low)
    right.partition(high - middle)
    return float(median), float(left[low]), float(right[high - middle])


def _score(x: FloatArray) -> int:
    """Kendall's score of one series: rising pairs less falling ones."""
    ranks = np.unique(x, return_inverse=True)[1]
    return count_inversions(ranks.max() - ranks) - count_inversions(ranks)


def _tie_sums(x: FloatArray) -> IndexArray:
    """The sum of m(m-1)(2m+5) over the ties (of m equal values) in each row."""
    ordered = np.sort(x, axis=1)
    tied = ordered[:, 1:] == ordered[:, :-1]
    sums = np.zeros(len(x), dtype=np.int64)
    some = np.flatnonzero(tied.any(axis=1))
    if len(some):
        places = np.arange(1, x.shape[1])
        first = np.maximum.accumulate(np.where(tied[some], 0, places), axis=1)
        k = places - first  # how many equal values stand before
        sums[some] = np.sum(6 * k * (k + 2), axis=1)  # what one more adds to m(m-1)(2m+5)
    return sums


def score_variance(n: npt.ArrayLike, ties: npt.ArrayLike) -> FloatArray:
    n = np.asarray(n, dtype=np.int64)
    variance: FloatArray = (n * (n - 1) * (2 * n + 5) - np.asarray(ties)) / 18
    return variance


def _limit_ranks(n: int, ties: IndexArray, alpha: float) -> tuple[IndexArray, IndexArray]:
    """Ranks, from 0, of the slopes that bound the median's interval (Gilbert 1987, eq. 16.7; Sen 1968)."""
    pairs = n * (n - 1) // 2
    reach = -ndtri(alpha / 2) * np.sqrt(score_variance(n, ties))
    low = np.maximum(np.round((pairs - reach) / 2).astype(np.int64) - 1, 0)
    high = np.minimum(np.round((pairs + reach) / 2).astype(np.int64), pairs - 1)
    return low, high
