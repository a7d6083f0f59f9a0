"""Linear regression: least squares, weighted or with a penalty, robust estimates, and lines through medians."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from scipy.special import fdtrc

from services.stats import exact, leastsquares, mestimation, sandwich, theilsen
from services.stats.design import Design, FloatArray
from services.stats.fitted import ExactPoints, LinearFit, LineFit
from services.stats.inference import Errors, Regression, column_warnings, dropped_of, figures_of, infer
from services.stats.influence import influence_of, influence_warnings
from services.stats.leastsquares import Centred, Solution
from services.stats.sandwich import Covariance
from shared.errors import FieldError, TooLarge, Unprocessable

Precision = Literal["default", "high"]
Method = Literal["ols", "ridge", "huber", "tukey", "theil_sen", "siegel"]

MAX_WORK = 20_000_000_000
"""Most multiplications that a decomposition may take (n p^2): some ten seconds of one core."""
MAX_ENTRIES = 20_000_000
"""Most entries of the design (points x coefficients): 160 MB, where it is kept whole."""
_ROBUST_STEPS = 50
"""What a robust fit takes, in decompositions."""


@dataclass(frozen=True)
class Options:
    """How to fit. `alpha` is ridge's penalty; `lag` HAC's, by default `sandwich.default_lag`; `confidence` that of
    intervals, 0..1; `influence` of each point is found where it is asked for; `check` is called now and then in long
    computations and may raise to end them."""

    names: Sequence[str] | None = None
    degree: int = 1
    intercept: bool = True
    weights: FloatArray | None = None
    method: Method = "ols"
    alpha: float | None = None
    covariance: Covariance = "nonrobust"
    lag: int | None = None
    precision: Precision = "default"
    confidence: float = 0.95
    influence: bool = False
    check: Callable[[], None] = lambda: None


def fit(columns: Sequence[FloatArray], y: FloatArray, **options: Any) -> Regression:
    """Regress `y` on the powers 1 to `degree` of each of `columns` (no cross terms), each of length n; `options` are
    those of `Options`.

    ols minimises the sum of w (y - X b)^2; ridge that and `alpha` times the squares of the slopes, in the units given;
    huber and tukey are M-estimates; theil_sen and siegel are lines through medians of slopes, of one column. Raises
    Unprocessable for fewer points than coefficients and for options that do not go together, TooLarge for more
    arithmetic than the limits allow.
    """
    chosen = Options(**options)
    labels = _labels(chosen, len(columns))
    _check_options(chosen, len(columns))
    _check_size(len(y), len(labels), chosen)
    if chosen.method in {"theil_sen", "siegel"}:
        return _line(columns, y, labels, chosen)
    design = Design.of(columns, chosen.degree, intercept=chosen.intercept)
    if chosen.precision == "high":
        return _exactly(design, y, labels, chosen)
    if chosen.method in {"huber", "tukey"}:
        return _robustly(design, y, labels, chosen)
    return _by_least_squares(design, y, labels, chosen)


def _by_least_squares(design: Design, y: FloatArray, names: list[str], options: Options) -> Regression:
    n, robust = len(y), options.covariance != "nonrobust"
    solution = leastsquares.solve(
        design, y, options.weights, penalty=options.alpha or 0.0, with_q=robust or options.influence
    )
    centred = _centred(solution)
    df, lag, errors = n - solution.parameters, None, None
    if robust:
        lag = _lag(n, options)
        meat = sandwich.robust_meat(solution, centred, kind=options.covariance, lag=lag or 0)
        errors = sandwich.errors_by(meat, centred, len(names))
    else:
        meat = np.eye(len(centred.coef)) * (float(centred.left @ centred.left) / df if df > 0 else np.nan)
    found = _inferred(solution, names, n, options, errors)
    if df > 0 and np.isnan(meat).any():
        found.warnings.append(f"a point alone determines a coefficient: {options.covariance} is not defined")
    fitted = LinearFit(design, centred, meat)
    if options.influence:
        found = _with_influence(found, *fitted.points())
    return replace(found, lag=lag, fitted=fitted)


def _exactly(design: Design, y: FloatArray, names: list[str], options: Options) -> Regression:
    solved = exact.solve(design, y, options.weights)
    found = _inferred(solved.solution, names, len(y), options, None)
    fitted = ExactPoints(solved, y, options.weights, found.sigma)
    if options.influence:
        found = _with_influence(found, *fitted.points())
    return replace(found, fitted=fitted)


def _inferred(solution: Solution, names: list[str], n: int, options: Options, errors: Errors | None) -> Regression:
    advice = None if options.precision == "high" else "; precision high computes them exactly"
    return infer(
        solution,
        names,
        n,
        weights=options.weights,
        intercept=options.intercept,
        confidence=options.confidence,
        errors=errors,
        advice="" if options.method == "ridge" else advice,
    )


def _with_influence(found: Regression, leverage: FloatArray, residuals: FloatArray) -> Regression:
    influence = influence_of(leverage, residuals, found.rank)
    return replace(found, influence=influence, warnings=[*found.warnings, *influence_warnings(influence)])


def _robustly(design: Design, y: FloatArray, names: list[str], options: Options) -> Regression:
    method: mestimation.Method = "huber" if options.method == "huber" else "tukey"
    solution = leastsquares.solve(design, y, options.weights, with_q=True)
    centred = _centred(solution)
    q, residuals = centred.points
    estimate = mestimation.m_estimate(q, residuals + q @ centred.effects, method, check=options.check)
    centred = replace(centred, effects=estimate.effects, coef=centred.gain @ estimate.effects)
    solution = replace(solution, coef=leastsquares.spread(centred.true_coef, solution.kept, len(names)))
    n, df = len(y), len(y) - len(solution.kept)
    exponent = centred.y_exponent + centred.w_exponent
    meat = estimate.spread**2 * np.eye(len(centred.coef))
    with np.errstate(over="ignore", invalid="ignore"):
        se = np.ldexp(estimate.spread, exponent) * solution.unit_se
    slopes = estimate.effects[int(options.intercept) :]
    f = float(slopes @ slopes) / estimate.spread**2 / len(slopes) if len(slopes) and df else math.nan
    return Regression(
        names=names,
        **figures_of(solution.coef, se, df, options.confidence),
        sigma=float(np.ldexp(estimate.scale, exponent)),
        f=f,
        f_p=float(fdtrc(len(slopes), df, f)) if math.isfinite(f) else math.nan,
        df=df,
        rank=len(solution.kept),
        condition=solution.condition,
        dropped=dropped_of(solution, names),
        n=n,
        iterations=estimate.iterations,
        warnings=[*column_warnings(solution, names, ""), *mestimation.warnings_of(estimate)],
        fitted=LinearFit(design, centred, meat),
    )


def _line(columns: Sequence[FloatArray], y: FloatArray, names: list[str], options: Options) -> Regression:
    x = columns[0]
    if options.method == "theil_sen":
        line = theilsen.theil_sen(x, y, options.confidence, check=options.check)
    else:
        line = theilsen.siegel(x, y, check=options.check)
    none = np.full(2, np.nan)
    return Regression(
        names=names,
        coef=np.array([line.intercept, line.slope]),
        se=none,
        t=none,
        p=none,
        ci=np.array([none, line.slope_ci]),
        sigma=line.scale,
        df=len(y) - 2,
        rank=2,
        condition=leastsquares.condition_number(Design.of(columns, intercept=True).rows()),
        n=len(y),
        fitted=LineFit(line.slope, line.intercept),
    )


def _centred(solution: Solution) -> Centred:
    assert solution.centred is not None
    return solution.centred


def _lag(n: int, options: Options) -> int | None:
    if options.covariance != "HAC":
        return None
    if options.lag is None:
        return min(n - 1, sandwich.default_lag(n))
    if options.lag >= n:
        raise _refused("/lag", f"is {options.lag}; {n} points are at most {n - 1} apart")
    return options.lag


def _labels(options: Options, count: int) -> list[str]:
    given = list(options.names or (["x"] if count == 1 else [f"x{j + 1}" for j in range(count)]))
    powers = [name if k == 1 else f"{name}^{k}" for name in given for k in range(1, options.degree + 1)]
    return ["intercept", *powers] if options.intercept else powers


def _check_options(options: Options, columns: int) -> None:
    """Raises Unprocessable for those that do not go together: nothing asked for is left out silently."""
    method, line = options.method, options.method in {"theil_sen", "siegel"}
    faults = [
        (method == "ridge" and options.alpha is None, "/alpha", "is missing; ridge needs its penalty, 0 or more"),
        (method != "ridge" and options.alpha is not None, "/alpha", f"is ridge's penalty; {method} has none"),
        (options.lag is not None and options.covariance != "HAC", "/lag", "is for the covariance HAC alone"),
        (
            options.covariance != "nonrobust" and method not in {"ols", "ridge"},
            "/covariance",
            f"is for ols and ridge; {method} has errors of its own, nonrobust",
        ),
        (
            options.precision == "high" and (method != "ols" or options.covariance != "nonrobust"),
            "/precision",
            "high is for ols with the covariance nonrobust; use default here",
        ),
        (options.influence and method != "ols", "/influence", f"is of ols alone; {method} has none"),
        (line and columns > 1, "/x", f"has {columns} columns; {method} draws a line over one"),
        (line and options.degree > 1, "/degree", f"must be 1: {method} draws a line"),
        (line and not options.intercept, "/intercept", f"must be true: {method} has no line through the origin"),
        (line and options.weights is not None, "/weights", f"are not taken by {method}; huber and tukey take them"),
    ]
    for wrong, pointer, detail in faults:
        if wrong:
            raise _refused(pointer, detail)


def _refused(pointer: str, detail: str) -> Unprocessable:
    return Unprocessable(f"{pointer} {detail}", errors=[FieldError(pointer, detail)])


def _check_size(n: int, count: int, options: Options) -> None:
    if n < count:
        raise Unprocessable(
            f"{n} points do not determine {count} coefficients: give at least {count} points, or fewer columns",
            errors=[FieldError("/y", f"has {n} entries, needs {count}")],
        )
    steps = _ROBUST_STEPS if options.method in {"huber", "tukey"} else 1 + (options.lag or 0)
    if n * count > MAX_ENTRIES or n * count**2 * steps > MAX_WORK:
        raise TooLarge(
            f"{n:,} points x {count} coefficients: a design may have at most {MAX_ENTRIES:,} entries, and points x "
            f"coefficients squared (x {steps} here) may be {MAX_WORK:,}"
        )
