"""How many groups there are: every k tried, what speaks for it, and whether one stands out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from services.text.clustering import CurvePoint, Labels, count_distinct, silhouette
from services.text.embedder import Vectors
from services.text.mixture import Mixture

SUBSAMPLES = 5
SUBSAMPLE = 0.8
SUBSTANTIAL = 0.25
"""A silhouette below it shows no substantial structure (Kaufman and Rousseeuw 1990, table 4)."""
FLAT = 0.05
"""A curve that spans less prefers no k."""
UNDECIDED = 10.0
"""A difference of BIC up to it is no very strong evidence (Kass and Raftery 1995)."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Groups of rows by any names; the mixture they were found by, where there is one."""

    labels: Labels
    mixture: Mixture | None = None


Fitter = Callable[[int], Fit]
"""k groups of the rows that it was prepared with."""
Prepare = Callable[[Vectors, bool], Fitter]
"""Of rows, and whether they are but a sample: what all k have in common is computed once."""


def candidates(largest: int, first: int = 2) -> list[int]:
    """From `first` to 10 one by one, to 28 in twos, then in steps of a quarter; none above `largest`."""
    ks = [*range(first, 11), *range(12, 29, 2)]
    while ks[-1] < largest:
        ks.append(min(largest, ks[-1] + ks[-1] // 4))
    return [k for k in ks if k <= largest]


def curve(
    vectors: Vectors,
    ks: Sequence[int],
    prepare: Prepare,
    seed: int,
    check: Callable[[], None],
    report: Callable[[float], None],
) -> tuple[list[CurvePoint], list[Fit]]:
    """A point and the groups for each k. The stability of groups is found as Ben-Hur, Elisseeff and Guyon (2002) do:
    do the same come out of parts of the data?"""
    fitter = prepare(vectors, False)
    generator = np.random.default_rng(seed)
    samples = []
    for _ in range(SUBSAMPLES):
        check()
        chosen = np.sort(generator.choice(len(vectors), round(SUBSAMPLE * len(vectors)), replace=False))
        sample = vectors[chosen]
        samples.append((chosen, prepare(sample, True), count_distinct(sample)))
    points, fits = [], []
    for k in ks:
        check()
        fit = fitter(k)
        again = [(fit.labels[chosen], anew(k).labels) for chosen, anew, distinct in samples if distinct >= k > 1]
        bic = fit.mixture.bic if fit.mixture else None
        points.append(CurvePoint(k, silhouette(vectors, fit.labels), _agreement(again), bic))
        fits.append(fit)
        report(len(points) / len(ks))
    return points, fits


def best_of(points: Sequence[CurvePoint]) -> tuple[int, list[str]]:
    """The position of the k to take, of lowest BIC where there is one and else of highest silhouette, the smaller of
    two as good; and why it may not be the only one."""
    if points[0].bic is not None:
        return _by_bic(points)
    values = [point.silhouette if point.silhouette is not None else -1.0 for point in points]
    chosen = int(np.argmax(values))
    best, lowest = values[chosen], min(values)
    if best >= SUBSTANTIAL and best - lowest >= FLAT:
        return chosen, _at_the_end(points, chosen, "highest")
    warning = (
        f"no k stands out: k = {points[chosen].k} has the highest silhouette of {lowest:.3f} to {best:.3f}"
        f"{_stability(points[chosen])}; that does not settle how many groups there are: "
        "choose k by what it is to be used for"
    )
    return chosen, [warning]


def _by_bic(points: Sequence[CurvePoint]) -> tuple[int, list[str]]:
    values = [point.bic if point.bic is not None else np.inf for point in points]
    chosen = int(np.argmin(values))
    near = [point.k for point, value in zip(points, values, strict=True) if value - values[chosen] <= UNDECIDED]
    warnings = _at_the_end(points, chosen, "lowest")
    if len(near) > 1:
        shown = ", ".join(map(str, near))
        warnings.append(f"no k stands out: the BIC of these differs by {UNDECIDED:g} or less: {shown}")
    if points[chosen].k == 1:
        warnings.append("the lowest BIC is that of one cluster: nothing says that there are groups at all")
    return chosen, warnings


def _at_the_end(points: Sequence[CurvePoint], chosen: int, what: str) -> list[str]:
    if chosen < len(points) - 1 or len(points) < 3:
        return []
    measure = "BIC" if points[chosen].bic is not None else "silhouette"
    return [f"the {measure} is {what} at k = {points[chosen].k}, the largest that was tried: there may be more groups"]


def _stability(point: CurvePoint) -> str:
    return "" if point.stability is None else f" and a stability of {point.stability:.2f}"


def _agreement(pairs: Sequence[tuple[Labels, Labels]]) -> float | None:
    from sklearn.metrics import adjusted_rand_score

    scores = [adjusted_rand_score(one, other) for one, other in pairs]
    return float(np.mean(scores)) if scores else None
