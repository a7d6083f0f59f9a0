"""The Mann-Kendall trend test with Sen's slope (Mann 1945, Kendall 1975, Sen 1968, Gilbert 1987).

Series of one length are tested together, in arrays of (series, pairs) that stay within the processor's cache.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from scipy.special import ndtr

from services.stats import permutations
from services.stats.inversions import IndexArray
from services.stats.leastsquares import FloatArray
from services.stats.scores import kendall_scores, score_variance
from shared.errors import FieldError, TooLarge, Unprocessable

Alternative = Literal["two-sided", "increasing", "decreasing"]
Exact = bool | Literal["auto"]

MIN_POINTS = 3
MAX_POINTS = 200_000
"""Longest series taken: some three seconds of one core."""
EXACT_POINTS = 33
"""Up to so many points, none tied, `exact: auto` takes p from the permutation distribution of S."""
MOST_EXACT_POINTS = 100
"""Up to so many when it is asked for."""
_CHUNK_PAIRS = 1 << 18
"""Pairs of all series that are taken together: 2 MB, which a processor's cache holds."""
_LEAST_GAP = 1e-100


@dataclass(frozen=True)
class Trends:
    """One entry a series, NaN where a series has too few points to be tested.

    `s` is Kendall's score and `var_s` its variance under no trend, corrected for ties; `z` has the continuity
    correction; `tau` is tau-a, s over the number of pairs; `slope` is the median of the slopes of all pairs, a unit
    of time (a step, where no times are given), and `intercept` = median(x) - slope median(t), at time 0.
    `slope_ci` is Gilbert's two-sided interval at 1 - alpha, (n, 2).
    """

    trend: list[str | None]
    significant: list[bool | None]
    p: FloatArray
    p_method: list[str | None]
    z: FloatArray
    s: FloatArray
    var_s: FloatArray
    tau: FloatArray
    slope: FloatArray
    slope_ci: FloatArray
    intercept: FloatArray
    n: IndexArray
    n_missing: IndexArray
    warnings: list[list[str]] = field(default_factory=list)


def mann_kendall(
    series: Sequence[FloatArray],
    *,
    time: FloatArray | None = None,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    exact: Exact = "auto",
    names: Sequence[str] | None = None,
    check: Callable[[], None] = lambda: None,
    report: Callable[[float], None] = lambda _: None,
) -> Trends:
    """Test each of `series`, whose NaN are missing values, at the times `time` (0, 1, 2, ... without).

    A missing value takes its time with it: the slopes are over the gaps. `names` are for messages; `check` is called
    now and then and may raise to end it, `report` with the share of the values that is done. Raises Unprocessable
    where `time` does not fit or increase, TooLarge for a series of more than `MAX_POINTS`.
    """
    _check_size(series, names)
    if time is not None:
        _check_time(time, series, names)
    columns = {name: np.full(len(series), np.nan) for name in ("s", "ties", "slope", "low", "high", "x_mid", "t_mid")}
    missing = np.array([np.count_nonzero(np.isnan(x)) for x in series], dtype=np.int64)
    sizes = np.array([len(x) for x in series], dtype=np.int64)
    done, values = 0, max(1, int((sizes - missing).sum()))
    for size, lost in np.unique(np.column_stack([sizes, missing]), axis=0).tolist():
        n = size - lost
        members = np.flatnonzero((sizes == size) & (missing == lost))
        if n < MIN_POINTS:
            continue
        clock = np.arange(size, dtype=np.float64) if time is None else time
        rows = max(1, _CHUNK_PAIRS // (n * (n - 1) // 2))
        for chunk in (members[k : k + rows] for k in range(0, len(members), rows)):
            check()
            x, t = _present(np.stack([series[k] for k in chunk]), clock, n)
            scores = kendall_scores(x, t, alpha)
            columns["s"][chunk], columns["ties"][chunk] = scores.s, scores.ties
            columns["slope"][chunk] = scores.slope
            columns["low"][chunk], columns["high"][chunk] = scores.slope_ci.T
            columns["x_mid"][chunk], columns["t_mid"][chunk] = np.median(x, axis=1), np.median(t, axis=1)
            done += n * len(chunk)
            report(done / values)
    return _trends(columns, sizes - missing, missing, alpha, alternative, exact)


def _present(x: FloatArray, clock: FloatArray, n: int) -> tuple[FloatArray, FloatArray]:
    """The `n` values of each row that are there, and their times: (rows, n) or, where all are there, (1, n)."""
    if n == x.shape[1]:
        return x, clock[None, :]
    there = ~np.isnan(x)
    return x[there].reshape(-1, n), np.broadcast_to(clock, x.shape)[there].reshape(-1, n)


def _check_size(series: Sequence[FloatArray], names: Sequence[str] | None) -> None:
    for k, x in enumerate(series):
        if len(x) > MAX_POINTS:
            pointer = _pointer(k, names)
            detail = f"has {len(x):,} values; a series may have {MAX_POINTS:,}"
            raise TooLarge(f"{pointer} {detail}", errors=[FieldError(pointer, detail)])


def _pointer(k: int, names: Sequence[str] | None) -> str:
    return f"/series/{names[k]}" if names else "/series"


def _check_time(time: FloatArray, series: Sequence[FloatArray], names: Sequence[str] | None) -> None:
    for k, x in enumerate(series):
        if len(x) != len(time):
            pointer = _pointer(k, names)
            detail = f"has {len(x)} entries, time has {len(time)}"
            raise Unprocessable(f"{pointer} {detail}: give one time a value", errors=[FieldError(pointer, detail)])
    gaps = np.diff(time)
    bad = np.flatnonzero(~(gaps > _LEAST_GAP * np.max(np.abs(time), initial=0.0)))
    if len(bad):
        at = int(bad[0]) + 1
        raise Unprocessable(
            f"time must increase from entry to entry; entry {at} does not",
            errors=[FieldError(f"/time/{at}", f"{time[at]:.17g} does not follow {time[at - 1]:.17g}")],
        )


def _trends(
    columns: Mapping[str, FloatArray],
    n: IndexArray,
    missing: IndexArray,
    alpha: float,
    alternative: Alternative,
    exact: Exact,
) -> Trends:
    s, ties = columns["s"], columns["ties"]
    tested = n >= MIN_POINTS
    variance = np.where(tested, score_variance(n, np.where(tested, ties, 0).astype(np.int64)), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(s == 0, 0.0, (s - np.sign(s)) / np.sqrt(variance))
        tau = s / (0.5 * n * (n - 1))
    p = _normal_p(z, alternative)
    by_counting = tested & (ties == 0) & (n <= {True: MOST_EXACT_POINTS, "auto": EXACT_POINTS, False: 0}[exact])
    for k in np.flatnonzero(by_counting).tolist():
        p[k] = _exact_p(int(n[k]), int(s[k]), alternative)
    significant = p < alpha
    direction = np.where(significant, np.sign(s), 0)
    labels = {1.0: "increasing", -1.0: "decreasing", 0.0: "no trend"}
    return Trends(
        trend=[labels[d] if ok else None for d, ok in zip(direction.tolist(), tested.tolist(), strict=True)],
        significant=[bool(h) if ok else None for h, ok in zip(significant, tested, strict=True)],
        p=p,
        p_method=[("exact" if e else "normal") if ok else None for e, ok in zip(by_counting, tested, strict=True)],
        z=z,
        s=s,
        var_s=variance,
        tau=tau,
        slope=columns["slope"],
        slope_ci=np.column_stack([columns["low"], columns["high"]]),
        intercept=columns["x_mid"] - columns["t_mid"] * columns["slope"],
        n=n,
        n_missing=missing,
        warnings=[
            _warnings(int(k), float(v), exact, bool(e)) for k, v, e in zip(n, variance, by_counting, strict=True)
        ],
    )


def _normal_p(z: FloatArray, alternative: Alternative) -> FloatArray:
    """From the tail itself: 1 - cdf would be 0 beyond z = 8.3."""
    if alternative == "two-sided":
        p: FloatArray = 2 * ndtr(-np.abs(z))
    else:
        p = ndtr(-z if alternative == "increasing" else z)
    return p


def _exact_p(n: int, s: int, alternative: Alternative) -> float:
    if alternative == "two-sided":
        return min(1.0, 2 * permutations.exact_tail(n, abs(s)))
    return permutations.exact_tail(n, s if alternative == "increasing" else -s)


def _warnings(n: int, variance: float, exact: Exact, by_counting: bool) -> list[str]:
    if n < MIN_POINTS:
        return [f"{n} values are too few to test: a trend needs at least {MIN_POINTS}"]
    if variance == 0:
        return ["the series is constant: there is nothing to order"]
    if exact is True and not by_counting:
        return [
            f"the exact distribution is for at most {MOST_EXACT_POINTS} values, none of them tied: "
            "p is the normal approximation's"
        ]
    return []
