"""What a fitted regression says: its coefficients with their uncertainty, and how well it fits.

The definitions of r2, adj_r2, aic and bic are those of statsmodels: without an intercept r2 is about zero, and the
residual variance is no parameter of aic and bic (R counts it, so its values are 2 and log(n) larger).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypedDict

import numpy as np
from scipy.special import fdtrc, stdtr, stdtrit

from services.stats.design import FloatArray
from services.stats.leastsquares import Solution

DIGITS = -math.log10(np.finfo(float).eps)


class Fitted(Protocol):
    """What predictions are made from."""

    def mean(self, columns: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
        """At other points: the fit and its standard error, both (m,); NaN where the method has none."""


@dataclass(frozen=True)
class Influence:
    """One entry a point: what it weighs in its own fit (the hat matrix's diagonal, 0..1); Cook's distance; and the
    residual over its standard error, by a sigma with the point (`standardized`) and without it (`studentized`, which
    has Student's t with df - 1). NaN for a point that alone determines a coefficient."""

    leverage: FloatArray
    cooks_distance: FloatArray
    standardized: FloatArray
    studentized: FloatArray


class Figures(TypedDict):
    """Of each coefficient."""

    coef: FloatArray
    se: FloatArray
    t: FloatArray
    p: FloatArray
    ci: FloatArray


@dataclass(frozen=True, kw_only=True)
class Regression:
    """One entry a column of the design in `coef`, `se`, `t`, `p` and `ci`; NaN for a dropped column, and for what the
    method does not define.

    `df` are the residual degrees of freedom (points less parameters), `sigma` the scale of the residuals, `f` the test
    of all slopes at once against the intercept alone (against nothing without one), `condition` that of the kept
    columns scaled to unit length.
    """

    names: list[str]
    coef: FloatArray
    se: FloatArray
    t: FloatArray
    p: FloatArray
    ci: FloatArray
    r2: float = math.nan
    adj_r2: float = math.nan
    sigma: float
    f: float = math.nan
    f_p: float = math.nan
    df: float
    rank: int
    condition: float
    dropped: list[str] = field(default_factory=list)
    aic: float = math.nan
    bic: float = math.nan
    loglik: float = math.nan
    n: int
    lag: int | None = None
    iterations: int | None = None
    warnings: list[str] = field(default_factory=list)
    influence: Influence | None = None
    fitted: Fitted | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Errors:
    """Standard errors found otherwise than from the residual variance; `f` (NaN: none) is their test of all slopes."""

    se: FloatArray
    f: float


def infer(
    solution: Solution,
    names: list[str],
    n: int,
    *,
    weights: FloatArray | None = None,
    intercept: bool = True,
    confidence: float = 0.95,
    errors: Errors | None = None,
    advice: str | None = "",
) -> Regression:
    """What a least squares solution over `n` points says; `advice` as for `column_warnings`."""
    rank, parameters = len(solution.kept), solution.parameters
    rss, tss = (each if math.isfinite(each) else math.nan for each in (solution.rss, solution.tss))
    df, df_model = _whole(n - parameters), rank - int(intercept)
    variance = rss / df if df > 0 else math.nan
    f = (tss - rss) / df_model / variance if df_model and variance > 0 and parameters == rank else math.nan
    sigma = math.sqrt(variance)
    with np.errstate(over="ignore", invalid="ignore"):
        errors = errors or Errors(sigma * solution.unit_se, f)
    loglik = _loglik(rss, n, weights)
    r2 = 1 - rss / tss if tss > 0 else math.nan
    return Regression(
        names=names,
        **figures_of(solution.coef, errors.se, df, confidence),
        r2=r2,
        adj_r2=1 - (1 - r2) * (n - int(intercept)) / df if df > 0 else math.nan,
        sigma=sigma,
        f=errors.f,
        f_p=float(fdtrc(df_model, df, errors.f)) if not math.isnan(errors.f) else math.nan,
        df=df,
        rank=rank,
        condition=solution.condition,
        dropped=dropped_of(solution, names),
        aic=2 * parameters - 2 * loglik,
        bic=math.log(n) * parameters - 2 * loglik,
        loglik=loglik,
        n=n,
        warnings=[*_warnings(solution, names, df, advice), *_undefined(solution, names, errors)],
    )


@np.errstate(all="ignore")
def figures_of(coef: FloatArray, se: FloatArray, df: float, confidence: float) -> Figures:
    """`coef`, `se`, `t`, `p` and `ci` (count, 2), by Student's t."""
    t = np.where(se > 0, coef / se, np.nan)
    half = se * student(df, confidence)
    p = 2 * stdtr(df, -np.abs(t)) if df > 0 else np.full(len(t), np.nan)
    return {"coef": coef, "se": se, "t": t, "p": p, "ci": np.column_stack([coef - half, coef + half])}


def student(df: float, confidence: float) -> float:
    """How many standard errors each half of a two-sided interval has; NaN without degrees of freedom."""
    return float(stdtrit(df, 0.5 + confidence / 2)) if df > 0 else math.nan


def _whole(df: float) -> float:
    return int(df) if float(df).is_integer() else df


def _loglik(rss: float, n: int, weights: FloatArray | None) -> float:
    """The Gaussian log-likelihood at its maximum over the variance; NaN where the fit leaves no residual."""
    if not rss / n > 0:
        return math.nan
    logs = 0.0 if weights is None else 0.5 * math.fsum(np.log(weights).tolist())
    return logs - 0.5 * n * (math.log(2 * math.pi * rss / n) + 1)


def dropped_of(solution: Solution, names: Sequence[str]) -> list[str]:
    kept = set(solution.kept)
    return [name for j, name in enumerate(names) if j not in kept]


def _warnings(solution: Solution, names: Sequence[str], df: float, advice: str | None) -> list[str]:
    warnings = column_warnings(solution, names, advice)
    if df == 0:
        warnings.append("as many coefficients as points: the fit is exact and leaves nothing to estimate its error by")
    elif solution.rss == 0:
        warnings.append("the fit leaves no residual: t, p, f, aic and bic are not defined")
    if solution.tss == 0:
        warnings.append("y does not vary: r2 is not defined")
    return warnings


def _undefined(solution: Solution, names: Sequence[str], errors: Errors) -> list[str]:
    """What is null although there are residuals."""
    warnings = []
    if still := [names[j] for j in solution.kept if errors.se[j] == 0 and solution.rss > 0]:
        warnings.append(f"the coefficient of {', '.join(still)} cannot vary: t and p are not defined")
    if not math.isfinite(solution.rss + solution.tss):
        warnings.append("the sums of squares are beyond the range of a double: use smaller units or weights")
    if math.isinf(errors.f):
        warnings.append("f is beyond the range of a double, null here")
    return warnings


def column_warnings(solution: Solution, names: Sequence[str], advice: str | None) -> list[str]:
    """What to know of the columns, whatever the method. `advice` is what to do where they are nearly dependent; None
    for a solution to which that does not matter."""
    warnings = [
        f"column {name} is a linear combination of the columns before it: it was dropped, its coefficient is null"
        for name in dropped_of(solution, names)
    ]
    lost = math.log10(solution.condition)
    if advice is not None and lost > DIGITS / 2:
        warnings.append(
            f"the columns are nearly dependent (condition {solution.condition:.2g}): the coefficients may be right "
            f"to {max(0.0, DIGITS - lost):.0f} digits only{advice}"
        )
    if np.isinf(solution.coef).any():
        warnings.append("a coefficient is beyond the range of a double, null here: use other units")
    return warnings
