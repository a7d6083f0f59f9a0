"""Requests of the stats service to its answers; run on a worker's thread."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from services.stats import covariance, regression, trend
from services.stats.leastsquares import FloatArray
from services.stats.replies import BOUNDS, Answer
from services.stats.schemas import CovarianceRequest, RegressionRequest, TrendRequest
from shared.errors import FieldError, Unprocessable

MODELS = {"ordinary-least-squares": "1", "mann-kendall": "1", "covariance": "2"}
"""What computes, and its version: it changes when answers do."""
COEFFICIENTS = {**dict.fromkeys(("names", "coef", "se", "t", "p")), "ci": BOUNDS}
"""The columns of a regression's answer."""


def regression_answer(body: RegressionRequest) -> Answer:
    for pointer, values in _points(body):
        if len(values) != len(body.y):
            detail = f"has {len(values)} entries, y has {len(body.y)}: give one a point"
            raise Unprocessable(f"{pointer} {detail}", errors=[FieldError(pointer, detail)])
    if body.names is not None and len(body.names) != len(body.x):
        detail = f"has {len(body.names)} entries, x has {len(body.x)} columns: give one a column"
        raise Unprocessable(f"/names {detail}", errors=[FieldError("/names", detail)])
    if body.weights is not None and not np.all(body.weights > 0):
        place = int(np.argmin(body.weights > 0))
        detail = f"is {body.weights[place]:g}; a weight must be above 0, so leave the point out"
        raise Unprocessable(f"/weights/{place} {detail}", errors=[FieldError(f"/weights/{place}", detail)])
    found = regression.fit(
        body.x,
        body.y,
        names=body.names,
        degree=body.degree,
        intercept=body.intercept,
        weights=body.weights,
        precision=body.precision,
        confidence=body.confidence,
    )
    facts = {"model": _model("ordinary-least-squares"), "method": body.method, "precision": body.precision}
    return Answer({**facts, **_fields(found)}, COEFFICIENTS)


def _points(body: RegressionRequest) -> list[tuple[str, FloatArray]]:
    x = [("/x" if len(body.x) == 1 else f"/x/{j}", values) for j, values in enumerate(body.x)]
    return x if body.weights is None else [*x, ("/weights", body.weights)]


def trend_answer(body: TrendRequest, check: Callable[[], None], report: Callable[[float], None]) -> Answer:
    single = not isinstance(body.series, dict)
    many = body.series if isinstance(body.series, dict) else {"": body.series}
    found = trend.mann_kendall(
        list(many.values()),
        names=None if single else list(many),
        time=body.time,
        alpha=body.alpha,
        alternative=body.alternative,
        exact=body.exact,
        check=check,
        report=report,
    )
    if single and found.trend[0] is None:
        raise Unprocessable(f"/series: {found.warnings[0][0]}", errors=[FieldError("/series", found.warnings[0][0])])
    fields = _fields(found)
    fields["s"] = [None if np.isnan(s) else int(s) for s in found.s]
    columns = {name: BOUNDS if name == "slope_ci" else None for name in fields}
    if single:
        content = {"model": _model("mann-kendall"), **{name: each[0] for name, each in fields.items()}}
        return Answer(content, columns, single=True)
    return Answer({"model": _model("mann-kendall"), "id": list(many), **fields}, {"id": None, **columns})


def covariance_answer(body: CovarianceRequest, check: Callable[[], None]) -> Answer:
    found = covariance.covariance(
        body.columns,
        kind=body.kind,
        estimator=body.estimator,
        missing=body.missing,
        repair=body.repair,
        empty=body.empty_cells,
        check=check,
    )
    facts = {"model": _model("covariance"), "kind": body.kind, "estimator": body.estimator}
    return Answer({**facts, **_fields(found)}, {"names": None, "matrix": found.names})


def _model(name: str) -> dict[str, str]:
    return {"name": name, "version": MODELS[name]}


def _fields(found: Any) -> dict[str, Any]:
    """The fields of a dataclass, its arrays laid out as orjson reads them."""
    values = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    return {k: np.ascontiguousarray(v) if isinstance(v, np.ndarray) else v for k, v in values.items()}
