"""Linear regression: least squares, weighted or with a penalty, robust estimates, and lines through medians."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import fdtrc

from services.stats import exact, leastsquares, mestimation, sandwich, theilsen
from services.stats.design import Design, FloatArray
from services.stats.fitted import ExactPoints, LinearFit, LineFit
from services.stats.inference import Errors, Regression, column_warnings, dropped_of, figures_of, infer
from services.stats.influence import influence_of, influence_warnings
from services.stats.leastsquares import Centred, Solution
from services.stats.regression_options import Options, check_options, check_size, labels_of, refused


def fit(columns: Sequence[FloatArray], y: FloatArray, **options: Any) -> Regression:
    """Regress `y` on the powers 1 to `degree` of each of `columns` (no cross terms), each of length n; `options` are
    those of `Options`.

    ols minimises the sum of w (y - X b)^2; ridge that and `alpha` times the squares of the slopes, in the units given;
    huber and tukey are M-estimates; theil_sen and siegel are lines through medians of slopes, of one column. Raises
    Unprocessable for fewer points than coefficients and for options that do not go together, TooLarge for more
    arithmetic than the limits allow.
    """
    chosen = Options(**options)
    labels = labels_of(chosen, len(columns))
    check_options(chosen, len(columns))
    check_size(len(y), len(labels), chosen)
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
        meat = sandwich.robust_meat(solution, centred, kind=options.covariance, lag=lag or 0, check=options.check)
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
        raise refused("/lag", f"is {options.lag}; {n} points are at most {n - 1} apart")
    return options.lag
