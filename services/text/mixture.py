"""Gaussian mixtures on the first principal components, started from Ward's groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from services.text.axes import Axes, principal
from services.text.embedder import Vectors

Covariance = Literal["diag", "tied"]
Floats = NDArray[np.float64]
DIMENSIONS = 50
RIDGE = 0.1
"""Added to every variance, as a share of the mean one: without it a component closes in on a few texts, and its
likelihood has no bound."""
ITERATIONS = 1000


@dataclass(frozen=True, slots=True)
class Mixture:
    """Of k components in d principal components: `weights` (k,), `means` (k, d), and `roots` with roots @ roots.T the
    inverse covariance: (k, d), its diagonal alone, or (d, d) for all. `bic` is that of the texts it was fitted to.
    """

    axes: Axes
    weights: Floats
    means: Floats
    roots: Floats
    covariance: Covariance
    bic: float | None

    def posterior(self, vectors: Vectors) -> Floats:
        """(n, k): the probability of each component, a row adds up to 1."""
        points = self.axes.place(vectors)
        log = np.empty((len(points), len(self.weights)))
        for component, mean in enumerate(self.means):
            offset = points - mean
            if self.covariance == "diag":
                root = self.roots[component]
                scaled, half_log = offset * root, np.log(root).sum()
            else:
                scaled, half_log = offset @ self.roots, 0.0  # the same for all
            log[:, component] = np.log(self.weights[component]) + half_log - 0.5 * (scaled**2).sum(axis=1)
        log -= log.max(axis=1, keepdims=True)
        np.exp(log, out=log)
        log /= log.sum(axis=1, keepdims=True)
        return log

    def keep(self, components: NDArray[np.int64]) -> Mixture:
        """These components alone, in this order."""
        roots = self.roots[components] if self.covariance == "diag" else self.roots
        weights, means = self.weights[components], self.means[components]
        return Mixture(self.axes, weights / weights.sum(), means, roots, self.covariance, self.bic)


def space(vectors: Vectors) -> Axes:
    """The first 50 principal components, or as many as there are."""
    return principal(vectors, DIMENSIONS)


def fit(vectors: Vectors, axes: Axes, start: NDArray[np.int64], covariance: Covariance) -> Mixture:
    """Expectation-maximisation in the plane of `axes`, from the groups `start` (n,), 0 to k - 1, none empty.
    `diag`: each component has its own variances; `tied`: all have one covariance matrix.
    """
    from sklearn.mixture import GaussianMixture

    points = axes.place(vectors)
    ridge = RIDGE * float(points.var(axis=0).mean())
    weights, means, precisions = _moments(points, start, covariance, ridge)
    model = GaussianMixture(
        len(weights),
        covariance_type=covariance,
        weights_init=weights,
        means_init=means,
        precisions_init=precisions,
        reg_covar=ridge,
        max_iter=ITERATIONS,
    ).fit(points)
    facts = model.weights_, model.means_, model.precisions_cholesky_
    return Mixture(axes, *facts, covariance, float(model.bic(points)))


def _moments(
    points: Floats, labels: NDArray[np.int64], covariance: Covariance, ridge: float
) -> tuple[Floats, Floats, Floats]:
    """Weights, means and inverse covariances of the groups."""
    member = np.eye(int(labels.max()) + 1)[labels]
    sizes = member.sum(axis=0)
    means = member.T @ points / sizes[:, None]
    offset = points - means[labels]
    if covariance == "diag":
        return sizes / len(points), means, 1 / (member.T @ offset**2 / sizes[:, None] + ridge)
    inverse = np.linalg.inv(offset.T @ offset / len(points) + ridge * np.eye(points.shape[1]))
    return sizes / len(points), means, (inverse + inverse.T) / 2
