"""Clusterings that are kept, over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Response

from services.text import cluster_examples
from services.text.cluster_answers import check_kept
from services.text.cluster_schemas import AssignRequest, AssignResponse, ClusterResponse
from services.text.clusterings import (
    ClusteringsDep,
    assign_answer,
    assigned,
    check_count,
    check_version,
    cost_of,
    opened,
)
from services.text.grouping import select
from services.text.keeping import Id
from services.text.model import MODEL_NAME
from services.text.routes import JSON, RepositoryDep, SettingsDep
from shared.bodies import JsonBody
from shared.openapi import json_request, problems
from shared.workers import WorkersDep

FRESH = {"Cache-Control": "no-store"}
"""It may be deleted: nobody else may answer for it."""

router = APIRouter(prefix="/v1/text/cluster", tags=["text"])


@router.get(
    "/{id}",
    summary="A clustering that was kept",
    description="""The answer that /v1/text/cluster?keep=true gave. Each use begins its lifetime anew.""",
    response_model=ClusterResponse,
    responses=problems(404, 409, 422),
)
async def read_clustering(id: Id, shelf: ClusteringsDep, workers: WorkersDep) -> Response:
    return Response((await workers.run(opened, await shelf.get(id))).answer, headers=FRESH, media_type=JSON)


@router.post(
    "/{id}/assign",
    summary="New texts in the clusters of others",
    description="""Each text gets the label of a cluster that is there; nothing is grouped anew. With `kmeans` it is the
one with the nearest mean, with `gmm` the likeliest one; with `agglomerative` and `hdbscan` that of the nearest text
that was grouped, -1 where that is noise. `outliers` are as far from their centre as in the clustering made a text one.

On the plane of PCA texts fall where its axes put them; on that of t-SNE they are drawn to their neighbours among the
texts that were grouped, which stay where they are; UMAP places none. What a text is assigned does not depend on the
texts beside it.""",
    response_model=AssignResponse,
    responses=problems(404, 409, 415, 422),
    openapi_extra=json_request(AssignRequest, cluster_examples.ASSIGN),
)
async def assign_texts(
    id: Id,
    repository: RepositoryDep,
    settings: SettingsDep,
    workers: WorkersDep,
    shelf: ClusteringsDep,
    body: Annotated[AssignRequest, JsonBody(AssignRequest)],
) -> Response:
    check_count(len(body.texts), settings)
    kept = await workers.run(opened, await shelf.get(id))
    selection = await workers.run(select, body.texts, kept.min_words)
    check_kept(len(selection.indices), len(body.texts), kept.min_words, "/texts")
    with repository.use(MODEL_NAME) as model:
        check_version(kept, model)
        facts, vectors = await model.embed(selection.texts)
    cost = cost_of(kept, len(vectors), body.draw)
    found = await workers.run_costing(cost, assigned, kept, vectors, body.draw)
    answer = await workers.run(assign_answer, id, body, kept, selection, found, model, facts.truncated_count)
    return Response(answer, headers=FRESH, media_type=JSON)


@router.delete(
    "/{id}",
    status_code=204,
    response_class=Response,
    summary="Keep a clustering no longer",
    responses=problems(404, 422),
)
async def delete_clustering(id: Id, shelf: ClusteringsDep) -> Response:
    await shelf.delete(id)
    return Response(status_code=204)
