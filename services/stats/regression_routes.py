"""Regression over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from services.stats import examples, regression_answers
from services.stats.regression_schemas import (
    PredictionAnswer,
    PredictionRequest,
    RegressionAnswer,
    RegressionRequest,
)
from services.stats.replies import ReplyDep
from services.stats.requests import documented, numbers
from shared.context import checker
from shared.openapi import problems

router = APIRouter(prefix="/v1/stats", tags=["stats"])


@router.post(
    "/regression",
    summary="Linear regression, with its uncertainty",
    description="""Columns `x` and a response `y` to coefficients with standard errors, t, p and confidence intervals.

The default is Householder QR of centred columns scaled by powers of two. `precision: high` reads every number as the
decimal that it was written as and computes in integers: each figure is rounded once, however ill-conditioned the
columns are. It reproduces all certified digits of NIST's linear regression sets.

A column that is a linear combination of those before it is dropped, never silently: `dropped`, `rank` and `warnings`
say so and its coefficient is null. `condition` says how near the others come to that.

`huber` and `tukey` take the median absolute residual for their scale, and 1.345 and 4.685 for their tuning constants;
tukey starts from huber's fit. `theil_sen` takes 200,000 points (20,000 if some have the same x), `siegel` 20,000. What
a method does not define is null, and options that do not go together are refused.

A table (CSV, NDJSON, Arrow or Parquet) may be sent with the parameters in the query: `y` names its column. The answer
as a table is that of the coefficients; `influence` comes with JSON. As `image/png` or `image/svg+xml` a fit on one
column is drawn, with the intervals of its mean and of a new point.""",
    response_model=RegressionAnswer,
    responses=problems(406, 415, 422),
    openapi_extra=documented(RegressionRequest, examples.REGRESSION, examples.REGRESSION_TABLE),
)
async def regress(reply: ReplyDep, body: Annotated[RegressionRequest, Depends(numbers(RegressionRequest))]) -> Response:
    return await reply(regression_answers.regression_answer, body, checker())


@router.post(
    "/regression/predict",
    summary="A regression's predictions, with their intervals",
    description="""Fits as `/v1/stats/regression`, and answers the fit at other points: those of `at`, or those of `x`
whose `y` is null. So in a table: the rows without a response are predicted, in their order.

`ci` is where the mean response is, `pi` where a new observation of weight 1 will be, both by Student's t.""",
    response_model=PredictionAnswer,
    responses=problems(406, 415, 422),
    openapi_extra=documented(PredictionRequest, examples.PREDICTION, examples.PREDICTION_TABLE),
)
async def predict(reply: ReplyDep, body: Annotated[PredictionRequest, Depends(numbers(PredictionRequest))]) -> Response:
    return await reply(regression_answers.prediction_answer, body, checker())
