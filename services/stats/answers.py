"""Requests of the stats service to its answers; run on a worker's thread."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from services.stats import covariance, trend
from services.stats.replies import BOUNDS, Answer
from services.stats.schemas import CovarianceRequest, TrendRequest
from shared.errors import FieldError, NotAcceptable, Unprocessable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODELS = {"mann-kendall": "2", "covariance": "2"}
"""What computes, and its version: it changes when answers do."""


def trend_answer(body: TrendRequest, check: Callable[[], None], report: Callable[[float], None]) -> Answer:
    many = body.series if isinstance(body.series, dict) else {"": body.series}
    found = trend.mann_kendall(
        list(many.values()),
        names=list(many) if isinstance(body.series, dict) else None,
        time=body.time,
        method=body.method,
        lag=body.lag,
        period=body.period,
        alpha=body.alpha,
        alternative=body.alternative,
        exact=body.exact,
        fdr=body.fdr,
        check=check,
        report=report,
    )
    single = body.method in trend.JOINT or not isinstance(body.series, dict)
    if single and found.trend[0] is None:
        raise Unprocessable(f"/series: {found.warnings[0][0]}", errors=[FieldError("/series", found.warnings[0][0])])
    facts = {"model": model_of("mann-kendall"), "method": body.method}
    fields = fields_of(found)
    fields["s"] = [None if np.isnan(s) else int(s) if s == int(s) else s for s in found.s.tolist()]
    if not body.slope_ci:
        fields["slope_ci"] = [None] * len(found.s)
    columns = {name: BOUNDS if name == "slope_ci" and body.slope_ci else None for name in fields}

    def draw() -> "Figure":
        from services.stats.pictures.trend import draw_trends

        if body.method in trend.JOINT:
            raise NotAcceptable(
                f"a picture shows one test a series; {body.method} is one of all: ask for JSON or a table"
            )
        period = (body.period or trend.DEFAULT_PERIOD) if body.method in trend.SEASONAL else None
        return draw_trends(many, body.time, found, confidence=1 - body.alpha, period=period)

    if single:
        content = {**facts, **{name: each[0] for name, each in fields.items()}}
        return Answer(content, columns, single=True, draw=draw)
    return Answer({**facts, "id": list(many), **fields}, {"id": None, **columns}, draw=draw)


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
    facts = {"model": model_of("covariance"), "kind": body.kind, "estimator": body.estimator}
    return Answer({**facts, **fields_of(found)}, {"names": None, "matrix": found.names})


def model_of(name: str) -> dict[str, str]:
    return {"name": name, "version": MODELS[name]}


def fields_of(found: Any) -> dict[str, Any]:
    """The fields of a dataclass, its arrays laid out as orjson reads them."""
    values = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    return {k: np.ascontiguousarray(v) if isinstance(v, np.ndarray) else v for k, v in values.items()}
