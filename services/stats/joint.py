"""Trend tests of several columns or seasons as one: Kendall's scores are summed."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, Literal

import numpy as np

from services.stats.concordance import score_covariance
from services.stats.findings import Findings, find, no_finding
from services.stats.leastsquares import FloatArray
from services.stats.scores import sen_slope
from services.stats.sen import Points

Joint = Literal["multivariate", "regional", "correlated_multivariate", "partial"]
Seasonal = Literal["seasonal", "correlated_seasonal"]
MAX_CORRELATED = 366
"""Columns or seasons whose scores' covariance is taken, at most: every one with every other."""


def find_seasonal(
    method: Seasonal,
    series: Sequence[FloatArray],
    time: FloatArray | None,
    alpha: float,
    period: int,
    check: Callable[[], None],
    report: Callable[[float], None],
) -> Findings:
    """Each of `series` by its seasons: place k belongs to season k mod `period` (Hirsch and Slack 1984). Slopes are a
    period, or a unit of `time` where that is given."""
    found = []
    for k, x in enumerate(series):
        check()
        places, there = np.arange(float(len(x))), ~np.isnan(x)
        middle = _median(places[there]) / period if time is None else _median(time[there])
        seasons = [x[season::period] for season in range(min(period, len(x)))]
        times = [places[: len(one)] if time is None else time[k::period] for k, one in enumerate(seasons)]
        found.append(_combined(seasons, times, middle, alpha, correlated=method == "correlated_seasonal", check=check))
        report((k + 1) / len(series))
    return _together(found)


def find_joint(
    method: Joint,
    columns: Sequence[FloatArray],
    time: FloatArray | None,
    alpha: float,
    check: Callable[[], None],
) -> Findings:
    """One test of all columns, equally long. Without `time` a column is a season of the row, as in pymannkendall: only
    the intercept can tell."""
    table = np.stack(columns)
    count, rows = table.shape
    clock = np.arange(rows, dtype=np.float64) if time is None else time
    if method == "partial":
        return _partial(table, time, alpha, check)
    there = ~np.isnan(table.T)
    if time is None:
        middle = _median(np.arange(float(rows * count))[there.ravel()]) / count
    else:
        middle = _median(np.broadcast_to(clock[:, None], there.shape)[there])
    correlated = method == "correlated_multivariate"
    return _combined(list(table), [clock] * count, middle, alpha, correlated=correlated, check=check)


def _combined(
    columns: list[FloatArray],
    times: list[FloatArray],
    t_middle: float,
    alpha: float,
    *,
    correlated: bool,
    check: Callable[[], None],
) -> Findings:
    """`t_middle` is the median time of all values."""
    found = find(columns, alpha=alpha, least=2, check=check)
    values = np.concatenate(columns) if columns else np.empty(0)
    result = no_finding(values)
    result.continuity = not correlated
    pairs = np.nansum(found.pairs)
    if pairs == 0:
        return result
    result.s[0], result.pairs[0], result.untied[0] = np.nansum(found.s), pairs, np.nansum(found.untied)
    result.tau[0] = result.s[0] / pairs
    if result.untied[0] > 0:
        result.tau_b[0] = result.s[0] / result.untied[0]
    variance = 0.0
    for each in found.variance[~np.isnan(found.variance)].tolist():
        variance += each
    if correlated:
        variance = float(np.sum(score_covariance(_table(columns), check)))
    result.variance[0] = variance
    groups = [_points(x, t) for x, t in zip(columns, times, strict=True)]
    slope, low, high = sen_slope(groups, max(0.0, variance), alpha, check)
    result.slope[0], result.slope_ci[0] = slope, (low, high)
    result.intercept[0] = np.nanmedian(values) - t_middle * slope
    return result


def _partial(table: FloatArray, time: FloatArray | None, alpha: float, check: Callable[[], None]) -> Findings:
    """The first column given the second (Libiseller and Grimvall 2002), over rows where both are there; its slope is
    over all its own values. Variances are corrected for ties."""
    both = ~np.isnan(table).any(axis=0)
    result = find([table[0]], alpha=alpha, least=3, time=time, check=check)
    result.continuity = False
    n = int(np.count_nonzero(both))
    if n < 3:
        result.s[0] = np.nan
        return result
    scores = find(list(table[:, both]), alpha=alpha, least=3, check=check)
    covariance = score_covariance(table[:, both], check)
    own, other, shared = covariance[0, 0], covariance[1, 1], covariance[0, 1]
    given = shared / other if other > 0 else 0.0
    back = shared / own if own > 0 else 0.0
    result.s[0] = scores.s[0] - given * scores.s[1]
    result.variance[0] = (1 - given * back) * round(own * 18) / 18
    result.tau[0], result.tau_b[0] = scores.tau[0], scores.tau_b[0]
    result.n[0], result.n_missing[0] = n, table.shape[1] - n
    return result


def _table(columns: list[FloatArray]) -> FloatArray:
    """The columns as rows, NaN where one is shorter than the longest."""
    table = np.full((len(columns), max(map(len, columns))), np.nan)
    for row, column in zip(table, columns, strict=True):
        row[: len(column)] = column
    return table


def _points(x: FloatArray, t: FloatArray) -> Points:
    there = ~np.isnan(x)
    return x[there], t[there]


def _median(values: FloatArray) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def _together(found: Sequence[Findings]) -> Findings:
    """The tests one after another."""
    columns: dict[str, Any] = {
        each.name: np.concatenate([getattr(one, each.name) for one in found])
        for each in fields(Findings)
        if each.name not in ("continuity", "notes")
    }
    return Findings(**columns, continuity=found[0].continuity)
