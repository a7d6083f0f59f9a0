"""Texts in groups by meaning: k-means on sentence vectors, and figures that say how much the groups are worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score
from threadpoolctl import threadpool_limits

from services.text.embedder import Vectors

Labels = NDArray[np.int64]
STARTS = 10
"""k-means runs from different starts, of which the tightest is kept."""
AUTO_LARGEST = 28
SUBSAMPLES = 5
SUBSAMPLE = 0.8
SUBSTANTIAL = 0.25
"""A silhouette below it shows no substantial structure (Kaufman and Rousseeuw 1990, table 4)."""
FLAT = 0.05
"""A curve that spans less prefers no k."""
TIE_DECIMALS = 5
"""Similarities that agree to this many decimals are equal: float32 sums of 384 products end at about 1e-7."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """`silhouette`: mean over the texts, cosine, -1..1. `stability`: mean adjusted Rand index, 1 for the same groups,
    0 for chance, between the groups of all texts and those found anew in five random samples of 80 % of them.
    """

    k: int
    silhouette: float
    stability: float


@dataclass(frozen=True, slots=True)
class Clustering:
    """`labels` run from 0, the largest cluster, to k - 1; `centres` has a row of length 1 a cluster. `silhouette` is
    None where it is not defined: one cluster, or as many as texts.
    """

    labels: Labels
    centres: Vectors
    silhouette: float | None
    curve: list[CurvePoint] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def k(self) -> int:
        return len(self.centres)


def kmeans(vectors: Vectors, k: int, seed: int) -> Clustering:
    """Spherical k-means by Lloyd's algorithm on unit rows, (n, d) with n >= k >= 1; the same seed, the same answer.

    Finds fewer than k clusters, with a warning, where fewer than k rows differ.
    """
    distinct = _distinct(vectors)
    warnings = []
    if distinct < k:
        found = "is one cluster" if distinct == 1 else f"are {distinct} clusters"
        warnings.append(f"only {distinct} of the {len(vectors)} texts are distinct, so there {found}, not {k}")
        k = distinct
    labels = _by_size(_fit(vectors, k, seed, STARTS))
    return Clustering(labels, _centres(vectors, labels), _silhouette(vectors, labels), warnings=warnings)


def kmeans_auto(
    vectors: Vectors,
    seed: int,
    check: Callable[[], None] = lambda: None,
    report: Callable[[float], None] = lambda _: None,
) -> Clustering:
    """k-means with the k of highest silhouette among 2, 3, ... up to 28 or half the texts, and the curve it was
    taken from. `check` is called between fits and may raise to end the work, `report` with the share of the k that
    is done. Fewer than four texts, or texts that are all alike, make one cluster, with a warning.
    """
    candidates = _candidates(min(len(vectors) // 2, _distinct(vectors)))
    if not candidates:
        alone = kmeans(vectors, 1, seed)
        why = "fewer than 4 texts, or all alike: they make one cluster"
        return Clustering(alone.labels, alone.centres, None, warnings=[why])
    curve = []
    for k in candidates:
        check()
        curve.append(_point(vectors, k, seed))
        report(len(curve) / len(candidates))
    best = max(curve, key=lambda point: (point.silhouette, -point.k))
    found = kmeans(vectors, best.k, seed)
    lowest = min(point.silhouette for point in curve)
    warnings = [*found.warnings]
    if best.silhouette < SUBSTANTIAL or best.silhouette - lowest < FLAT:
        warnings.append(
            f"k = {best.k} has the highest silhouette of {lowest:.3f} to {best.silhouette:.3f}; "
            "that does not settle how many groups there are: choose k by what it is to be used for"
        )
    return Clustering(found.labels, found.centres, found.silhouette, curve, warnings)


def representatives(vectors: Vectors, clustering: Clustering, top: int = 3) -> list[list[int]]:
    """For each cluster the rows nearest to its centre, nearest first, the earlier first where two are as near."""
    nearest = []
    for label, centre in enumerate(clustering.centres):
        members = np.flatnonzero(clustering.labels == label)
        similarity = (vectors[members] @ centre).round(TIE_DECIMALS)
        nearest.append([int(members[row]) for row in np.argsort(-similarity, kind="stable")[:top]])
    return nearest


def _distinct(vectors: Vectors) -> int:
    return len(np.unique(vectors, axis=0))


def _fit(vectors: Vectors, k: int, seed: int, starts: int) -> Labels:
    # One thread: partial sums of several are added in the order that they finish, and the last digits vary with it.
    with threadpool_limits(1, user_api="openmp"):
        model = KMeans(k, n_init=starts, random_state=seed).fit(vectors)
    labels: Labels = model.labels_.astype(np.int64)
    return labels


def _point(vectors: Vectors, k: int, seed: int) -> CurvePoint:
    labels = _fit(vectors, k, seed, starts=3)
    generator = np.random.default_rng([seed, k])
    scores = []
    for _ in range(SUBSAMPLES):
        chosen = generator.choice(len(vectors), max(k, round(SUBSAMPLE * len(vectors))), replace=False)
        sample = vectors[chosen]
        if _distinct(sample) >= k:
            anew = _fit(sample, k, int(generator.integers(2**31)), starts=1)
            scores.append(adjusted_rand_score(labels[chosen], anew))
    return CurvePoint(k, _silhouette(vectors, labels) or 0.0, float(np.mean(scores)) if scores else 0.0)


def _candidates(largest: int) -> list[int]:
    """2 to 10 one by one, then in twos up to 28, none above `largest`."""
    return [k for k in (*range(2, 11), *range(12, AUTO_LARGEST + 1, 2)) if k <= largest]


def _by_size(labels: Labels) -> Labels:
    """The labels renamed so that 0 is the largest cluster; of two as large the one that appears first."""
    names, first, sizes = np.unique(labels, return_index=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    rank = np.empty(int(names.max()) + 1, dtype=np.int64)
    rank[names[order]] = np.arange(len(names))
    return rank[labels]


def _centres(vectors: Vectors, labels: Labels) -> Vectors:
    means = np.stack([vectors[labels == label].mean(axis=0) for label in range(int(labels.max()) + 1)])
    norms = np.linalg.norm(means, axis=1, keepdims=True)
    return np.asarray(means / np.where(norms > 0, norms, 1), dtype=np.float32)


def _silhouette(vectors: Vectors, labels: Sequence[int] | NDArray[Any]) -> float | None:
    if not 2 <= len(np.unique(labels)) < len(vectors):
        return None
    return float(silhouette_score(vectors, labels, metric="cosine"))
