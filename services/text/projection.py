"""Sentence vectors as points of a plane, to be drawn: near means alike, the axes mean nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import openTSNE
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from services.text.embedder import Vectors

Method = Literal["tsne", "pca"]
PERPLEXITY = 30
FEWEST_FOR_TSNE = 10
"""Below this many texts t-SNE has no neighbourhoods to keep: a third of them would be less than three."""


@dataclass(frozen=True, slots=True)
class Projection:
    """`points` is (n, 2); `method` made them, and `warnings` say why where another was asked for."""

    method: Method
    points: NDArray[np.float64]
    warnings: list[str] = field(default_factory=list)


def project(vectors: Vectors, method: Method, seed: int) -> Projection:
    """PCA's first two components, or t-SNE (van der Maaten and Hinton 2008) on cosine distances, started from PCA.

    The perplexity is 30, or a third of the texts less one where that is less. The same seed, the same points.
    """
    if method == "pca":
        return Projection("pca", pca(vectors))
    if len(vectors) < FEWEST_FOR_TSNE or np.ptp(vectors, axis=0).max() < 1e-5:
        reason = f"t-SNE needs at least {FEWEST_FOR_TSNE} texts that differ; the projection is PCA's"
        return Projection("pca", pca(vectors), [reason])
    return Projection("tsne", _tsne(vectors, seed))


def pca(vectors: Vectors) -> NDArray[np.float64]:
    points = np.zeros((len(vectors), 2))
    # Without spread there are no components, and dividing by it would say NaN.
    if len(vectors) > 1 and np.ptp(vectors, axis=0).max() >= 1e-5:
        points[:] = PCA(2, svd_solver="full").fit_transform(vectors.astype(np.float64))
    return points


def _tsne(vectors: Vectors, seed: int) -> NDArray[np.float64]:
    with threadpool_limits(1, user_api="openmp"):
        embedding = openTSNE.TSNE(
            perplexity=min(PERPLEXITY, (len(vectors) - 1) / 3),
            metric="cosine",
            neighbors="exact",
            negative_gradient_method="bh",
            initialization="pca",
            n_jobs=1,
            random_state=seed,
        ).fit(vectors)
    return np.ascontiguousarray(embedding, dtype=np.float64)
