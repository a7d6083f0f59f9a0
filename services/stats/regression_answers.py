"""Requests of regressions to their answers; run on a worker's thread."""

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from services.stats import regression
from services.stats.answers import fields_of
from services.stats.design import FloatArray
from services.stats.inference import Regression
from services.stats.prediction import predict
from services.stats.regression_options import Method
from services.stats.regression_schemas import FitRequest, PredictionRequest, RegressionRequest
from services.stats.replies import BOUNDS, Answer
from shared.errors import FieldError, NotAcceptable, Unprocessable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAMES: dict[Method, str] = {
    "ols": "ordinary-least-squares",
    "ridge": "ridge-regression",
    "huber": "huber-regression",
    "tukey": "tukey-regression",
    "theil_sen": "theil-sen",
    "siegel": "repeated-medians",
}
MODELS = {**dict.fromkeys(_NAMES.values(), "1"), "ordinary-least-squares": "2"}
"""What computes, and its version: it changes when answers do."""
COEFFICIENTS = {**dict.fromkeys(("names", "coef", "se", "t", "p")), "ci": BOUNDS}
PREDICTIONS = {"y": None, "se": None, "ci": BOUNDS, "pi": BOUNDS}
"""The columns of the answers."""
_HIDDEN = frozenset({"fitted"})
_TOLD = ("names", "coef", "sigma", "df", "n")


def regression_answer(body: RegressionRequest, check: Callable[[], None]) -> Answer:
    _check_points(body, len(body.y))
    found = _fit(body, body.x, body.y, body.weights, check, influence=body.influence)
    fields = {name: value for name, value in fields_of(found).items() if name not in _HIDDEN}
    content = {**_facts(body), **fields, "influence": found.influence}
    return Answer(content, COEFFICIENTS, draw=partial(_draw, body, found))


def _draw(body: RegressionRequest, found: Regression) -> "Figure":
    if len(body.x) > 1:
        raise NotAcceptable(f"a picture shows a fit on one column, this is on {len(body.x)}; ask for a table")
    from services.stats.pictures.fit import draw_fit, grid

    at = grid(body.x[0])
    return draw_fit(
        (body.x[0], body.y),
        at,
        predict(found, [at], body.confidence),
        name=body.names[0] if body.names else "x",
        confidence=body.confidence,
        said=f"R² = {found.r2:.3g}, n = {found.n:,}" if math.isfinite(found.r2) else f"n = {found.n:,}",
    )


def prediction_answer(body: PredictionRequest, check: Callable[[], None]) -> Answer:
    _check_points(body, len(body.y))
    x, y, weights, at = _split(body)
    found = _fit(body, x, y, weights, check)
    told = {name: value for name, value in fields_of(found).items() if name in _TOLD}
    return Answer({**_facts(body), **fields_of(predict(found, at, body.confidence)), **told}, PREDICTIONS)


def _split(
    body: PredictionRequest,
) -> tuple[list[FloatArray], FloatArray, FloatArray | None, list[FloatArray]]:
    """The points to fit, and the columns where to predict."""
    there = ~np.isnan(body.y)
    if body.at is not None:
        if not there.all():
            place = f"/y/{int(np.argmin(there))}"
            raise _refused(place, "is missing; leave the point out, or leave `at` out to have it predicted")
        _check_at(body.at, len(body.x))
        return body.x, body.y, body.weights, body.at
    if there.all():
        raise _refused("/at", "is missing: it has the points to predict at; or give them in x, their y null")
    if not there.any():
        raise _refused("/y", "is null everywhere: there is nothing to fit")
    weights = None if body.weights is None else body.weights[there]
    return [each[there] for each in body.x], body.y[there], weights, [each[~there] for each in body.x]


def _check_at(at: list[FloatArray], columns: int) -> None:
    if len(at) != columns:
        raise _refused("/at", f"has {len(at)} columns, x has {columns}: give the same, in the same order")
    for j, values in enumerate(at):
        if len(values) != len(at[0]):
            raise _refused(f"/at/{j}", f"has {len(values)} entries, /at/0 has {len(at[0])}: give one a point")


def _fit(
    body: FitRequest,
    x: list[FloatArray],
    y: FloatArray,
    weights: FloatArray | None,
    check: Callable[[], None],
    *,
    influence: bool = False,
) -> Regression:
    return regression.fit(
        x,
        y,
        names=body.names,
        degree=body.degree,
        intercept=body.intercept,
        weights=weights,
        method=body.method,
        alpha=body.alpha,
        covariance=body.covariance,
        lag=body.lag,
        precision=body.precision,
        confidence=body.confidence,
        influence=influence,
        check=check,
    )


def _facts(body: FitRequest) -> dict[str, Any]:
    name = _NAMES[body.method]
    return {
        "model": {"name": name, "version": MODELS[name]},
        "method": body.method,
        "covariance": body.covariance,
        "precision": body.precision,
    }


def _check_points(body: FitRequest, points: int) -> None:
    """Raises Unprocessable for columns that are not as long as y, names that are not as many, weights not above 0."""
    x = [("/x" if len(body.x) == 1 else f"/x/{j}", values) for j, values in enumerate(body.x)]
    for pointer, values in x if body.weights is None else [*x, ("/weights", body.weights)]:
        if len(values) != points:
            raise _refused(pointer, f"has {len(values)} entries, y has {points}: give one a point")
    if body.names is not None and len(body.names) != len(body.x):
        raise _refused("/names", f"has {len(body.names)} entries, x has {len(body.x)} columns: give one a column")
    if body.weights is not None and not np.all(body.weights > 0):
        place = int(np.argmin(body.weights > 0))
        detail = f"is {body.weights[place]:g}; a weight must be above 0, so leave the point out"
        raise _refused(f"/weights/{place}", detail)


def _refused(pointer: str, detail: str) -> Unprocessable:
    return Unprocessable(f"{pointer} {detail}", errors=[FieldError(pointer, detail)])
