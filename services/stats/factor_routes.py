"""Factor analysis over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from services.stats import factor_answers, factor_examples
from services.stats.factor_schemas import BoltzmannAnswer, FactorsAnswer, FactorsRequest
from services.stats.replies import ReplyDep
from services.stats.requests import documented, numbers
from shared.context import checker
from shared.openapi import problems
from shared.progress import progress

router = APIRouter(prefix="/v1/stats", tags=["stats"])


@router.post(
    "/factors",
    summary="Few factors behind many columns",
    description="""Of columns, or of the matrix of their correlations.

`pa` iterates principal axes to their fixed point, `ml` is maximum likelihood with the test that so many factors
suffice. `tetrachoric` is the correlation for columns of two values. Loadings stand in falling order of what each factor
explains, with positive sums. Where a column's uniqueness comes to its bound (0, under ml .005) the model does not fit:
`heywood` and `warnings` name it. Correlations that are not positive semidefinite are replaced by the nearest that are,
and `warnings` say so.

`rbm` trains a restricted Boltzmann machine on columns of two values, the larger of which is on; `n_factors` are its
hidden units. The same seed gives the same machine, whatever the order of the rows. With up to 20 units of the kind of
which there are fewer the likelihood is exact, by enumeration; `loglik_bound` is what no model can exceed. A machine
takes columns only.

Of a table (CSV, NDJSON, Arrow or Parquet) every column takes part, or those that the query names. As one, the answer
has a row a column: its loadings, communality and uniqueness, or its weights and bias.""",
    response_model=FactorsAnswer | BoltzmannAnswer,
    responses=problems(406, 415, 422),
    openapi_extra=documented(FactorsRequest, factor_examples.FACTORS, factor_examples.FACTORS_TABLE),
)
async def find_factors(reply: ReplyDep, body: Annotated[FactorsRequest, Depends(numbers(FactorsRequest))]) -> Response:
    return await reply(factor_answers.factors_answer, body, checker(), progress)
