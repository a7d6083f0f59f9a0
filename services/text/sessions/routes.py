"""Sessions over HTTP."""

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import ValidationError

from services.text.keeping import Bounds, Id, Shelf
from services.text.sessions import answers, examples
from services.text.sessions.schemas import (
    ItemClusterAnswer,
    ItemClusterRequest,
    SessionParameters,
    SessionsAnswer,
    SessionsRequest,
    SimilarAnswer,
    SimilarRequest,
)
from services.text.settings import TextSettings
from shared.bodies import JsonBody, parse, read_body, require_type
from shared.context import checker
from shared.errors import Malformed
from shared.handlers import refusal
from shared.openapi import job, json_request, problems
from shared.workers import Workers, WorkersDep

JSON, LOG = "application/json", "text/plain"
PATH = "/v1/text/sessions"
CLICKS = 20_000
"""So many items count in the queue as one computation more."""

router = APIRouter(prefix=PATH, tags=["text"])


def shelf(redis: Any, settings: TextSettings) -> Shelf:
    bounds = Bounds(settings.max_session_vectors, settings.session_vectors_bytes, settings.session_vectors_s)
    return Shelf(redis, "item vectors", "set of item vectors", bounds)


async def _shelf(request: Request) -> Shelf:
    return shelf(request.app.state.redis, request.app.state.settings)


ShelfDep = Annotated[Shelf, Depends(_shelf)]


def _documented() -> dict[str, Any]:
    extra = json_request(SessionsRequest, examples.SESSIONS)
    log = {"type": "string", "description": "Lines of an Apache access log, common or combined"}
    extra["requestBody"]["content"][LOG] = {"schema": log, "example": examples.LOG}
    extra["parameters"] = [
        {
            "name": name,
            "in": "query",
            "required": False,
            "schema": {key: value for key, value in schema.items() if key not in ("default", "description", "title")},
            "description": f"For {LOG} only: {schema['description']}; {schema['default']} without it",
        }
        for name, schema in SessionParameters.model_json_schema()["properties"].items()
    ]
    return extra


@router.post(
    "",
    status_code=201,
    summary="Vectors of items from the sessions they occur in",
    description="""Visits are read as sentences whose words are the items visited: items met in the same company lie
near each other. Positive pointwise mutual information of what is met within the window, the nearer the more it counts,
shrunk where it rests on few meetings, and factored: the same sessions have the same vectors, and the same `id`.

An Apache access log as `text/plain`, with the parameters in the query, is split into visits: one address with one
browser, no gap above 30 minutes; what pages bring with them, robots and feed readers are left out.

The vectors are kept for a week after their last use, less where Redis is full.""",
    response_model=SessionsAnswer,
    responses=problems(415, 422),
    openapi_extra={**job("sessions"), **_documented()},
)
async def make(request: Request, workers: WorkersDep, kept: ShelfDep) -> Response:
    settings = cast(TextSettings, request.app.state.settings)
    kind = require_type(request, JSON, LOG)
    query = request.query_params.multi_items()
    if kind == JSON and query:
        raise Malformed(f"query {query[0][0]}: parameters stand in the JSON body; the query is for {LOG}")
    parameters = _parameters(query)
    body = await read_body(request)
    if not body:
        raise Malformed("the body is empty; it must be sessions as JSON, or an access log")
    check = checker()
    if kind == LOG:
        cost = 1 + len(body) / (100 * CLICKS)
        made = await workers.run_costing(cost, answers.log_vectors, body, parameters, settings.max_clicks, check)
    else:
        made = await _of_json(workers, body, settings.max_clicks, check)
    id, content, answer = made
    await kept.put(content, id)
    return Response(answer, 201, {"Location": f"{PATH}/{id}"}, media_type=JSON)


async def _of_json(workers: Workers, body: bytes, most: int, check: Callable[[], None]) -> tuple[str, bytes, bytes]:
    asked = await workers.run(parse, SessionsRequest, body)
    cost = 1 + sum(map(len, asked.sessions)) / CLICKS
    return await workers.run_costing(cost, answers.session_vectors, asked.sessions, asked, most, check)


def _parameters(query: list[tuple[str, str]]) -> SessionParameters:
    names = [name for name, _ in query]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise Malformed(f"query {repeated} is given more than once; give it once")
    try:
        return SessionParameters.model_validate(dict(query))
    except ValidationError as error:
        raise refusal(error.errors(include_url=False, include_input=False, include_context=False), "query") from None


@router.get("/{id}", summary="What item vectors there are", response_model=SessionsAnswer, responses=problems(404))
async def look(id: Id, workers: WorkersDep, kept: ShelfDep) -> Response:
    return Response(await workers.run(answers.look, id, await kept.get(id)), media_type=JSON)


@router.post(
    "/{id}/similar",
    summary="The items nearest to others",
    description="By the cosine to the sum of `positive` less `negative`: one positive item asks for its neighbours, two"
    " and a negative one for an analogy.",
    response_model=SimilarAnswer,
    responses=problems(404, 415, 422),
    openapi_extra=json_request(SimilarRequest, examples.SIMILAR),
)
async def similar(
    id: Id, workers: WorkersDep, kept: ShelfDep, body: Annotated[SimilarRequest, JsonBody(SimilarRequest)]
) -> Response:
    return Response(await workers.run(answers.similar_answer, await kept.get(id), body), media_type=JSON)


@router.post(
    "/{id}/cluster",
    summary="Items in groups, and on a plane",
    description="k-means on the vectors, seeded. The plane is PCA's, or t-SNE's (seconds for a thousand items).",
    response_model=ItemClusterAnswer,
    responses=problems(404, 413, 415, 422),
    openapi_extra=json_request(ItemClusterRequest, examples.ITEM_CLUSTER),
)
async def cluster(
    request: Request,
    id: Id,
    workers: WorkersDep,
    kept: ShelfDep,
    body: Annotated[ItemClusterRequest, JsonBody(ItemClusterRequest)],
) -> Response:
    content = await kept.get(id)
    most = cast(TextSettings, request.app.state.settings).max_cluster_texts
    cost = 1 + len(content) / (1 << 20)
    answer = await workers.run_costing(cost, answers.cluster_answer, content, body, most, checker())
    return Response(answer, media_type=JSON)


@router.get(
    "/{id}/vectors",
    summary="Item vectors as word2vec writes them",
    description="`ITEMS DIMENSIONS`, then a line an item: its name and its numbers. Blanks and percent signs in names"
    " are percent-encoded.",
    response_class=StreamingResponse,
    responses={200: {"content": {LOG: {"schema": {"type": "string"}}}}, **problems(404)},
)
async def vectors(id: Id, workers: WorkersDep, kept: ShelfDep) -> Response:
    pieces = await workers.run(answers.vectors_text, await kept.get(id))

    async def sent() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return StreamingResponse(sent(), media_type=f"{LOG}; charset=utf-8")


@router.delete("/{id}", status_code=204, summary="Forget item vectors", responses=problems(404))
async def forget(id: Id, kept: ShelfDep) -> Response:
    await kept.delete(id)
    return Response(status_code=204)
