"""Texts in groups by meaning: what every method answers, and the figures that say how much its groups are worth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from services.text.embedder import Vectors
from services.text.hierarchy import Linkage, Tree
from services.text.mixture import Covariance, Mixture

Method = Literal["kmeans", "agglomerative", "gmm", "hdbscan"]
Labels = NDArray[np.int64]
Floats = NDArray[np.float64]
NOISE = -1
BLOCK = 512
TIE_DECIMALS = 5
"""Similarities that agree to this many decimals are equal: float32 sums of 384 products end at about 1e-7."""


@dataclass(frozen=True, slots=True)
class Options:
    """`k` is for all methods but HDBSCAN, `k_max` the largest that "auto" tries; `linkage` and `distance_threshold`
    (instead of `k`) are agglomerative's, `covariance` is GMM's, `min_cluster_size` HDBSCAN's.
    """

    method: Method = "kmeans"
    k: int | Literal["auto"] = "auto"
    k_max: int = 28
    linkage: Linkage = "ward"
    distance_threshold: float | None = None
    covariance: Covariance = "diag"
    min_cluster_size: int = 5
    seed: int = 0


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """`silhouette`: mean over the texts, cosine, -1..1, None for one cluster. `stability`: mean adjusted Rand index,
    1 for the same groups, 0 for chance, between the groups of all texts and those found anew in five random samples
    of 80 % of them. `bic`: of a mixture; lower is better.
    """

    k: int
    silhouette: float | None
    stability: float | None
    bic: float | None = None


@dataclass(frozen=True, slots=True)
class Clustering:
    """`labels` run from 0, the largest cluster, to k - 1, -1 for noise; `centres` has a row of length 1 a cluster.
    `silhouette` leaves noise out; it is None where it is not defined: one cluster, or as many as texts.
    `probability` (texts,) is that of a text's own cluster, for mixtures and HDBSCAN. `dimensions` are those of the
    PCA that the method worked in, None where it worked on the vectors themselves.
    """

    labels: Labels
    centres: Vectors
    silhouette: float | None
    probability: Floats | None = None
    tree: Tree | None = None
    mixture: Mixture | None = None
    dimensions: int | None = None
    curve: list[CurvePoint] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def k(self) -> int:
        return len(self.centres)


def representatives(vectors: Vectors, clustering: Clustering, top: int = 3) -> list[list[int]]:
    """For each cluster the rows nearest to its centre, nearest first, the earlier first where two are as near."""
    nearest = []
    for label, centre in enumerate(clustering.centres):
        members = np.flatnonzero(clustering.labels == label)
        similarity = (vectors[members] @ centre).round(TIE_DECIMALS)
        nearest.append([int(members[row]) for row in np.argsort(-similarity, kind="stable")[:top]])
    return nearest


def count_distinct(vectors: Vectors) -> int:
    return len(np.unique(vectors, axis=0))


def sizes_first(labels: Labels) -> Labels:
    """The names that occur, the one of most texts first; of two as frequent the one that appears first; no noise."""
    names, first, sizes = np.unique(labels, return_index=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    named: Labels = names[order]
    found: Labels = named[named != NOISE]
    return found


def renamed(labels: Labels, names: Labels) -> Labels:
    """Each label as its position in `names`; noise stays noise."""
    rank = np.full(int(labels.max()) + 2, NOISE, dtype=np.int64)
    rank[names] = np.arange(len(names))
    return rank[labels]


def sums(vectors: Vectors, labels: Labels, k: int) -> Floats:
    """float64 (k, d): of each cluster's rows."""
    total = np.zeros((k, vectors.shape[1]))
    kept = labels != NOISE
    np.add.at(total, labels[kept], vectors[kept].astype(np.float64))
    return total


def centres_of(vectors: Vectors, labels: Labels, k: int) -> Vectors:
    total = sums(vectors, labels, k)
    norms = np.linalg.norm(total, axis=1, keepdims=True)
    return np.asarray(total / np.where(norms > 0, norms, 1), dtype=np.float32)


def silhouette(vectors: Vectors, labels: Labels) -> float | None:
    """Mean silhouette (Rousseeuw 1987) by cosine distance of unit rows, noise left out; 0 for a cluster of one.

    The mean distance of a row x to a cluster of m rows with sum S is 1 - x.S/m, so that no pair of rows is visited.
    """
    kept = labels != NOISE
    rows, own = vectors[kept], labels[kept]
    names, own = np.unique(own, return_inverse=True)
    if not 2 <= len(names) < len(rows):
        return None
    totals, sizes = sums(rows, own, len(names)), np.bincount(own)
    blocks = (slice(start, start + BLOCK) for start in range(0, len(rows), BLOCK))
    scores = [_silhouettes(rows[block].astype(np.float64), own[block], totals, sizes) for block in blocks]
    return float(np.concatenate(scores).mean())


def _silhouettes(rows: Floats, own: Labels, totals: Floats, sizes: Labels) -> Floats:
    place = np.arange(len(rows)), own
    distance = 1 - rows @ totals.T / sizes
    alone = sizes[own] == 1
    # Of the mean to its own cluster, in which a row is at distance 1 - x.x of itself, that one pair is taken out.
    pairs = np.where(alone, 1, sizes[own] - 1)
    within = (distance[place] * sizes[own] - (1 - np.einsum("ij,ij->i", rows, rows))) / pairs
    distance[place] = np.inf
    nearest = distance.min(axis=1)
    larger = np.maximum(within, nearest)
    return np.where(alone | (larger <= 0), 0.0, (nearest - within) / np.where(larger > 0, larger, 1))
