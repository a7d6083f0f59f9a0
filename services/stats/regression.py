"""Linear regression by (weighted) least squares, with its inference.

The definitions of r2, adj_r2, aic and bic are those of statsmodels: without an intercept r2 is about zero, and the
residual variance is no parameter of aic and bic (R counts it, so its values are 2 and log(n) larger).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from scipy.special import fdtrc, stdtr, stdtrit

from services.stats import exact, leastsquares
from services.stats.leastsquares import FloatArray, Solution
from shared.errors import FieldError, TooLarge, Unprocessable

Precision = Literal["default", "high"]

MAX_WORK = 20_000_000_000
"""Most multiplications that a decomposition may take (n p^2): some ten seconds of one core."""
MAX_ENTRIES = 10_000_000
"""Most entries of the design (points x coefficients): 80 MB, which a fit needs some five times."""
DIGITS = -math.log10(np.finfo(float).eps)


@dataclass(frozen=True)
class Regression:
    """One entry a column of the design in `coef`, `se`, `t`, `p` and `ci`; NaN for a dropped column.

    `df` are the residual degrees of freedom, `sigma` the residual standard error (the square root of the weighted
    residual sum of squares over `df`), `f` the test of all slopes at once against the intercept alone (against
    nothing without one), `condition` that of the kept columns scaled to unit length.
    """

    names: list[str]
    coef: FloatArray
    se: FloatArray
    t: FloatArray
    p: FloatArray
    ci: FloatArray
    r2: float
    adj_r2: float
    sigma: float
    f: float
    f_p: float
    df: int
    rank: int
    condition: float
    dropped: list[str]
    aic: float
    bic: float
    loglik: float
    n: int
    warnings: list[str] = field(default_factory=list)


def fit(
    columns: Sequence[FloatArray],
    y: FloatArray,
    *,
    names: Sequence[str] | None = None,
    degree: int = 1,
    intercept: bool = True,
    weights: FloatArray | None = None,
    precision: Precision = "default",
    confidence: float = 0.95,
) -> Regression:
    """Regress `y` on the powers 1 to `degree` of each of `columns` (no cross terms), each of length n.

    Raises Unprocessable for fewer points than coefficients, TooLarge for more arithmetic than the limits allow.
    """
    labels = _labels(names, len(columns), degree, intercept=intercept)
    _check_size(len(y), len(labels))
    if precision == "high":
        solution = exact.solve(list(columns), degree, y, weights, intercept=intercept)
    else:
        design, exponents = leastsquares.power_design(columns, degree, intercept=intercept)
        scaled = leastsquares.solve(design, y, weights, intercept=intercept)
        with np.errstate(over="ignore"):
            coef, unit_se = np.ldexp(scaled.coef, -exponents), np.ldexp(scaled.unit_se, -exponents)
        solution = replace(scaled, coef=coef, unit_se=unit_se)
    return infer(
        solution,
        labels,
        len(y),
        weights=weights,
        intercept=intercept,
        precision=precision,
        confidence=confidence,
    )


def _labels(names: Sequence[str] | None, count: int, degree: int, *, intercept: bool) -> list[str]:
    given = list(names) if names else (["x"] if count == 1 else [f"x{j + 1}" for j in range(count)])
    powers = [name if k == 1 else f"{name}^{k}" for name in given for k in range(1, degree + 1)]
    return ["intercept", *powers] if intercept else powers


def _check_size(n: int, count: int) -> None:
    if n < count:
        raise Unprocessable(
            f"{n} points do not determine {count} coefficients: give at least {count} points, or fewer columns",
            errors=[FieldError("/y", f"has {n} entries, needs {count}")],
        )
    if n * count > MAX_ENTRIES or n * count**2 > MAX_WORK:
        raise TooLarge(
            f"{n:,} points x {count} coefficients: a design may have at most {MAX_ENTRIES:,} entries, and points x "
            f"coefficients squared may be {MAX_WORK:,}"
        )


def infer(
    solution: Solution,
    names: list[str],
    n: int,
    *,
    weights: FloatArray | None = None,
    intercept: bool = True,
    precision: Precision = "high",
    confidence: float = 0.95,
) -> Regression:
    """What a solution over `n` points says; `precision` is how it was found, for the warnings."""
    rank, rss, tss = len(solution.kept), solution.rss, solution.tss
    df, df_model = n - rank, rank - int(intercept)
    sigma = math.sqrt(rss / df) if df else math.nan
    dropped = [name for j, name in enumerate(names) if j not in set(solution.kept)]
    with np.errstate(all="ignore"):
        se = sigma * solution.unit_se
        t = np.where(se > 0, solution.coef / se, np.nan)
        p = 2 * stdtr(df, -np.abs(t)) if df else np.full(len(t), np.nan)
        half = se * stdtrit(df, 0.5 + confidence / 2) if df else np.full(len(t), np.nan)
        ci = np.column_stack([solution.coef - half, solution.coef + half])
    variance = rss / df if df else math.nan
    f = (tss - rss) / df_model / variance if df_model and variance > 0 else math.nan
    loglik = _loglik(rss, n, weights)
    r2 = 1 - rss / tss if tss > 0 else math.nan
    return Regression(
        names=names,
        coef=solution.coef,
        se=se,
        t=t,
        p=p,
        ci=ci,
        r2=r2,
        adj_r2=1 - (1 - r2) * (n - int(intercept)) / df if df else math.nan,
        sigma=sigma,
        f=f,
        f_p=float(fdtrc(df_model, df, f)) if math.isfinite(f) else math.nan,
        df=df,
        rank=rank,
        condition=solution.condition,
        dropped=dropped,
        aic=2 * rank - 2 * loglik,
        bic=math.log(n) * rank - 2 * loglik,
        loglik=loglik,
        n=n,
        warnings=_warnings(solution, dropped, df, precision),
    )


def _loglik(rss: float, n: int, weights: FloatArray | None) -> float:
    """The Gaussian log-likelihood at its maximum over the variance; NaN where the fit leaves no residual."""
    if not rss / n > 0:
        return math.nan
    logs = 0.0 if weights is None else 0.5 * math.fsum(np.log(weights).tolist())
    return logs - 0.5 * n * (math.log(2 * math.pi * rss / n) + 1)


def _warnings(solution: Solution, dropped: list[str], df: int, precision: Precision) -> list[str]:
    warnings = [
        f"column {name} is a linear combination of the columns before it: it was dropped, its coefficient is null"
        for name in dropped
    ]
    lost = math.log10(solution.condition)
    if precision == "default" and lost > DIGITS / 2:
        warnings.append(
            f"the columns are nearly dependent (condition {solution.condition:.2g}): the coefficients may be right "
            f"to {max(0.0, DIGITS - lost):.0f} digits only; precision high computes them exactly"
        )
    if df == 0:
        warnings.append("as many coefficients as points: the fit is exact and leaves nothing to estimate its error by")
    elif solution.rss == 0:
        warnings.append("the fit leaves no residual: t, p, f, aic and bic are not defined")
    if np.isinf(solution.coef).any():
        warnings.append("a coefficient is beyond the range of a double, null here: use other units")
    if solution.tss == 0:
        warnings.append("y does not vary: r2 is not defined")
    return warnings
