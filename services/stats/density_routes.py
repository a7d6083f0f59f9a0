"""Densities over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from services.stats import density_answers
from services.stats.density_examples import DENSITY, DENSITY_TABLE
from services.stats.density_schemas import DensityAnswer, DensityRequest
from services.stats.replies import ReplyDep
from services.stats.requests import documented, numbers
from shared.context import checker
from shared.openapi import problems
from shared.progress import progress

router = APIRouter(prefix="/v1/stats", tags=["stats"])


@router.post(
    "/density",
    summary="How dense rows lie, and where",
    description="""By kernels (`kde`), as wide as Scott's or Silverman's rule has it or as told, or by a mixture of
normal distributions (`gmm`), with as many components as the least BIC asks for. The answer is the density at `at`, or
on a grid, in one over the product of the columns' units: over a fine `grid` its sum times the cell comes to 1.

Units do not change what is found, nor does the order of the rows; the same seed gives the same answer.

Of a table (CSV, NDJSON, Arrow or Parquet) every column takes part, or those that the query names. As a table, the
answer has a row a point. As PNG or SVG, it is the curve over the values' histogram, of one column.""",
    response_model=DensityAnswer,
    responses=problems(406, 415, 422),
    openapi_extra=documented(DensityRequest, DENSITY, DENSITY_TABLE),
)
async def find_density(reply: ReplyDep, body: Annotated[DensityRequest, Depends(numbers(DensityRequest))]) -> Response:
    return await reply(density_answers.density_answer, body, checker(), progress)
