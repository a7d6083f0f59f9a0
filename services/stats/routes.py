"""The stats service over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from services.stats import answers, examples
from services.stats.replies import ReplyDep
from services.stats.requests import documented, numbers
from services.stats.schemas import (
    CovarianceAnswer,
    CovarianceRequest,
    TrendAnswer,
    TrendRequest,
    TrendsAnswer,
)
from shared.context import checker
from shared.openapi import job, problems
from shared.progress import progress

router = APIRouter(prefix="/v1/stats", tags=["stats"])


@router.post(
    "/trend",
    summary="Is there a monotone trend, and how steep",
    description="""The Mann-Kendall test with Sen's slope: the same verdict whatever the unit or a monotone rescaling
of the values. `tau` is the strength, -1..1; `slope` the median slope of all pairs of points.

A `null` value is missing: it is left out, and the slopes are over the gap. p is taken from the tail itself, so that it
is never 0 by rounding. The original test takes the values to be independent; positive autocorrelation makes its p too
small, which `hamed_rao`, `yue_wang` and the whitening methods make up for, over gaps too. Where such a correction comes
to no variance at all, s keeps its own, and `warnings` say so.

For an object of series the answer has one entry an id in every field; a series too short to be tested has nulls and
says so in its `warnings`. `multivariate`, `regional`, `correlated_multivariate` and `partial` make one test of all, and
the answer is that of one. A series may have 200,000 values.

The seasonal methods compare values of one season only: the k-th is of season k mod `period`; their slope is a cycle, or
a unit of `time` where that is given.

In a table (CSV, NDJSON, Arrow or Parquet) every column is a series but the one that the query names as `time`; in
NDJSON, Arrow and Parquet each row may be a series instead: a column of arrays, and one that names them.

As `image/png` or `image/svg+xml` up to 12 series are drawn, with Sen's line and the interval of its slope.""",
    response_model=TrendAnswer | TrendsAnswer,
    responses=problems(406, 415, 422),
    openapi_extra={
        **job("trend"),
        **documented(TrendRequest, examples.TREND, examples.TREND_TABLE),
    },
)
async def find_trend(reply: ReplyDep, body: Annotated[TrendRequest, Depends(numbers(TrendRequest))]) -> Response:
    return await reply(answers.trend_answer, body, checker(), progress)


@router.post(
    "/covariance",
    summary="Covariance or correlation of columns",
    description="""Every column with every other. Columns are centred before anything is multiplied, so a large mean
costs no digits; a correlation lies within -1..1 and is exactly 1 on the diagonal. A column that does not vary has no
correlation: null.

`ledoit_wolf` and `oas` shrink towards a multiple of the identity, by the weight `shrinkage`; `mcd` looks away from rows
that lie apart; with `kind` pearson their covariance is brought to a unit diagonal. `tetrachoric` is the correlation of
two normal variables behind columns of two values, by maximum likelihood, with its standard error.

With `missing` pairwise, and for tetrachoric, the entries need not make up a positive semidefinite matrix: then the
nearest correlation matrix (Higham 2002) stands in its place, variances kept, and `repaired` and `warnings` say so.

Of a table (CSV, NDJSON, Arrow or Parquet) every column takes part, or those that the query names.""",
    response_model=CovarianceAnswer,
    responses=problems(406, 415, 422),
    openapi_extra=documented(CovarianceRequest, examples.COVARIANCE, examples.COVARIANCE_TABLE),
)
async def covary(reply: ReplyDep, body: Annotated[CovarianceRequest, Depends(numbers(CovarianceRequest))]) -> Response:
    return await reply(answers.covariance_answer, body, checker())
