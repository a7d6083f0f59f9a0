"""Trend tests of single series whose values depend on those before them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from services.stats import autocorrelation
from services.stats.findings import Findings, find
from services.stats.leastsquares import FloatArray

Serial = Literal["hamed_rao", "yue_wang", "pre_whitening", "trend_free_pre_whitening"]
MIN_POINTS = {"hamed_rao": 3, "yue_wang": 3, "pre_whitening": 4, "trend_free_pre_whitening": 4}
"""Whitening takes a value, and three must be left."""


def find_serial(
    method: Serial,
    series: Sequence[FloatArray],
    time: FloatArray | None,
    alpha: float,
    lag: int | None,
    check: Callable[[], None],
    report: Callable[[float], None],
) -> Findings:
    """As `find`; `time` must be at equal steps. The slope and the intercept are those of the values as they are."""
    step = 1.0 if time is None or len(time) < 2 else (time[-1] - time[0]) / (len(time) - 1)

    def share(start: float) -> Callable[[float], None]:
        return lambda done: report(start + done / 3)

    plain = find(series, alpha=alpha, least=MIN_POINTS[method], time=time, check=check, report=share(0))
    if method in ("pre_whitening", "trend_free_pre_whitening"):
        return _whitened(method, series, plain, step, check, share)
    factors = np.ones(len(series))
    for k in np.flatnonzero(~np.isnan(plain.s)).tolist():
        check()
        slope = float(plain.slope[k]) * step
        if method == "hamed_rao":
            found = autocorrelation.hamed_rao(series[k], slope, alpha, lag)
        else:
            found = autocorrelation.yue_wang(series[k], slope, lag)
        factors[k] = found.factor
        if found.factor != found.asked:
            plain.note(k, f"autocorrelation would multiply the variance of s by {found.asked:.4g}; it is left as it is")
        share(1 / 3)(k / len(series))
    changed = np.flatnonzero(factors != 1)
    if len(changed):
        again = [series[k] for k in changed.tolist()]
        some = find(again, alpha=alpha, least=3, time=time, factors=factors[changed], check=check, report=share(2 / 3))
        plain.slope_ci[changed] = some.slope_ci
    return replace(plain, variance=plain.variance * factors)


def _whitened(
    method: Serial,
    series: Sequence[FloatArray],
    plain: Findings,
    step: float,
    check: Callable[[], None],
    share: Callable[[float], Callable[[float], None]],
) -> Findings:
    tested = np.flatnonzero(~np.isnan(plain.s)).tolist()
    white: list[FloatArray] = [np.empty(0)] * len(series)
    for k in tested:
        check()
        if method == "pre_whitening":
            white[k] = autocorrelation.whitened(series[k])
        else:
            white[k] = autocorrelation.trend_free_whitened(series[k], float(plain.slope[k]) * step)
        share(1 / 3)(k / len(series))
    scores = find(white, alpha=0.5, least=3, check=check, report=share(2 / 3))
    for k in tested:
        if np.isnan(scores.s[k]):
            plain.note(
                k, f"{scores.n[k]} values are left after whitening, too few to test: both of a step must be there"
            )
    kept = {name: getattr(plain, name) for name in ("slope", "slope_ci", "intercept", "n", "n_missing", "notes")}
    return replace(scores, **kept)
