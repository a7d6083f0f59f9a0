"""Mixtures of normal distributions, fitted by expectation and maximisation (scikit-learn's)."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import logsumexp

from services.stats.learning import one_thread
from services.stats.leastsquares import FloatArray
from services.stats.rows import distinct, refused

Shape = Literal["full", "tied", "diag", "spherical"]

_FLOOR = 1e-6
"""What is added to each variance of the columns brought to variance 1, so that none comes to 0."""
_STEPS = 200


@dataclass(frozen=True)
class Mixture:
    """Of columns less `centre` over `scale` (d,): `weights` (k,), `means` (k, d) and `covariances` (k, d, d), the
    heaviest component first. `loglik` is the mean over the rows, of the columns as they were given; `bic` and `aic`
    are the smaller the better."""

    centre: FloatArray
    scale: FloatArray
    weights: FloatArray
    means: FloatArray
    covariances: FloatArray
    loglik: float
    bic: float
    aic: float
    warnings: list[str] = field(default_factory=list)

    def log_parts(self, points: FloatArray) -> FloatArray:
        """Logarithm of each component's share of the density at `points` (m, d); (m, k)."""
        z = (points - self.centre) / self.scale
        parts = np.empty((len(z), len(self.weights)))
        for k, (weight, mean, covariance) in enumerate(zip(self.weights, self.means, self.covariances, strict=True)):
            root = np.linalg.cholesky(covariance)
            rest = solve_triangular(root, (z - mean).T, lower=True)
            volume = np.log(np.diagonal(root)).sum() + z.shape[1] / 2 * math.log(2 * math.pi)
            parts[:, k] = math.log(weight) - volume - (rest**2).sum(axis=0) / 2
        parts -= np.log(self.scale).sum()
        return parts

    def log_density(self, points: FloatArray) -> FloatArray:
        density: FloatArray = logsumexp(self.log_parts(points), axis=1)
        return density


def fit(table: FloatArray, k: int, *, shape: Shape = "full", seed: int = 0, starts: int = 3) -> Mixture:
    """`k` components on an (n, d) `table` whose columns all vary, the best of `starts` seeded attempts.

    Neither the order of the rows nor the columns' units change the result. Raises Unprocessable for more components
    than distinct rows.
    """
    from sklearn.mixture import GaussianMixture

    if k > distinct(table):
        raise refused("/k", f"is {k}, but only {distinct(table)} rows are distinct")
    centre, scale = table.mean(axis=0), table.std(axis=0)
    z = ((table - centre) / scale)[np.lexsort(table.T)]
    model = GaussianMixture(
        k, covariance_type=shape, random_state=seed, n_init=starts, reg_covar=_FLOOR, max_iter=_STEPS, tol=1e-5
    )
    with one_thread():
        model.fit(z)
    covariances = _full(model.covariances_, shape, *model.means_.shape)
    order = np.lexsort((*model.means_.T, -model.weights_))
    weights, means, covariances = model.weights_[order], model.means_[order], covariances[order]
    found = Mixture(centre, scale, weights, means, covariances, 0.0, 0.0, 0.0)
    total = float(found.log_density(table).sum())
    free = _parameters(k, table.shape[1], shape)
    warnings = []
    if not model.converged_:
        warnings.append(f"{k} components had not settled after {_STEPS} steps")
    if np.linalg.eigvalsh(covariances).min() < 2 * _FLOOR:
        warnings.append("a component lies on rows that coincide or in a plane: its width there is a floor, not a fit")
    bic, aic = free * math.log(len(table)) - 2 * total, 2 * free - 2 * total
    return Mixture(centre, scale, weights, means, covariances, total / len(table), bic, aic, warnings)


def choose(
    table: FloatArray,
    largest: int,
    *,
    shape: Shape = "full",
    seed: int = 0,
    starts: int = 3,
    check: Callable[[], None] = lambda: None,
    report: Callable[[float], None] = lambda _: None,
) -> list[Mixture]:
    """One for each number of components from 1 to `largest`, or to the number of distinct rows."""
    found = []
    for k in range(1, min(largest, distinct(table)) + 1):
        check()
        found.append(fit(table, k, shape=shape, seed=seed, starts=starts))
        report(k / largest)
    return found


def _full(covariances: FloatArray, shape: Shape, k: int, width: int) -> FloatArray:
    if shape == "full":
        return covariances
    if shape == "tied":
        return np.repeat(covariances[None], k, axis=0)
    variances = covariances if shape == "diag" else np.repeat(covariances[:, None], width, axis=1)
    return variances[:, :, None] * np.eye(width)


def _parameters(k: int, width: int, shape: Shape) -> int:
    square = width * (width + 1) // 2
    free = {"full": k * square, "tied": square, "diag": k * width, "spherical": k}[shape]
    return free + k * width + k - 1
