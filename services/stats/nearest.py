"""The nearest correlation matrix: what is indefinite made positive semidefinite by the smallest change there is.

Higham (2002), "Computing the nearest correlation matrix", poses it; it is solved through its dual, a convex function
of one variable a column (Malick 2004; Borsdorf & Higham 2010), whose value and gradient take one eigendecomposition.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from services.stats.leastsquares import FloatArray

TOLERANCE = 1e-12
"""A smallest eigenvalue above minus this, for each column, is rounding and left alone."""
_STEPS = 200


@dataclass(frozen=True)
class Repair:
    """`distance` is the Frobenius norm of the change, `eigenvalue` the smallest one before it."""

    matrix: FloatArray
    distance: float
    eigenvalue: float


def indefinite(matrix: FloatArray) -> float | None:
    """The smallest eigenvalue of a correlation matrix where it is below what rounding explains."""
    least = float(np.linalg.eigvalsh(matrix)[0])
    return least if least < -TOLERANCE * len(matrix) else None


def nearest_correlation(matrix: FloatArray, *, floor: float = 0.0, check: Callable[[], None] = lambda: None) -> Repair:
    """The symmetric matrix of unit diagonal and eigenvalues of `floor` (0..1) or more that is nearest to `matrix`,
    which is symmetric with a unit diagonal, in the Frobenius norm."""
    from scipy.optimize import minimize

    size = len(matrix)
    least = float(np.linalg.eigvalsh(matrix)[0])
    shrunk = (matrix - floor * np.eye(size)) / (1 - floor)  # of this the nearest with eigenvalues from 0

    def dual(y: FloatArray) -> tuple[float, FloatArray]:
        check()
        part = _positive_part(shrunk + np.diag(y))
        return float(np.sum(part * part)) / 2 - float(y.sum()), np.diagonal(part) - 1.0

    options = {"maxiter": _STEPS, "gtol": 1e-11, "ftol": 0.0, "maxcor": 20}
    found = minimize(dual, np.zeros(size), jac=True, method="L-BFGS-B", options=options)
    part = _positive_part(shrunk + np.diag(found.x))
    root = np.sqrt(np.diagonal(part))
    unit = part / root[:, None] / root  # what the last step left of the diagonal
    result = floor * np.eye(size) + (1 - floor) * np.clip((unit + unit.T) / 2, -1.0, 1.0)
    np.fill_diagonal(result, 1.0)
    return Repair(result, float(np.linalg.norm(result - matrix)), least)


def _positive_part(matrix: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(matrix)
    part: FloatArray = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return part
