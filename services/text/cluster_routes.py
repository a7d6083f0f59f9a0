"""Clusters and maps of texts over HTTP."""

from fastapi import APIRouter, Response

from services.text import cluster_examples, grouping
from services.text.cluster_answers import Prepared, cluster_answer, prepare
from services.text.cluster_requests import ClusterBody, documented
from services.text.cluster_schemas import ClusterResponse
from services.text.clusterings import ClusteringsDep, Keep, check_count, id_of, kept_answer, pack
from services.text.embedder import Vectors
from services.text.model import MODEL_NAME
from services.text.routes import JSON, RepositoryDep, SettingsDep
from shared.context import current_context
from shared.openapi import CACHEABLE, job, problems
from shared.progress import reporter
from shared.workers import WorkersDep

GROUPED = 500
"""So many texts to group count in the queue as one computation more."""
EMBEDDED = 0.5
"""Share of a clustering's work that its vectors are, about."""

router = APIRouter(tags=["text"])


@router.post(
    "/v1/text/cluster",
    summary="Texts in groups by meaning",
    description="""Texts become sentence vectors, vectors become groups, and each group says what it is about: its words
by class-based TF-IDF, and the texts nearest to its centre. Labels count from 0, the largest group. `outliers` are far
from the centre of their own group.

- `kmeans`: the tightest of the runs from Ward's groups and from three random starts.
- `agglomerative`: `linkage` ward (Euclidean), average, complete or single (cosine); cut at `k`, or at
  `distance_threshold`, with the whole merge tree.
- `gmm`: a Gaussian mixture on the first 50 principal components, from Ward's groups; probabilities and BIC.
- `hdbscan`: dense parts of the first 20 principal components, -1 for all else. Sentences are nowhere dense: 40 % and
  more of them are often noise, or everything falls in two groups. The other methods serve most texts better.

`silhouette` (cosine, -1..1) says how far the groups are apart: short texts of one conversation rarely reach 0.1, clear
topics 0.25 and more. With `k: "auto"` the answer has the whole `curve`, with each k's stability under resampling, and a
warning where no k stands out.

Brackets that transcribers write, `[crosstalk 00:58:01]` or `[inaudible]`, are not read. Texts of fewer than
`min_words` words get label -1 and no point. The plane is PCA's, t-SNE's (seconds for a thousand texts), or UMAP's where
it is installed (its first map in a process takes a quarter of a minute more).

With `keep=true` in the query the clustering is kept under the `id` that the answer has, and new texts can be assigned
to its clusters. The same request has the same id, and is computed once.

With `speakers` and `times` the answer counts each group's texts by speaker and over time. A transcript may be sent as
`text/csv` with the columns `text`, `speaker` and `time` (or `minute`), and the parameters in the query.""",
    response_model=ClusterResponse,
    responses=problems(415, 422),
    openapi_extra={
        **CACHEABLE,
        **job("cluster"),
        **documented(cluster_examples.CLUSTER, cluster_examples.TRANSCRIPT),
    },
)
async def cluster_texts(
    repository: RepositoryDep,
    settings: SettingsDep,
    workers: WorkersDep,
    shelf: ClusteringsDep,
    body: ClusterBody,
    keep: Keep = False,
) -> Response:
    check_count(len(body.texts), settings)
    request = await workers.run(prepare, body)
    with repository.use(MODEL_NAME) as model:
        id = await workers.run(id_of, body, model.version) if keep else None
        if id is not None and (known := await kept_answer(shelf, id, workers)) is not None:
            return Response(known, media_type=JSON)
        facts, vectors = await model.embed(request.selection.texts, report=reporter(0, EMBEDDED))
    found = await workers.run_costing(1 + len(vectors) / GROUPED, _group, request, vectors)
    answer = await workers.run(cluster_answer, request, found, model, facts.truncated_count, id)
    if id is not None:
        await shelf.put(await workers.run(pack, request, found, vectors, model.version, answer), id)
    return Response(answer, media_type=JSON)


def _group(request: Prepared, vectors: Vectors) -> grouping.Grouping:
    context = current_context.get()
    return grouping.group(
        request.selection,
        vectors,
        options=request.options,
        plane=request.body.projection,
        check=context.check if context else lambda: None,
        report=reporter(EMBEDDED, 1),
    )
