"""Scores and slopes of many series, whatever their lengths and gaps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from services.stats.leastsquares import FloatArray
from services.stats.scores import kendall_scores, score_variance
from services.stats.sen import IndexArray

_CHUNK = 3e6
"""Of the sum of n^1.5 over the series that are taken together: some 50 ms."""


@dataclass
class Findings:
    """One entry a test; NaN in all but `n` and `n_missing` where there are too few values for it.

    `pairs` are those that s is over, `untied` the geometric mean of them and of those that are no ties: s / pairs is
    tau-a and s / untied tau-b. `notes` are warnings, by the entry they are about.
    """

    s: FloatArray
    variance: FloatArray
    pairs: FloatArray
    untied: FloatArray
    tau: FloatArray
    tau_b: FloatArray
    slope: FloatArray
    slope_ci: FloatArray
    intercept: FloatArray
    n: IndexArray
    n_missing: IndexArray
    continuity: bool = True
    notes: dict[int, list[str]] = field(default_factory=dict)

    def note(self, place: int, text: str) -> None:
        self.notes.setdefault(place, []).append(text)


def find(
    series: Sequence[FloatArray],
    *,
    alpha: float,
    least: int,
    time: FloatArray | None = None,
    factors: FloatArray | None = None,
    check: Callable[[], None] = lambda: None,
    report: Callable[[float], None] = lambda _: None,
) -> Findings:
    """The score and the slopes of each of `series`, NaN being missing, at `time` (0, 1, 2, ... without).

    Those with fewer than `least` values are left out. `factors`, one a series, multiply the variance by which the
    limits of the slope are placed, and no other figure.
    """
    columns = np.full((10, len(series)), np.nan)
    missing = np.zeros(len(series), dtype=np.int64)
    sizes = np.array([len(x) for x in series], dtype=np.int64)
    done, values = 0, max(1, int(sizes.sum()))
    for size in np.unique(sizes).tolist():
        members = np.flatnonzero(sizes == size)
        clock = np.arange(size, dtype=np.float64) if time is None else time
        rows = max(1, int(_CHUNK / max(1, size) ** 1.5))
        for chunk in (members[k : k + rows] for k in range(0, len(members), rows)):
            check()
            x = np.array([series[k] for k in chunk], dtype=np.float64)
            missing[chunk] = np.isnan(x).sum(axis=1)
            for lost in np.unique(missing[chunk]).tolist():
                if size - lost >= least:
                    alike = missing[chunk] == lost
                    weights = None if factors is None else factors[chunk][alike]
                    columns[:, chunk[alike]] = _columns(x[alike], clock, size - lost, alpha, weights, check)
            done += size * len(chunk)
            report(done / values)
    s, variance, pairs, untied, tau, tau_b, slope, low, high, intercept = columns
    limits = np.column_stack([low, high])
    return Findings(
        s, variance, pairs, untied, tau, tau_b, slope, limits, intercept, n=sizes - missing, n_missing=missing
    )


def _columns(
    x: FloatArray, clock: FloatArray, n: int, alpha: float, factors: FloatArray | None, check: Callable[[], None]
) -> FloatArray:
    """Of series with `n` values each: the fields of `Findings`, as rows."""
    x, t = _present(x, clock, n)
    scores = kendall_scores(x, t, alpha, factors, check)
    pairs = n * (n - 1) // 2
    untied = np.sqrt((pairs - scores.tied) * float(pairs))
    intercept = scores.x_mid - np.median(t, axis=1) * scores.slope
    variance = score_variance(n, scores.ties)
    low, high = scores.slope_ci.T
    every = np.full(len(x), float(pairs))
    with np.errstate(invalid="ignore"):
        tau, tau_b = scores.s / every, scores.s / untied
    return np.array([scores.s, variance, every, untied, tau, tau_b, scores.slope, low, high, intercept])


def no_finding(values: FloatArray) -> Findings:
    """Of one test of these values, of which nothing is known yet."""
    missing = np.count_nonzero(np.isnan(values))
    columns = np.full((8, 1), np.nan)
    s, variance, pairs, untied, tau, tau_b, slope, intercept = columns
    n = np.array([len(values) - missing])
    limits = np.full((1, 2), np.nan)
    return Findings(s, variance, pairs, untied, tau, tau_b, slope, limits, intercept, n, np.array([missing]))


def _present(x: FloatArray, clock: FloatArray, n: int) -> tuple[FloatArray, FloatArray]:
    """The `n` values of each row that are there, and their times: (rows, n) or, where all are there, (1, n)."""
    if n == x.shape[1]:
        return x, clock[None, :]
    there = ~np.isnan(x)
    return x[there].reshape(-1, n), np.broadcast_to(clock, x.shape)[there].reshape(-1, n)
