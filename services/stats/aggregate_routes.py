"""Aggregates over HTTP."""

from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ValidationError

from services.stats import examples
from services.stats.aggregate_schemas import (
    AddedAnswer,
    AggregateAnswer,
    DefinitionAnswer,
    DefinitionRequest,
    FoldRequest,
    Id,
    MergeAnswer,
    StateAnswer,
    StateRequest,
    StatesRequest,
    ValuesRequest,
)
from services.stats.aggregates.aggregate import Aggregate
from services.stats.aggregates.aggregator import StateFault
from services.stats.keeping import Added, Keeping, described, named, of_fault
from services.stats.requests import documented, numbers
from services.stats.tables import JSON
from shared.bodies import JsonBody
from shared.errors import Unprocessable
from shared.handlers import refusal
from shared.idempotency import IdempotencyKey
from shared.openapi import CACHEABLE, json_request, problems
from shared.responses import json_bytes, json_response
from shared.workers import WorkersDep

MODEL = {"name": "aggregates", "version": "1"}
FRESH = {"Cache-Control": "no-store"}
"""What is kept changes: nobody may answer for it."""

router = APIRouter(prefix="/v1/stats", tags=["stats"])


async def _keeping(request: Request) -> Keeping:
    return cast(Keeping, request.app.state.keeping)


KeepingDep = Annotated[Keeping, Depends(_keeping)]


@router.put(
    "/aggregates/{id}",
    summary="Make an aggregate",
    description="""A value that anyone may add to at once and that many may merge: what its kinds say of all the rows is
the same however those came in, in whatever batches and order (sums and counts to the bit, others to rounding).

The same definition again changes nothing but the time to live, and is answered 200. An aggregate is kept until it is
deleted, or with `ttl_s` until that long nothing was added.""",
    response_model=DefinitionAnswer,
    responses={201: {"description": "Made", "model": DefinitionAnswer}, **problems(409, 415, 422)},
    openapi_extra=json_request(DefinitionRequest, examples.AGGREGATE),
)
async def make(
    id: Id, keeping: KeepingDep, body: Annotated[DefinitionRequest, JsonBody(DefinitionRequest)]
) -> Response:
    aggregate = body.aggregate
    made = await keeping.create(id, aggregate, body.ttl_s)
    limit = {} if body.ttl_s is None else {"ttl_s": body.ttl_s}
    headers = {**FRESH, "Location": f"/v1/stats/aggregates/{id}"}
    return json_response({"id": id, **aggregate.definition, **limit}, 201 if made else 200, headers)


@router.post(
    "/aggregates/{id}/values",
    summary="Add rows to an aggregate",
    description="""All of the batch is added, or none of it. Once it is answered 200 it is stored, and survives the
death of any process at any moment: Redis's own too, where that writes its append-only file, as it does in our
container. A machine that loses its power may take the last second along, unless Redis runs with `appendfsync always`.

With an `Idempotency-Key` a batch may be sent as often as it takes: it counts once, and `repeated` says when it was
counted before. The same key with other values is refused. Missing values (null) are left out of their column; for
covariance and regression the row is left out.""",
    response_model=AddedAnswer,
    responses=problems(404, 406, 415, 422),
    openapi_extra=documented(ValuesRequest, examples.VALUES, examples.VALUES_TABLE, cacheable=False),
)
async def add_values(
    id: Id,
    keeping: KeepingDep,
    body: Annotated[ValuesRequest, Depends(numbers(ValuesRequest))],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    return _added(id, await keeping.add(id, body.values, idempotency_key))


@router.post(
    "/aggregates/{id}/merge",
    summary="Add a state to an aggregate",
    description="A state of the same kinds and columns, as `aggregates:fold` or another aggregate's `state` answers it:"
    " as if its rows were added here. `Idempotency-Key` as for values.",
    response_model=AddedAnswer,
    responses=problems(404, 415, 422),
    openapi_extra=json_request(StateRequest, examples.MERGE),
)
async def merge_state(
    id: Id,
    keeping: KeepingDep,
    body: Annotated[StateRequest, JsonBody(StateRequest)],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    return _added(id, await keeping.merge(id, body.state, idempotency_key))


@router.get(
    "/aggregates/{id}",
    summary="What an aggregate says",
    response_model=AggregateAnswer,
    responses=problems(404, 422),
)
async def look(id: Id, keeping: KeepingDep) -> Response:
    return json_response({"model": MODEL, "id": id, **await keeping.look(id)}, headers=FRESH)


@router.get(
    "/aggregates/{id}/state",
    summary="An aggregate as a state to merge elsewhere",
    response_model=StateAnswer,
    responses=problems(404, 422),
)
async def state(id: Id, keeping: KeepingDep) -> Response:
    return Response(await keeping.state(id), headers=FRESH, media_type=JSON)


@router.delete(
    "/aggregates/{id}",
    summary="Forget an aggregate",
    status_code=204,
    response_class=Response,
    responses=problems(404, 422),
)
async def forget(id: Id, keeping: KeepingDep) -> Response:
    await keeping.remove(id)
    return Response(status_code=204)


@router.post(
    "/aggregates:fold",
    summary="Values to a state, nothing kept",
    description="A state to be merged with others, by `aggregates:merge` or into an aggregate. It is versioned, and is "
    "read back to the last bit.",
    response_model=StateAnswer,
    responses=problems(406, 415, 422),
    openapi_extra=documented(FoldRequest, examples.FOLD, examples.VALUES_TABLE),
)
async def fold(workers: WorkersDep, body: Annotated[FoldRequest, Depends(numbers(FoldRequest))]) -> Response:
    return Response(await workers.run(_fold, body), media_type=JSON)


@router.post(
    "/aggregates:merge",
    summary="States to one, nothing kept",
    description="Of the same kinds and columns, merged in their order; and what the one they make presents.",
    response_model=MergeAnswer,
    responses=problems(415, 422),
    openapi_extra={**CACHEABLE, **json_request(StatesRequest, examples.STATES)},
)
async def merge(workers: WorkersDep, body: Annotated[StatesRequest, JsonBody(StatesRequest)]) -> Response:
    return Response(await workers.run(_merge, body.states), media_type=JSON)


def _added(id: str, added: Added) -> Response:
    return json_response({"id": id, **added._asdict()}, headers=FRESH)


def _fold(body: FoldRequest) -> bytes:
    columns = list(body.values) if isinstance(body.values, dict) else ["x"]
    aggregate = DefinitionRequest.model_validate({"kind": body.kind, "columns": columns, "y": body.y}).aggregate
    return json_bytes(aggregate.dump(aggregate.fold(named(body.values, aggregate))))


def _merge(states: list[dict[str, Any]]) -> bytes:
    aggregate = _of_state(states[0])
    summaries = []
    for index, each in enumerate(states):
        try:
            summaries.append(aggregate.load(each))
        except StateFault as fault:
            raise of_fault(fault, f"/states/{index}") from None
    merged = aggregate.merge(summaries)
    answer = {"model": MODEL, "state": aggregate.dump(merged), "present": described(aggregate, merged)["present"]}
    return json_bytes(answer)


def _of_state(state: dict[str, Any]) -> Aggregate:
    """The aggregate that a state says it is of. Raises Malformed and Unprocessable."""
    said = {name: state.get(name) for name in ("kind", "columns", "y")}
    try:
        aggregate = DefinitionRequest.model_validate(said, strict=True).aggregate
    except ValidationError as error:
        faults: list[Any] = error.errors(include_url=False, include_input=False, include_context=False)
        raise refusal([{**each, "loc": ("states", 0, *each["loc"])} for each in faults], "body") from None
    except Unprocessable as error:
        raise Unprocessable(f"/states/0{error.detail}") from None
    return aggregate
