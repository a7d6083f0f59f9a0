"""Principal components: the directions in which sentence vectors differ most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.text.embedder import Vectors

ALIKE = 1e-5
"""Vectors that differ by less in every coordinate are one text's, and rounding."""
NOTHING = 1e-10
"""Spread, as a share of the largest, that is rounding."""


@dataclass(frozen=True, slots=True)
class Axes:
    """`directions` (d, 384) are orthonormal, that of the largest spread first; d may be 0."""

    mean: NDArray[np.float64]
    directions: NDArray[np.float64]

    def place(self, vectors: Vectors) -> NDArray[np.float64]:
        """(n, d)"""
        return np.ascontiguousarray((vectors.astype(np.float64) - self.mean) @ self.directions.T)


def all_alike(vectors: Vectors) -> bool:
    return bool(np.ptp(vectors, axis=0).max() < ALIKE)


def principal(vectors: Vectors, dimensions: int) -> Axes:
    """The first `dimensions` principal components of (n, d), or as many as say anything: n - 1 at most, and none where
    all rows are alike."""
    mean = vectors.mean(axis=0, dtype=np.float64)
    if len(vectors) == 1 or all_alike(vectors):
        return Axes(mean, np.zeros((0, vectors.shape[1])))
    from sklearn.decomposition import PCA

    solver = "full" if len(vectors) <= vectors.shape[1] else "covariance_eigh"
    found = PCA(min(dimensions, *vectors.shape), svd_solver=solver).fit(vectors.astype(np.float64))
    telling = found.explained_variance_ > NOTHING * found.explained_variance_[0]
    return Axes(mean, found.components_[telling])
