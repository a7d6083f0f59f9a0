"""k-means on sentence vectors, started from Ward's groups."""

from __future__ import annotations

import numpy as np

from services.text.clustering import Labels, sums
from services.text.embedder import Vectors
from services.text.hierarchy import Tree

STARTS = 3
"""k-means++ starts beside Ward's."""
ITERATIONS = 1000


def fit(vectors: Vectors, tree: Tree, k: int, seed: int, starts: int = STARTS) -> Labels:
    """Lloyd's algorithm on (n, d) with k of their different rows or fewer: the tightest of the runs from Ward's k
    groups, as `tree` has them, and from `starts` random starts (k-means++), each until nothing moves any more.
    """
    from sklearn.cluster import KMeans

    groups = tree.cut(k)
    means = (sums(vectors, groups, k) / np.bincount(groups)[:, None]).astype(np.float32)
    found = [KMeans(k, init=means, n_init=1, tol=0, max_iter=ITERATIONS).fit(vectors)]
    if starts:
        found.append(KMeans(k, n_init=starts, random_state=seed, tol=0, max_iter=ITERATIONS).fit(vectors))
    best = min(found, key=lambda model: model.inertia_)
    labels: Labels = best.labels_.astype(np.int64)
    return labels


def nearest_mean(vectors: Vectors, means: Vectors) -> Labels:
    """The row of `means` that is nearest to each of `vectors`, by Euclidean distance."""
    squares = 0.5 * np.einsum("ij,ij->i", means, means, dtype=np.float64)
    nearest: Labels = np.argmax(vectors @ means.T - squares, axis=1).astype(np.int64)
    return nearest
