"""Exploratory factor analysis of a correlation matrix: few factors behind many columns."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from scipy.special import chdtrc

from services.stats.leastsquares import FloatArray
from services.stats.rotations import OBLIQUE, Rotated, Rotation, rotate
from services.stats.rows import refused
from shared.errors import Unprocessable

Method = Literal["pa", "ml"]

LEAST_UNIQUENESS = 0.005
"""Maximum likelihood keeps uniquenesses from it, as R's factanal does: its optimum may lie at 0, or beyond."""
_STEPS = 5_000
_SETTLED = 1e-10


@dataclass(frozen=True)
class Fit:
    """Lawley & Maxwell's test that so many factors suffice, with Bartlett's correction (1951)."""

    chi2: float
    df: int
    p: float


@dataclass(frozen=True)
class Factors:
    """`loadings` (p, m), the pattern of an oblique rotation; `communalities` (p,) are the shares of each column's
    variance that the factors explain, `uniqueness` the rest. `eigenvalues` (p,) are those of the correlations, falling.

    `variance` (m,) is what each factor explains of the p columns' variance, `proportion` and `cumulative` its share.
    `rotation_matrix` (m, m) brings the unrotated loadings to these, `factor_correlations` are there for oblique ones.
    `heywood` are the positions of columns whose uniqueness came to its bound, so that the model does not fit them.
    `rmsr` is the root mean square of the correlations that are left unexplained.
    """

    loadings: FloatArray
    communalities: FloatArray
    uniqueness: FloatArray
    eigenvalues: FloatArray
    variance: FloatArray
    proportion: FloatArray
    cumulative: FloatArray
    rotation_matrix: FloatArray
    factor_correlations: FloatArray | None
    heywood: list[int]
    fit: Fit | None
    rmsr: float
    iterations: int
    converged: bool
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Extracted:
    loadings: FloatArray
    uniqueness: FloatArray
    least: float
    iterations: int
    converged: bool
    discrepancy: float | None = None


def analyse(
    matrix: FloatArray,
    n_factors: int,
    *,
    method: Method = "pa",
    rotation: Rotation = "none",
    kaiser: bool = True,
    gamma: float = 0.0,
    n: int | None = None,
    check: Callable[[], None] = lambda: None,
) -> Factors:
    """Of a (p, p) correlation `matrix`, over `n` rows where that is known and a test is meant.

    pa iterates principal axes from the squared multiple correlations to the fixed point; ml is Jöreskog's (1967)
    maximum likelihood. Factors stand in falling order of what they explain, each with loadings of positive sum.
    Raises Unprocessable for more factors than the method tells apart, and for a singular matrix under ml.
    """
    size = len(matrix)
    df = ((size - n_factors) ** 2 - size - n_factors) // 2
    if n_factors >= size or (method == "ml" and df < 0):
        raise refused("/n_factors", f"is {n_factors}, too many for {size} columns")
    eigenvalues = np.asarray(np.linalg.eigvalsh(matrix)[::-1], dtype=np.float64)
    if method == "ml" and eigenvalues[-1] < 1e-10:
        raise Unprocessable(
            "the correlations are singular, for which there is no maximum likelihood; leave out columns that follow "
            "from others, or set method to pa"
        )
    found = _principal_axes(matrix, n_factors, check) if method == "pa" else _likelihood(matrix, n_factors, check)
    full = np.linalg.matrix_rank(found.loadings, tol=1e-7) == n_factors
    rotation = rotation if full else "none"
    unrotated = _in_order(Rotated(found.loadings, np.eye(n_factors), np.eye(n_factors)))[0].loadings
    turned, variance = _in_order(rotate(unrotated, rotation, kaiser=kaiser, gamma=gamma, check=check))
    rest = matrix - found.loadings @ found.loadings.T
    heywood = np.flatnonzero(found.uniqueness <= found.least + 1e-6).tolist()
    return Factors(
        turned.loadings,
        1 - found.uniqueness,
        found.uniqueness,
        eigenvalues,
        variance,
        variance / size,
        np.cumsum(variance) / size,
        turned.matrix,
        turned.correlations if rotation in OBLIQUE else None,
        heywood,
        _test(found.discrepancy, n, size, n_factors, df),
        math.sqrt(float(np.mean(rest[np.triu_indices(size, 1)] ** 2))),
        found.iterations,
        found.converged and turned.converged,
        _warnings(found, turned, df, full=full),
    )


def _principal_axes(matrix: FloatArray, n_factors: int, check: Callable[[], None]) -> _Extracted:
    """Harman (1976), section 7.2; a communality that comes to 1 is kept there."""
    reduced = matrix.copy()
    shares = _multiple_correlations(matrix)
    for step in range(1, _STEPS + 1):
        check()
        np.fill_diagonal(reduced, shares)
        values, vectors = np.linalg.eigh(reduced)
        loadings = vectors[:, : -n_factors - 1 : -1] * np.sqrt(np.maximum(values[: -n_factors - 1 : -1], 0.0))
        before, shares = shares, np.minimum((loadings**2).sum(axis=1), 1.0)
        if np.max(np.abs(shares - before)) < _SETTLED:
            return _Extracted(loadings, 1 - shares, 0.0, step, True)
    return _Extracted(loadings, 1 - shares, 0.0, _STEPS, False)


def _multiple_correlations(matrix: FloatArray) -> FloatArray:
    """Squared, of each column with the rest; of a singular matrix the largest correlation instead."""
    if np.linalg.eigvalsh(matrix)[0] > 1e-8:
        shares: FloatArray = 1 - 1 / np.diagonal(np.linalg.inv(matrix))
        return shares
    largest: FloatArray = np.max(np.abs(matrix - np.eye(len(matrix))), axis=1)
    return largest


def _likelihood(matrix: FloatArray, n_factors: int, check: Callable[[], None]) -> _Extracted:
    """The discrepancy, with the loadings at their best for given uniquenesses, is a function of those alone; its
    gradient is that of Jöreskog (1967), eq. 26."""
    from scipy.optimize import minimize

    size = len(matrix)

    def best(uniqueness: FloatArray) -> tuple[FloatArray, FloatArray]:
        root = np.sqrt(uniqueness)
        values, vectors = np.linalg.eigh(matrix / np.outer(root, root))
        return values[:-n_factors], root[:, None] * (
            vectors[:, : -n_factors - 1 : -1] * np.sqrt(np.maximum(values[: -n_factors - 1 : -1] - 1, 0.0))
        )

    def discrepancy(uniqueness: FloatArray) -> tuple[float, FloatArray]:
        check()
        rest, loadings = best(uniqueness)
        residual = (loadings**2).sum(axis=1) + uniqueness - np.diagonal(matrix)
        return float(np.sum(rest - np.log(rest))) - len(rest), residual / uniqueness**2

    start = np.clip((1 - n_factors / (2 * size)) / np.diagonal(np.linalg.inv(matrix)), LEAST_UNIQUENESS, 1.0)
    options = {"maxiter": _STEPS, "maxfun": _STEPS, "gtol": 1e-9, "ftol": 1e-15}
    bounds = [(LEAST_UNIQUENESS, 1.0)] * size
    found = minimize(discrepancy, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    loadings = best(found.x)[1]
    return _Extracted(loadings, found.x, LEAST_UNIQUENESS, int(found.nit), bool(found.success), float(found.fun))


def _in_order(turned: Rotated) -> tuple[Rotated, FloatArray]:
    sums = turned.loadings.sum(axis=0)
    sign = np.where(sums < 0, -1.0, 1.0)
    variance = np.diagonal(turned.correlations @ turned.loadings.T @ turned.loadings)
    order = np.argsort(-variance, kind="stable")
    loadings, matrix = (turned.loadings * sign)[:, order], (turned.matrix * sign)[:, order]
    correlations = (turned.correlations * np.outer(sign, sign))[np.ix_(order, order)]
    return Rotated(loadings, matrix, correlations, turned.converged), variance[order]


def _test(discrepancy: float | None, n: int | None, size: int, n_factors: int, df: int) -> Fit | None:
    if discrepancy is None or n is None or df <= 0:
        return None
    chi2 = max(0.0, (n - 1 - (2 * size + 5) / 6 - 2 * n_factors / 3) * discrepancy)
    return Fit(chi2, df, float(chdtrc(df, chi2)))


def _warnings(found: _Extracted, turned: Rotated, df: int, *, full: bool) -> list[str]:
    warnings = []
    if not found.converged:
        warnings.append(f"the extraction had not settled after {found.iterations} steps")
    if not turned.converged:
        warnings.append("the rotation had not settled")
    if df < 0:
        warnings.append("so many factors have more loadings than there are correlations: they are not determined")
    if not full:
        warnings.append("a factor explains nothing, so that they are not rotated: fewer would do")
    return warnings
