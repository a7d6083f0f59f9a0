"""Kendall's score, its ties, and Sen's slope with its limits, of series of equal length at once."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from services.stats.kernels import rows
from services.stats.kernels.selection import order_statistics
from services.stats.leastsquares import FloatArray
from services.stats.sen import IndexArray, Points, Slopes, all_slopes

DIRECT_PAIRS = 1 << 20
"""Up to so many slopes are simply all computed, where the kernel could not tell them apart."""


@dataclass(frozen=True)
class Scores:
    """Of series with the same number of points, one entry a series.

    `tied` is the number of tied pairs, `ties` the sum over ties (of m equal values) of m(m-1)(2m+5).
    """

    s: IndexArray
    ties: IndexArray
    tied: IndexArray
    slope: FloatArray
    slope_ci: FloatArray
    x_mid: FloatArray


def kendall_scores(
    x: FloatArray,
    t: FloatArray,
    alpha: float,
    factors: FloatArray | None = None,
    check: Callable[[], None] = lambda: None,
) -> Scores:
    """For `x` of shape (series, n) and `t` of that shape or (1, n), without missing values. `factors`, one a series,
    are of the variance by which the limits are placed."""
    count, n = x.shape
    widths = np.full(count, -float(ndtri(alpha / 2)))
    if factors is not None:
        widths *= np.sqrt(factors)
    earlier, later = _sample_pairs(n, rows.sample_size(n))
    out = np.empty((7, count))
    x, t = (np.require(each, np.float64, ["C", "W"]) for each in (x, t))
    done = rows.score_rows(x, t, widths, rows.room(n), earlier, later, out)
    for k in np.flatnonzero(~done).tolist():
        variance = float(score_variance(n, out[1, k])) * (1.0 if factors is None else float(factors[k]))
        group = [(x[k], t[k % len(t)])]
        out[3:6, k] = sen_slope(group, variance, alpha, check)
    integers = out[:3].astype(np.int64)
    return Scores(integers[0], integers[1], integers[2], out[3], out[4:6].T, out[6])


def sen_slope(
    groups: list[Points], variance: float, alpha: float, check: Callable[[], None] = lambda: None
) -> tuple[float, float, float]:
    """The median of the slopes within the groups, and its limits by the variance of the score (see `limit_ranks`)."""
    pairs = sum(len(x) * (len(x) - 1) // 2 for x, _ in groups)
    low, high = limit_ranks(pairs, variance, alpha)
    if pairs > DIRECT_PAIRS:
        slopes = Slopes(groups, check)
        middle = slopes.at((pairs - 1) // 2, pairs // 2)
        return sum(middle) / 2, slopes.at(low, low)[0], slopes.at(high, high)[0]
    ranks = np.array([low, (pairs - 1) // 2, pairs // 2, high])
    first, left, right, last = order_statistics(all_slopes(groups), ranks).tolist()
    return (left + right) / 2, first, last


def limit_ranks(pairs: int, variance: float, alpha: float) -> tuple[int, int]:
    """Ranks, from 0, of the slopes that bound the median's interval (Gilbert 1987, eq. 16.7; Sen 1968)."""
    reach = -float(ndtri(alpha / 2)) * np.sqrt(variance)
    return max(round((pairs - reach) / 2) - 1, 0), min(round((pairs + reach) / 2), pairs - 1)


def score_variance(n: npt.ArrayLike, ties: npt.ArrayLike) -> FloatArray:
    n = np.asarray(n, dtype=np.int64)
    variance: FloatArray = (n * (n - 1) * (2 * n + 5) - np.asarray(ties)) / 18
    return variance


@lru_cache(maxsize=256)
def _sample_pairs(n: int, size: int) -> tuple[IndexArray, IndexArray]:
    """Pairs of points, spread evenly over all pairs in the order of their distance, each at random in its share."""
    pairs = n * (n - 1) // 2
    places = np.floor((np.arange(size) + np.random.default_rng(n).random(size)) * (pairs / size)).astype(np.int64)
    of_lag = np.concatenate(([0], np.cumsum(np.arange(n - 1, 0, -1))))
    lag = np.searchsorted(of_lag, places, side="right")
    earlier = places - of_lag[lag - 1]
    return earlier, earlier + lag
