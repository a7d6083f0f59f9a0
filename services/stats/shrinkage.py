"""Covariances for few rows and for rows among which some are wrong."""

from dataclasses import dataclass

import numpy as np

from services.stats.learning import one_thread
from services.stats.leastsquares import FloatArray
from services.stats.products import centred
from shared.errors import Unprocessable

_IN_A_PLANE = "half of the rows or more lie in a plane, so that no ellipsoid is the smallest around them"


@dataclass(frozen=True)
class Estimate:
    """A (p, p) covariance; `shrinkage` is the weight of the multiple of the identity in it, `support` the number of
    rows that a robust one rests upon."""

    matrix: FloatArray
    shrinkage: float | None = None
    support: int | None = None


def ledoit_wolf(table: FloatArray) -> Estimate:
    """Of an (n, p) table, shrunk towards a multiple of the identity by the weight that leaves the least expected
    squared error, estimated from fourth moments (Ledoit & Wolf 2004, lemma 3.3)."""
    rest = centred(table)
    rows, width = rest.shape
    sample = rest.T @ rest / rows
    squares = rest * rest
    distance = _distance(sample)
    error = float(np.sum(squares.T @ squares) / rows - np.sum(sample * sample)) / rows
    return _shrunk(sample, min(max(error, 0.0), distance) / distance if distance > 0 and width > 1 else 0.0)


def oracle_approximating(table: FloatArray) -> Estimate:
    """The same by the weight that is best if the rows are normal (Chen, Wiesel, Eldar & Hero 2010, eq. 23, without its
    terms in 1/p, as scikit-learn has it)."""
    rest = centred(table)
    rows, width = rest.shape
    sample = rest.T @ rest / rows
    level = (np.trace(sample) / width) ** 2
    power = float(np.mean(sample * sample))
    spare = (rows + 1) * (power - level / width)
    return _shrunk(sample, min(1.0, (power + level) / spare) if spare > 0 and width > 1 else float(width > 1))


def minimum_determinant(table: FloatArray) -> Estimate:
    """Of the half of the rows that lies closest together, made consistent for normal rows and reweighted (Rousseeuw &
    Van Driessen 1999, FAST-MCD from fixed starting points). The order of the rows does not matter.

    Raises Unprocessable for too few rows, and where half of them lie in a plane.
    """
    from sklearn.covariance import MinCovDet

    rows, width = table.shape
    if rows <= 2 * width:
        raise Unprocessable(f"{rows} rows are too few: mcd of {width} columns needs more than {2 * width}")
    rest, spread = centred(table), table.std(axis=0)
    if (spread == 0).any():
        raise Unprocessable(f"column {int(np.argmin(spread))} does not vary: mcd needs columns that do")
    ordered = (rest / spread)[np.lexsort(table.T)]
    if np.linalg.matrix_rank(ordered, tol=1e-7 * np.sqrt(rows)) < width:
        raise Unprocessable("the columns follow from one another; mcd needs columns that do not")
    try:
        with np.errstate(all="ignore"), one_thread():
            found = MinCovDet(random_state=0).fit(ordered)
    except ValueError:  # of a single column, half of whose rows are alike
        raise Unprocessable(_IN_A_PLANE) from None
    closest = centred(ordered[found.raw_support_])
    if np.linalg.matrix_rank(closest, tol=1e-7 * np.sqrt(rows)) < width:
        raise Unprocessable(_IN_A_PLANE)
    matrix = np.asarray(found.covariance_) * spread[:, None] * spread
    return Estimate(matrix, support=int(found.support_.sum()))


def _distance(sample: FloatArray) -> float:
    """Squared, from the nearest multiple of the identity."""
    level = np.trace(sample) / len(sample)
    return float(np.sum((sample - level * np.eye(len(sample))) ** 2))


def _shrunk(sample: FloatArray, weight: float) -> Estimate:
    level = np.trace(sample) / len(sample)
    return Estimate((1 - weight) * sample + weight * level * np.eye(len(sample)), shrinkage=float(weight))
