"""Sentence vectors as points of a plane, to be drawn: near means alike, the axes mean nothing."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from services.text.axes import all_alike, principal
from services.text.embedder import Vectors
from services.text.threads import one_thread

Method = Literal["tsne", "pca", "umap"]
Points = NDArray[np.float64]
NAMES = {"tsne": "t-SNE", "umap": "UMAP"}
PERPLEXITY = 30
NEIGHBOURS = 15
FEWEST = 10
"""Below this many texts there are no neighbourhoods to keep: a third of them would be less than three."""
_umap_alone = threading.Lock()  # numba's own threads may be called by one of ours at a time


@dataclass(frozen=True, slots=True)
class Projection:
    """`points` is (n, 2); `method` made them, and `warnings` say why where another was asked for."""

    method: Method
    points: Points
    warnings: list[str] = field(default_factory=list)


def installed(method: Method) -> bool:
    return method != "umap" or find_spec("umap") is not None


def project(vectors: Vectors, method: Method, seed: int) -> Projection:
    """PCA's first two components; t-SNE (van der Maaten and Hinton 2008) or UMAP (McInnes, Healy and Melville 2018) on
    cosine distances, started from them. The same seed, the same points.

    The perplexity is 30, or a third of the texts less one where that is less; UMAP has 15 neighbours, or all others.
    """
    with one_thread():
        return _project(vectors, method, seed)


def _project(vectors: Vectors, method: Method, seed: int) -> Projection:
    if method == "pca":
        return Projection("pca", pca(vectors))
    if len(vectors) < FEWEST or all_alike(vectors):
        reason = f"{NAMES[method]} needs at least {FEWEST} texts that differ; the projection is PCA's"
        return Projection("pca", pca(vectors), [reason])
    return Projection(method, _tsne(vectors, seed) if method == "tsne" else _umap(vectors, seed))


def pca(vectors: Vectors) -> Points:
    points = np.zeros((len(vectors), 2))
    found = principal(vectors, 2).place(vectors)
    points[:, : found.shape[1]] = found
    return points


def perplexity(count: int) -> float:
    return min(PERPLEXITY, (count - 1) / 3)


def _tsne(vectors: Vectors, seed: int) -> Points:
    import openTSNE

    embedding = openTSNE.TSNE(
        perplexity=perplexity(len(vectors)),
        metric="cosine",
        neighbors="exact",
        negative_gradient_method="bh",
        initialization="pca",
        n_jobs=1,
        random_state=seed,
    ).fit(vectors)
    return np.ascontiguousarray(embedding, dtype=np.float64)


def _umap(vectors: Vectors, seed: int) -> Points:
    with _umap_alone:
        neighbours = min(NEIGHBOURS, len(vectors) - 1)
        start = pca(vectors).astype(np.float32)
        model = import_module("umap").UMAP(
            n_neighbors=neighbours, metric="cosine", init=start, n_jobs=1, random_state=seed
        )
        return np.ascontiguousarray(model.fit_transform(vectors), dtype=np.float64)
