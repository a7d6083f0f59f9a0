"""Clustering over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from services.stats import cluster_answers
from services.stats.cluster_examples import CLUSTER, CLUSTER_TABLE
from services.stats.cluster_schemas import ClusterAnswer, ClusterRequest
from services.stats.replies import ReplyDep
from services.stats.requests import documented, numbers
from shared.context import checker
from shared.openapi import problems
from shared.progress import progress

router = APIRouter(prefix="/v1/stats", tags=["stats"])


@router.post(
    "/cluster",
    summary="Rows in groups",
    description="""By `kmeans`, by a mixture of normal distributions (`gmm`), or by merging what lies nearest
(`hierarchical`, with the `tree` of its merges, of 5,000 rows at most). Without `k`, the number of clusters is that with
the highest silhouette, of `gmm` with the least BIC; `tried` has them all. Clusters are numbered by size.

Distances are Euclidean: with columns in different units set `scale` to standard. The same seed gives the same answer,
and the order of the rows does not matter.

Of a table (CSV, NDJSON, Arrow or Parquet) every column takes part, or those that the query names. As a table, the
answer has a row a row: its cluster. As PNG or SVG, it is the dendrogram, of `hierarchical`.""",
    response_model=ClusterAnswer,
    responses=problems(406, 415, 422),
    openapi_extra=documented(ClusterRequest, CLUSTER, CLUSTER_TABLE),
)
async def find_clusters(reply: ReplyDep, body: Annotated[ClusterRequest, Depends(numbers(ClusterRequest))]) -> Response:
    return await reply(cluster_answers.cluster_answer, body, checker(), progress)
