"""Streams over HTTP."""

from typing import Annotated, Any, cast

import numpy as np
from fastapi import APIRouter, Depends, Query, Request, Response

from services.stats import examples
from services.stats.aggregate_schemas import Id
from services.stats.columns import LARGEST
from services.stats.kalman.kernels.step import FloatArray
from services.stats.kalman_answers import COMPONENTS, MODEL
from services.stats.requests import documented, numbers
from services.stats.stream_schemas import (
    ObservationsRequest,
    ObservedAnswer,
    StreamAnswer,
    StreamDefinitionAnswer,
    StreamRequest,
)
from services.stats.streams.keeping import Streams
from services.stats.streams.stream import Definition, Taken
from shared.bodies import JsonBody
from shared.openapi import json_request, problems
from shared.responses import json_response

FRESH = {"Cache-Control": "no-store"}
router = APIRouter(prefix="/v1/stats/kalman/streams", tags=["stats"])


async def _streams(request: Request) -> Streams:
    return cast(Streams, request.app.state.streams)


StreamsDep = Annotated[Streams, Depends(_streams)]


@router.put(
    "/{id}",
    summary="Make a stream that is filtered as it comes",
    description="""A Kalman filter that is kept and fed with observations, by any number of clients.

The same model again changes nothing but `ttl_s`, and is answered 200. A stream is kept until it is deleted, or with
`ttl_s` until that long nothing was observed. Its start is exactly diffuse; count time in a unit not far from the steps
between observations.""",
    response_model=StreamDefinitionAnswer,
    responses={201: {"description": "Made", "model": StreamDefinitionAnswer}, **problems(409, 415, 422)},
    openapi_extra=json_request(StreamRequest, examples.STREAM),
)
async def make(id: Id, streams: StreamsDep, body: Annotated[StreamRequest, JsonBody(StreamRequest)]) -> Response:
    made = await streams.create(id, body.definition, body.ttl_s)
    headers = {**FRESH, "Location": f"/v1/stats/kalman/streams/{id}"}
    return json_response(_described(id, body.definition, body.ttl_s), 201 if made else 200, headers)


@router.post(
    "/{id}/observations",
    summary="Observe a stream",
    description="""The filter's state after each observation. All of the batch is taken, or none of it; once it is
answered 200 it is stored.

An observation counts once: sent again, with the time and value that were taken, it is answered as it was and counted
as `repeated`. A stream's past does not change: another value at a time that was taken, or a time before the last that
was not taken, is late, and the whole batch is refused (409); `late: drop` leaves such ones out and counts them. The
last 500 observations are remembered so, unless the service was set otherwise; a batch may have as many.

In a table (CSV, NDJSON, Arrow or Parquet) the query names the column of `time`; the other is `z`.""",
    response_model=ObservedAnswer,
    responses=problems(404, 406, 409, 415, 422),
    openapi_extra=documented(ObservationsRequest, examples.OBSERVATIONS, examples.OBSERVATIONS_TABLE, cacheable=False),
)
async def observe(
    id: Id, streams: StreamsDep, body: Annotated[ObservationsRequest, Depends(numbers(ObservationsRequest))]
) -> Response:
    definition, taken = await streams.observe(id, body.time, body.z, drop=body.late == "drop")
    return json_response(_observed(id, definition, body.time, taken), headers=FRESH)


@router.get(
    "/{id}",
    summary="Where a stream is",
    description="Its model and its state: after the last observation, or as predicted for a later time.",
    response_model=StreamAnswer,
    responses=problems(404, 422),
)
async def look(
    id: Id,
    streams: StreamsDep,
    at: Annotated[
        float | None,
        Query(ge=-LARGEST, le=LARGEST, allow_inf_nan=False, description="Predict for this time; else the last one"),
    ] = None,
) -> Response:
    definition, state, found, ttl_s = await streams.look(id, at)
    time = state.time if at is None or state.time is None else at
    content = {
        **_described(id, definition, ttl_s),
        "observations": state.observations,
        "time": time,
        **_components(definition, found[:, None], alone=True),
        "loglik": state.loglik,
    }
    return json_response(content, headers=FRESH)


@router.delete(
    "/{id}", summary="Forget a stream", status_code=204, response_class=Response, responses=problems(404, 422)
)
async def forget(id: Id, streams: StreamsDep) -> Response:
    await streams.remove(id)
    return Response(status_code=204)


def _described(id: str, definition: Definition, ttl_s: float | None) -> dict[str, Any]:
    said = {
        "model": MODEL, "id": id, "motion": definition.kind, "noise": definition.noise, "q": definition.q,
        "r": definition.r,
    }  # fmt: skip
    given = {"gate": definition.gate, "ttl_s": ttl_s}
    return said | {name: each for name, each in given.items() if each is not None}


def _components(definition: Definition, columns: FloatArray, *, alone: bool = False) -> dict[str, Any]:
    """Of `columns` [2 n, k], the means and then their standard deviations."""
    n = definition.motion.size
    named: dict[str, Any] = {}
    for c, (mean, sd) in enumerate(COMPONENTS[:n]):
        named |= {mean: np.ascontiguousarray(columns[c]), sd: np.ascontiguousarray(columns[n + c])}
    return {name: float(each[0]) if alone else each for name, each in named.items()}


def _observed(id: str, definition: Definition, time: FloatArray, taken: Taken) -> dict[str, Any]:
    columns = taken.rows.T
    return {
        "model": MODEL,
        "id": id,
        "time": time,
        **_components(definition, columns[2:-3]),
        "innovation": np.ascontiguousarray(columns[-3]),
        "nis": np.ascontiguousarray(columns[-2]),
        "used": np.ascontiguousarray(columns[-1] == 1),
        "accepted": int(taken.new.sum()),
        "repeated": taken.repeated,
        "dropped": taken.dropped,
        "observations": taken.state.observations,
        "loglik": taken.state.loglik,
    }
