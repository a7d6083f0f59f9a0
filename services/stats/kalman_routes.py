"""Kalman filters over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from services.stats import examples
from services.stats.kalman_answers import fit_answer, kalman_answer
from services.stats.kalman_schemas import (
    KalmanAnswer,
    KalmanFitAnswer,
    KalmanFitRequest,
    KalmanFitsAnswer,
    KalmanRequest,
    KalmansAnswer,
)
from services.stats.replies import ReplyDep
from services.stats.requests import documented, numbers
from shared.context import checker
from shared.openapi import problems
from shared.progress import progress

router = APIRouter(prefix="/v1/stats/kalman", tags=["stats"])
_SAYS = """

The model is a chain of integrators driven by white noise of strength `q`, its level measured with variance `r`, at any
times; a null is a gap that is predicted through. Nothing is assumed of the start: it is exactly diffuse, and what is
not known yet is null. For an object of series every field has a row an id; they share their times. A request may have
1,000,000 values.

In a table (CSV, NDJSON, Arrow or Parquet) every column is a series but the one that the query names as `time`; an
answer of many as a table has a row a series and time."""


@router.post(
    "/filter",
    summary="Level, velocity and acceleration of noisy series, as they come",
    description="The Kalman filter: the state at each time given the measurements up to it." + _SAYS,
    response_model=KalmanAnswer | KalmansAnswer,
    responses=problems(406, 415, 422),
    openapi_extra=documented(KalmanRequest, examples.KALMAN, examples.KALMAN_TABLE),
)
async def filter_series(reply: ReplyDep, body: Annotated[KalmanRequest, Depends(numbers(KalmanRequest))]) -> Response:
    return await reply(kalman_answer, body, "filter", checker())


@router.post(
    "/smooth",
    summary="Level, velocity and acceleration of noisy series, in hindsight",
    description="The fixed-interval smoother: the state at each time given the whole series. Innovations, NIS and "
    "log-likelihood are the filter's." + _SAYS,
    response_model=KalmanAnswer | KalmansAnswer,
    responses=problems(406, 415, 422),
    openapi_extra=documented(KalmanRequest, examples.KALMAN, examples.KALMAN_TABLE),
)
async def smooth_series(reply: ReplyDep, body: Annotated[KalmanRequest, Depends(numbers(KalmanRequest))]) -> Response:
    return await reply(kalman_answer, body, "smooth", checker())


@router.post(
    "/fit",
    summary="How strongly a series moves and how noisy it is",
    description="q and r of highest exact diffuse likelihood, each series by itself, and the filter with them. Either "
    "may be given and is kept." + _SAYS,
    response_model=KalmanFitAnswer | KalmanFitsAnswer,
    responses=problems(406, 415, 422),
    openapi_extra=documented(KalmanFitRequest, examples.KALMAN_FIT, examples.KALMAN_TABLE),
)
async def fit_series(
    reply: ReplyDep, body: Annotated[KalmanFitRequest, Depends(numbers(KalmanFitRequest))]
) -> Response:
    return await reply(fit_answer, body, checker(), progress)
