"""New texts in the clusters that others were grouped in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from services.text import outliers, projection
from services.text.axes import Axes
from services.text.clustering import Floats, Labels, Method, sums
from services.text.embedder import Vectors
from services.text.grouping import Grouping
from services.text.kmeans import nearest_mean
from services.text.mixture import Mixture
from services.text.projection import Points

BLOCK = 512


@dataclass(frozen=True, slots=True)
class Plane:
    """Where the texts were drawn: `axes` for PCA, `points` (n, 2) for t-SNE."""

    method: projection.Method
    axes: Axes | None
    points: Points | None


@dataclass(frozen=True, slots=True)
class Reference:
    """What is left of a clustering of n texts to assign others by. `means` (k, d) for k-means, `mixture` for GMM;
    `vectors` (n, d) and `labels` (n,) for methods that have no such rule, and for t-SNE.
    """

    method: Method
    seed: int
    labels: Labels
    centres: Vectors
    limits: Floats
    vectors: Vectors | None
    means: Vectors | None
    mixture: Mixture | None
    plane: Plane | None


@dataclass(frozen=True, slots=True)
class Assigned:
    """Of m texts; `distance` and `outliers` as in a clustering."""

    labels: Labels
    distance: Floats
    probability: Floats | None
    outliers: list[int]
    points: Points | None


def reference_of(method: Method, seed: int, vectors: Vectors, found: Grouping) -> Reference:
    """`vectors` are those that were grouped."""
    clustering, plane = found.clustering, found.projection
    means = None
    if method in ("kmeans", "gmm") and clustering.mixture is None:
        sizes = np.bincount(clustering.labels)[:, None]
        means = (sums(vectors, clustering.labels, clustering.k) / sizes).astype(np.float32)
    drawn_near = plane is not None and plane.method == "tsne"
    by_neighbour = means is None and clustering.mixture is None
    return Reference(
        method,
        seed,
        clustering.labels,
        clustering.centres,
        found.limits,
        vectors if by_neighbour or drawn_near else None,
        means,
        clustering.mixture,
        None if plane is None else Plane(plane.method, plane.axes, plane.points if drawn_near else None),
    )


def assign(
    reference: Reference, vectors: Vectors, *, draw: bool = True, check: Callable[[], None] = lambda: None
) -> Assigned:
    """Unit rows (m, d): k-means to the nearest mean, a mixture to the likeliest component; the other methods give a
    text the label of the nearest one that was grouped, be it noise. `check` may raise to end the work.
    """
    probability = None
    if reference.mixture is not None:
        posterior = reference.mixture.posterior(vectors)
        labels, probability = posterior.argmax(axis=1), posterior.max(axis=1)
    elif reference.means is not None:
        labels = nearest_mean(vectors, reference.means)
    else:
        assert reference.vectors is not None
        labels = reference.labels[_nearest(vectors, reference.vectors)]
    distance = outliers.distances(vectors, labels, reference.centres)
    beyond = outliers.beyond(distance, labels, reference.limits)
    return Assigned(labels, distance, probability, beyond, _points(reference, vectors, check) if draw else None)


def _nearest(vectors: Vectors, others: Vectors) -> Labels:
    blocks = (vectors[start : start + BLOCK] for start in range(0, len(vectors), BLOCK))
    nearest: Labels = np.concatenate([np.argmax(block @ others.T, axis=1) for block in blocks])
    return nearest


def _points(reference: Reference, vectors: Vectors, check: Callable[[], None]) -> Points | None:
    plane = reference.plane
    if plane is None:
        return None
    if plane.axes is not None:
        return projection.on_plane(plane.axes, vectors)
    if plane.points is None or reference.vectors is None:
        return None
    return projection.among(vectors, reference.vectors, plane.points, reference.seed, check)
