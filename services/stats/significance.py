"""From a score and its variance to a verdict."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from services.stats import permutations
from services.stats.leastsquares import FloatArray
from services.stats.sen import IndexArray

Alternative = Literal["two-sided", "increasing", "decreasing"]
Flags = npt.NDArray[np.bool_]
Verdict = Literal["increasing", "decreasing", "no trend"]
_VERDICTS: tuple[Verdict, ...] = ("decreasing", "no trend", "increasing")


def normal_scores(s: FloatArray, variance: FloatArray, *, continuity: bool) -> FloatArray:
    """s in units of its standard deviation, 0 where it has none; with `continuity` it is taken one nearer to 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (s - np.sign(s) if continuity else s) / np.sqrt(variance)
    scores: FloatArray = np.where((s == 0) | (variance <= 0), 0.0, z)
    return scores


def normal_p(z: FloatArray, alternative: Alternative) -> FloatArray:
    """From the tail itself: 1 - cdf would be 0 beyond z = 8.3."""
    if alternative == "two-sided":
        p: FloatArray = 2 * ndtr(-np.abs(z))
    else:
        p = ndtr(-z if alternative == "increasing" else z)
    return p


def exact_p(n: IndexArray, s: FloatArray, alternative: Alternative) -> FloatArray:
    """From the permutation distribution of the score, of untied series of `n` points."""
    cases, inverse = np.unique(np.column_stack([n, s.astype(np.int64)]), axis=0, return_inverse=True)
    return np.array([_exact_p(points, score, alternative) for points, score in cases.tolist()], dtype=np.float64)[
        inverse
    ]


def _exact_p(n: int, s: int, alternative: Alternative) -> float:
    if alternative == "two-sided":
        return min(1.0, 2 * permutations.exact_tail(n, abs(s)))
    return permutations.exact_tail(n, s if alternative == "increasing" else -s)


def verdicts(s: FloatArray, significant: Flags) -> list[Verdict | None]:
    """None where s is NaN."""
    known = ~np.isnan(s)
    places = np.where(significant & known, np.sign(np.where(known, s, 0.0)), 0).astype(np.int64) + 1
    return [_VERDICTS[place] if ok else None for place, ok in zip(places.tolist(), known.tolist(), strict=True)]
