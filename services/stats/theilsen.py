"""Lines through medians of slopes: Theil-Sen (Theil 1950, Sen 1968) and Siegel's repeated medians (Siegel 1982)."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from services.stats import sen
from services.stats.design import FloatArray
from services.stats.mestimation import NORMAL_MAD
from services.stats.slopeselection import count_slopes, select_slopes
from shared.errors import FieldError, TooLarge, Unprocessable

MOST_THEIL_SEN = 200_000
"""Points of a Theil-Sen line, if no two have the same x."""
MOST_TIED = 20_000
"""Its points where some have the same x, since the time then grows as their square: some ten seconds of one core."""
MOST_SIEGEL = 20_000
"""Points of a line by repeated medians, whose time grows so too."""
_DIRECT = 4_096
"""Up to so many points all slopes are computed and sorted."""
_BLOCK_SLOPES = 1 << 20


@dataclass(frozen=True)
class Line:
    """y = `intercept` + `slope` x; `scale`: the median absolute residual as normal errors' standard deviation.
    `slope_ci` is Sen's two-sided interval (2,), NaN for Siegel's line, which has none."""

    slope: float
    intercept: float
    slope_ci: FloatArray
    scale: float


def theil_sen(x: FloatArray, y: FloatArray, confidence: float, *, check: Callable[[], None] = lambda: None) -> Line:
    """The median slope of all pairs of points whose x differ, and median(y) - slope median(x).

    The interval is Sen's (1968, eq. 2.6), with his correction for ties. `check` is called now and then and may raise
    to end it. Raises Unprocessable where all x are one, and TooLarge for more than `MOST_THEIL_SEN` points, or
    `MOST_TIED` where some have the same x.
    """
    order = np.argsort(x, kind="stable")
    xs, ys = x[order], y[order]
    tied = bool((xs[1:] == xs[:-1]).any())
    _check(x, MOST_TIED if tied else MOST_THEIL_SEN, "theil_sen")
    n, pairs = len(x), count_slopes(xs)
    variance = (n * (n - 1) * (2 * n + 5) - _tie_sum(x) - _tie_sum(y)) / 18
    reach = -float(ndtri((1 - confidence) / 2)) * math.sqrt(max(0, variance))
    low = max(0, round((pairs - reach) / 2) - 1)
    high = min(pairs - 1, round((pairs + reach) / 2))
    first, second, *limits = _slopes_at(xs, ys, [(pairs - 1) // 2, pairs // 2, low, high], tied, check)
    slope = (first + second) / 2
    return _line(x, y, slope, float(np.median(y) - slope * np.median(x)), np.array(limits))


def _slopes_at(x: FloatArray, y: FloatArray, ranks: list[int], tied: bool, check: Callable[[], None]) -> list[float]:
    """Of these ranks, from 0, among those between points of different `x`, which does not fall."""
    if len(x) <= _DIRECT:
        run, rise = sen.differences(x), sen.differences(y)
        some = run > 0
        values = np.sort(rise[some] / run[some])
        return [float(values[rank]) for rank in ranks]
    if tied:
        return select_slopes(x, y, ranks, check=check)
    slopes = sen.Slopes([(y, x)], check)
    return [*slopes.at(ranks[0], ranks[1]), *(slopes.at(rank, rank)[0] for rank in ranks[2:])]


def _tie_sum(values: FloatArray) -> int:
    """The sum of k (k - 1) (2 k + 5) over the ties of k equal values."""
    k = np.unique(values, return_counts=True)[1]
    return int((k * (k - 1) * (2 * k + 5)).sum())


def siegel(x: FloatArray, y: FloatArray, *, check: Callable[[], None] = lambda: None) -> Line:
    """The median over the points of the median slope to all points of other x, and the median of y - slope x.

    `check` is called now and then and may raise to end it. Raises as `theil_sen`, for more than `MOST_SIEGEL`.
    """
    _check(x, MOST_SIEGEL, "siegel")
    medians = np.empty(len(x))
    rows = max(1, _BLOCK_SLOPES // len(x))
    for start in range(0, len(x), rows):
        check()
        part = slice(start, start + rows)
        run = x - x[part, None]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            slopes = np.where(run == 0, np.nan, (y - y[part, None]) / run)
        medians[part] = _row_medians(slopes)
    slope = float(np.median(medians))
    return _line(x, y, slope, float(np.median(y - slope * x)), np.full(2, np.nan))


def _row_medians(slopes: FloatArray) -> FloatArray:
    """Of the entries that are not NaN, of which each row has some; `slopes` is sorted."""
    slopes.sort(axis=1)  # NaN last
    count = slopes.shape[1] - np.isnan(slopes).sum(axis=1)
    each = np.arange(len(slopes))
    medians: FloatArray = (slopes[each, (count - 1) // 2] + slopes[each, count // 2]) / 2
    return medians


def _line(x: FloatArray, y: FloatArray, slope: float, intercept: float, slope_ci: FloatArray) -> Line:
    scale = float(np.median(np.abs(y - intercept - slope * x))) / NORMAL_MAD
    return Line(slope, intercept, slope_ci, scale)


def _check(x: FloatArray, most: int, method: str) -> None:
    if len(x) > most:
        raise TooLarge(f"{method} takes {most:,} points, and here are {len(x):,}: leave some out, or use huber")
    if len(x) < 2 or not np.ptp(x):
        detail = "does not vary: a line needs two points of different x"
        raise Unprocessable(f"/x {detail}", errors=[FieldError("/x", detail)])
