"""M-estimates of regression (Huber 1964; Beaton and Tukey 1974) by reweighted least squares, the scale by the median
absolute residual.

Points are taken in an orthonormal basis of the columns, so that no step is worse conditioned than its weights are.
Covariances are Huber's H1 (Huber 1981, eq. 6.5), as in statsmodels' RLM.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from services.stats.design import FloatArray

Method = Literal["huber", "tukey"]
HUBER, TUKEY = 1.345, 4.685
"""Tuning constants: 95 % of least squares' efficiency where the errors are normal."""
NORMAL_MAD = 0.6744897501960817
MOST_ITERATIONS = 500
_TOLERANCE = 1e-11
_FLAT = 64 * np.finfo(float).eps


@dataclass(frozen=True)
class Estimate:
    """`effects` (k,) in the basis; `scale` of the residuals; `spread`, which times the unit standard errors of least
    squares gives those of this fit (NaN without a scale); `residuals` (n,)."""

    effects: FloatArray
    scale: float
    spread: float
    residuals: FloatArray
    iterations: int
    converged: bool


def m_estimate(
    q: FloatArray, target: FloatArray, method: Method, *, check: Callable[[], None] = lambda: None
) -> Estimate:
    """Of `target` (n,) on the orthonormal columns `q` (n, k). Tukey's, which has many minima, starts from Huber's, and
    that from least squares. `check` is called at each step and may raise to end it."""
    effects, iterations, converged = q.T @ target, 0, False
    for weight in [_huber_weight, _tukey_weight][: 1 if method == "huber" else 2]:
        effects, steps, converged = _iterate(q, target, effects, weight, check)
        iterations += steps
    residuals = target - q @ effects
    scale = _scale(residuals, target)
    return Estimate(effects, scale, _spread(residuals, scale, q.shape[1], method), residuals, iterations, converged)


def warnings_of(estimate: Estimate) -> list[str]:
    if estimate.scale == 0:
        return ["half of the points or more lie on the fit: the scale of the others is 0, se, t and p are not defined"]
    if not estimate.converged:
        return [f"the fit still changed after {MOST_ITERATIONS} steps: its digits are not all settled"]
    return []


def _iterate(
    q: FloatArray,
    target: FloatArray,
    effects: FloatArray,
    weight: Callable[[FloatArray], FloatArray],
    check: Callable[[], None],
) -> tuple[FloatArray, int, bool]:
    for step in range(MOST_ITERATIONS):
        check()
        residuals = target - q @ effects
        scale = _scale(residuals, target)
        if scale == 0:
            return effects, step, True
        w = weight(residuals / scale)
        change = np.linalg.lstsq(q.T @ (q * w[:, None]), q.T @ (w * residuals), rcond=None)[0]
        effects = effects + change
        if np.abs(change).max(initial=0.0) <= _TOLERANCE * scale * math.sqrt(len(target)):
            return effects, step + 1, True
    return effects, MOST_ITERATIONS, False


def _scale(residuals: FloatArray, target: FloatArray) -> float:
    """The median absolute residual, as normal errors' standard deviation; 0 where it is nothing but rounding."""
    middle = float(np.median(np.abs(residuals)))
    return middle / NORMAL_MAD if middle > _FLAT * float(np.abs(target).max(initial=0.0)) else 0.0


def _huber_weight(u: FloatArray) -> FloatArray:
    return HUBER / np.maximum(np.abs(u), HUBER)


def _tukey_weight(u: FloatArray) -> FloatArray:
    inside: FloatArray = np.clip(1 - (u / TUKEY) ** 2, 0.0, None) ** 2
    return inside


def _spread(residuals: FloatArray, scale: float, count: int, method: Method) -> float:
    n = len(residuals)
    if n <= count or scale == 0:
        return math.nan
    u = residuals / scale
    if method == "huber":
        psi, slope = np.clip(u, -HUBER, HUBER), (np.abs(u) <= HUBER).astype(np.float64)
    else:
        v = np.clip((u / TUKEY) ** 2, None, 1.0)
        psi, slope = u * (1 - v) ** 2, (1 - v) * (1 - 5 * v)
    steep = float(slope.mean())
    if steep <= 0:
        return math.nan
    k = 1 + count / n * float(slope.var()) / steep**2
    return scale * k * math.sqrt(float(psi @ psi) / (n - count)) / steep
