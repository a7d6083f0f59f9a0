"""Covariances of the coefficients that do not take the errors to have one variance, or to be independent.

White (1980) for HC0; MacKinnon and White (1985) for HC1 to HC3; Newey and West (1987) for HAC, with Bartlett's weights
and no correction for small samples.
"""

import math
from collections.abc import Callable
from typing import Literal

import numpy as np

from services.stats.design import FloatArray
from services.stats.inference import Errors
from services.stats.leastsquares import Centred, Solution, spread

Covariance = Literal["nonrobust", "HC0", "HC1", "HC2", "HC3", "HAC"]


def default_lag(n: int) -> int:
    """floor(4 (n / 100)^(2/9)): Newey and West (1994), as statsmodels has it."""
    return math.floor(4 * math.pow(n / 100, 2 / 9))


def robust_meat(
    solution: Solution, centred: Centred, *, kind: Covariance, lag: int, check: Callable[[], None] = lambda: None
) -> FloatArray:
    """The covariance (k, k) of the effects of a solution with its points. For HAC these are in the order of time, and
    those up to `lag` apart may be correlated; `check` is called for each distance and may raise to end it. NaN where a
    point alone determines a coefficient, by HC2 and HC3."""
    q, residuals = centred.points
    scores = q * (residuals * _factors(kind, q, centred.hat, len(q) - solution.parameters))[:, None]
    meat: FloatArray = scores.T @ scores
    for distance in range(1, lag + 1 if kind == "HAC" else 0):
        check()
        apart = scores[distance:].T @ scores[:-distance]
        meat += (1 - distance / (lag + 1)) * (apart + apart.T)
    return meat


@np.errstate(over="ignore", invalid="ignore")
def errors_by(meat: FloatArray, centred: Centred, count: int) -> Errors:
    """Of the `count` coefficients, by the covariance of the effects."""
    variance = np.einsum("ij,jk,ik->i", centred.rows, meat, centred.rows)
    se = np.ldexp(np.sqrt(np.maximum(variance, 0.0)), centred.y_exponent - centred.exponents)
    return Errors(spread(se, centred.kept, count), _wald(centred.effects, meat, int(centred.intercept)))


def _factors(kind: Covariance, q: FloatArray, hat: FloatArray, df: float) -> FloatArray:
    """What the residuals are multiplied by, (n,)."""
    if kind in {"HC0", "HAC"}:
        return np.ones(len(q))
    if kind == "HC1":
        return np.full(len(q), math.sqrt(len(q) / df) if df > 0 else math.nan)
    leverage = leverages(q, hat)
    left = np.where(1 - leverage > 8 * np.finfo(float).eps, 1 - leverage, np.nan)
    factors: FloatArray = 1 / (np.sqrt(left) if kind == "HC2" else left)
    return factors


def leverages(q: FloatArray, hat: FloatArray) -> FloatArray:
    """The diagonal of the hat matrix, 0..1."""
    diagonal: FloatArray = np.einsum("ij,jk,ik->i", q, hat, q, optimize=True)
    return np.clip(diagonal, 0.0, 1.0)


def _wald(effects: FloatArray, meat: FloatArray, first: int) -> float:
    """F of all slopes: since the gain is triangular, they and their covariance are those of the effects from `first`
    on, turned."""
    slopes, inner = effects[first:], meat[first:, first:]
    if not len(slopes) or not np.isfinite(inner).all():
        return math.nan
    try:
        root = np.linalg.cholesky(inner)
    except np.linalg.LinAlgError:
        return math.nan
    scaled = np.linalg.solve(root, slopes)
    return float(scaled @ scaled) / len(slopes)
