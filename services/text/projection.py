"""Sentence vectors as points of a plane, to be drawn: near means alike, the axes mean nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from services.text.axes import Axes, all_alike, principal
from services.text.embedder import Vectors
from services.text.threads import one_thread

Method = Literal["tsne", "pca", "umap"]
Points = NDArray[np.float64]
NAMES = {"tsne": "t-SNE", "umap": "UMAP"}
PERPLEXITY = 30
ITERATIONS, TOLD_EVERY = 750, 25
"""Of t-SNE: 250 with exaggerated attraction and 500 without."""
NEIGHBOURS = 15
PLACED_AT_ONCE = 256
PLACED_BY, PLACED_PERPLEXITY = 25, 5
"""Neighbours that a new text starts in the middle of, and the perplexity by which it is then moved."""
FEWEST = 10
"""Below this many texts there are no neighbourhoods to keep: a third of them would be less than three."""
_umap_alone = threading.Lock()  # numba's own threads may be called by one of ours at a time


@dataclass(frozen=True, slots=True)
class Projection:
    """`points` is (n, 2); `method` made them, and `warnings` say why where another was asked for. `axes` are PCA's."""

    method: Method
    points: Points
    warnings: list[str] = field(default_factory=list)
    axes: Axes | None = None


def installed(method: Method) -> bool:
    return method != "umap" or find_spec("umap") is not None


def project(
    vectors: Vectors,
    method: Method,
    seed: int,
    check: Callable[[], None] = lambda: None,
    report: Callable[[float], None] = lambda _: None,
) -> Projection:
    """PCA's first two components; t-SNE (van der Maaten and Hinton 2008) or UMAP (McInnes, Healy and Melville 2018) on
    cosine distances, started from them. The same seed, the same points.

    The perplexity is 30, or a third of the texts less one where that is less; UMAP has 15 neighbours, or all others.
    t-SNE calls `check` now and then, which may raise to end it, and `report` with the share that is done.
    """
    with one_thread():
        if method == "pca":
            return _pca(vectors)
        if len(vectors) < FEWEST or all_alike(vectors):
            reason = f"{NAMES[method]} needs at least {FEWEST} texts that differ; the projection is PCA's"
            return _pca(vectors, reason)
        if method == "umap":
            return Projection(method, _umap(vectors, seed))
        return Projection(method, _tsne(vectors, seed, check, report))


def on_plane(axes: Axes, vectors: Vectors) -> Points:
    """(n, 2): by the first two of `axes`, 0 where there are fewer."""
    points = np.zeros((len(vectors), 2))
    found = axes.place(vectors)[:, :2]
    points[:, : found.shape[1]] = found
    return points


def among(
    new: Vectors, vectors: Vectors, points: Points, seed: int, check: Callable[[], None] = lambda: None
) -> Points:
    """Where `new` texts belong on the plane of t-SNE, `points`, that was made of `vectors`: each is drawn to its
    neighbours among them, which stay where they are, whatever other new texts there are (Policar, Strazar and Zupan
    2023, "Embedding to reference t-SNE space"). `check` is called now and then and may raise to end the work.
    """
    with one_thread():
        from openTSNE import TSNEEmbedding
        from openTSNE.affinity import PerplexityBasedNN

        options: dict[str, Any] = {"n_jobs": 1, "random_state": seed}
        affinities = PerplexityBasedNN(
            vectors, perplexity=perplexity(len(vectors)), method="exact", metric="cosine", **options
        )
        reference = TSNEEmbedding(points, affinities, negative_gradient_method="bh", **options)
        neighbours = {
            "k": min(PLACED_BY, len(vectors) - 1),
            "perplexity": min(PLACED_PERPLEXITY, (len(vectors) - 1) / 3),
        }
        placed = []
        for start in range(0, len(new), PLACED_AT_ONCE):
            check()
            block = reference.transform(new[start : start + PLACED_AT_ONCE], **neighbours)
            placed.append(np.asarray(block, dtype=np.float64))
    return np.concatenate(placed)


def _pca(vectors: Vectors, *reasons: str) -> Projection:
    axes = principal(vectors, 2)
    return Projection("pca", on_plane(axes, vectors), [*reasons], axes)


def perplexity(count: int) -> float:
    return min(PERPLEXITY, (count - 1) / 3)


def _tsne(vectors: Vectors, seed: int, check: Callable[[], None], report: Callable[[float], None]) -> Points:
    import openTSNE

    calls = iter(range(1, ITERATIONS // TOLD_EVERY + 1))

    def on_the_way(*_: Any) -> None:
        check()
        report(next(calls) * TOLD_EVERY / ITERATIONS)

    embedding = openTSNE.TSNE(
        perplexity=perplexity(len(vectors)),
        metric="cosine",
        neighbors="exact",
        negative_gradient_method="bh",
        initialization="pca",
        callbacks=on_the_way,
        callbacks_every_iters=TOLD_EVERY,
        n_jobs=1,
        random_state=seed,
    ).fit(vectors)
    return np.ascontiguousarray(embedding, dtype=np.float64)


def _umap(vectors: Vectors, seed: int) -> Points:
    with _umap_alone:
        neighbours = min(NEIGHBOURS, len(vectors) - 1)
        start = _pca(vectors).points.astype(np.float32)
        model = import_module("umap").UMAP(
            n_neighbors=neighbours, metric="cosine", init=start, n_jobs=1, random_state=seed
        )
        return np.ascontiguousarray(model.fit_transform(vectors), dtype=np.float64)
