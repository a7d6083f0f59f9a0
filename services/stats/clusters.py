"""Rows in groups: k-means, and the tree of what is merged first."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from services.stats.learning import one_thread
from services.stats.leastsquares import FloatArray
from services.stats.rows import distinct, refused

Labels = npt.NDArray[np.int64]
Linkage = Literal["ward", "average", "complete", "single", "weighted"]

SILHOUETTE_ROWS = 5_000
"""A silhouette is over so many rows at most, drawn by the seed."""
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Clusters:
    """`labels` (n,) from 0, the largest cluster first; `centres` (k, d) are the means of their rows, `sizes` (k,) their
    numbers, `inertia` the sum of squared distances of the rows from their centres."""

    labels: Labels
    centres: FloatArray
    sizes: Labels
    inertia: float


@dataclass(frozen=True)
class Tree:
    """Of n rows: n - 1 merges, nearest first. `left` and `right` are rows (below n) or earlier merges (n and above, in
    their order), `height` the distance at which they meet, `size` the rows below."""

    left: Labels
    right: Labels
    height: FloatArray
    size: Labels

    def cut(self, k: int) -> Labels:
        """The cluster (of no particular name) of each row where `k` are left."""
        rows = len(self.left) + 1
        name = np.arange(2 * rows - 1)
        for merge in range(rows - k):
            name[[self.left[merge], self.right[merge]]] = rows + merge
        for node in reversed(range(2 * rows - 1)):  # a node's name is above it and settled before it
            name[node] = name[name[node]]
        return name[:rows]

    def count(self, height: float) -> int:
        """The clusters that are left where all merges up to `height` are made."""
        return len(self.left) + 1 - int(np.searchsorted(self.height, height, side="right"))


def described(table: FloatArray, names: Labels) -> Clusters:
    """Of an (n, d) `table` and any name a row: the clusters by size, of equal ones the one with the smaller centre
    first, so that the order of the rows does not matter."""
    _, labels, sizes = np.unique(names, return_inverse=True, return_counts=True)
    members = np.zeros((len(sizes), table.shape[1]))
    middle = table.mean(axis=0)
    np.add.at(members, labels, table - middle)
    centres = members / sizes[:, None]
    order = np.lexsort((*np.round(centres, 12).T[::-1], -sizes))
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    labels = rank[labels.ravel()]
    inertia = float(np.sum((table - middle - centres[order][labels]) ** 2))
    return Clusters(labels, centres[order] + middle, sizes[order], inertia)


def kmeans(table: FloatArray, k: int, *, seed: int = 0, starts: int = 10) -> Clusters:
    """The best of `starts` seeded attempts by Lloyd's algorithm from k-means++ (scikit-learn's), the same whatever the
    order of the rows. Raises Unprocessable for more clusters than distinct rows."""
    from sklearn.cluster import KMeans

    check_count(k, table)
    order = np.lexsort(table.T)
    with one_thread():
        model = KMeans(k, n_init=starts, random_state=seed, max_iter=300).fit((table - table.mean(axis=0))[order])
    labels = np.empty(len(table), dtype=np.int64)
    labels[order] = model.labels_
    return described(table, labels)


def tree(table: FloatArray, linkage: Linkage = "ward") -> Tree:
    """Of an (n, d) `table` by Euclidean distance (SciPy's); n (n - 1) / 2 distances are held."""
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import pdist

    order = np.lexsort(table.T)
    merges = hierarchy.linkage(pdist((table - table.mean(axis=0))[order]), linkage)
    rows = len(table)
    nodes = merges[:, :2].astype(np.int64)
    nodes = np.sort(np.where(nodes < rows, order[np.minimum(nodes, rows - 1)], nodes), axis=1)
    return Tree(nodes[:, 0].copy(), nodes[:, 1].copy(), merges[:, 2].copy(), merges[:, 3].astype(np.int64))


def check_count(k: int, table: FloatArray) -> None:
    if k > distinct(table):
        raise refused("/k", f"is {k}, but only {distinct(table)} rows are distinct")


def silhouette(
    table: FloatArray, labels: Labels, *, seed: int = 0, check: Callable[[], None] = lambda: None
) -> float | None:
    """The mean over rows of (b - a) / max(a, b), where a is the mean distance to the other rows of the same cluster
    and b that to the nearest other cluster (Rousseeuw 1987), 0 for a cluster of one; None of a single cluster."""
    from scipy.spatial.distance import cdist

    if len(table) > SILHOUETTE_ROWS:
        # drawn among rows in their own order, so that the order they came in does not matter
        order = np.lexsort((labels, *table.T))
        chosen = order[np.random.default_rng(seed).choice(len(table), SILHOUETTE_ROWS, replace=False)]
        table, labels = table[chosen], labels[chosen]
    names, labels = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        return None
    of = np.eye(len(names))[labels]
    sizes = of.sum(axis=0)
    total, step = 0.0, max(1, _CHUNK // len(table))
    for start in range(0, len(table), step):
        check()
        part = slice(start, start + step)
        sums, own = cdist(table[part], table) @ of, labels[part]
        each = np.arange(len(own))
        within = sums[each, own] / np.maximum(sizes[own] - 1, 1)
        means = sums / sizes
        means[each, own] = np.inf
        apart = means.min(axis=1)
        larger = np.maximum(np.maximum(within, apart), np.finfo(float).tiny)
        total += float(np.where(sizes[own] > 1, (apart - within) / larger, 0.0).sum())
    return total / len(table)
