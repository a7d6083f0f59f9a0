"""`/v1/jobs/{id}`: what a client asks of its job."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, cast

import orjson
from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi import Path as PathParameter
from fastapi.responses import StreamingResponse

from gateway.jobs.acceptance import require, unavailable
from gateway.jobs.events import Event
from gateway.jobs.job import FINAL, Fields, Job, render
from gateway.jobs.service import Jobs
from shared.errors import Conflict, NotFound, VernierError
from shared.openapi import problems
from shared.problems import MEDIA_TYPE
from shared.redis import Failure

KEEP_ALIVE_S = 15.0
FRESH = {"Cache-Control": "no-store"}
STREAM = {**FRESH, "X-Accel-Buffering": "no"}
RETRY_MS = 1000
"""What an event stream tells its client to wait before it comes back."""

JobId = Annotated[
    str, PathParameter(description="As `Location` gave it", examples=["9f86d081884c7d659a2feaa0c55ad015"])
]


def _jobs(request: Request) -> Jobs:
    return cast(Jobs, request.app.state.jobs)


JobsDep = Annotated[Jobs, Depends(_jobs)]

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.get("/{job_id}", summary="A job's state", response_model=Job, responses=problems(404))
async def read_job(job_id: JobId, jobs: JobsDep) -> Response:
    fields = await _fields(jobs, job_id)
    waiting = fields[b"status"].decode() not in FINAL
    return _json(render(job_id, fields), headers={**FRESH, **({"Retry-After": "1"} if waiting else {})})


@router.get(
    "/{job_id}/result",
    summary="What the call itself would have answered",
    description="""Status, content type and bytes are the service's own: also those of its refusal, where the job failed
by one. 409 while the job has not ended, and when it was cancelled.""",
    response_class=Response,
    responses={
        200: {"description": "The answer of the operation that was asked for", "content": {"*/*": {}}},
        201: {"description": "The same, of one that made something to be kept", "content": {"*/*": {}}},
        "default": {"description": "The refusal of the operation that was asked for", "content": {MEDIA_TYPE: {}}},
        **problems(404, 409),
    },
)
async def read_result(job_id: JobId, jobs: JobsDep) -> Response:
    fields = await _fields(jobs, job_id)
    status = fields[b"status"].decode()
    if status == "cancelled":
        raise Conflict("the job was cancelled: it has no result")
    if status not in FINAL:
        raise Conflict(f"the job is {status}: it has no result yet; GET /v1/jobs/{job_id}/events says when it has")
    if b"answer_status" not in fields:
        error = fields[b"error"]
        return Response(error, orjson.loads(error)["status"], FRESH, media_type=MEDIA_TYPE)
    try:
        body = await require(jobs.store).result(job_id)
    except Failure as failure:
        raise unavailable(failure) from failure
    if body is None:
        raise _unknown(job_id)
    response = Response(body, int(fields[b"answer_status"]), FRESH)
    for name, value in orjson.loads(fields[b"answer_headers"]):
        if name not in {"content-length", "cache-control"}:
            response.headers.append(name, value)
    return response


@router.get(
    "/{job_id}/events",
    summary="A job's state as it changes, as server-sent events",
    description="""Each event's data is the object that `GET /v1/jobs/{job_id}` answers, and its id a number that grows.
The first is the present state, or with `Last-Event-ID` all that came after that one; the stream ends with the job.
204 says that nothing will come any more.""",
    response_class=StreamingResponse,
    responses={
        200: {"description": "The events", "content": {"text/event-stream": {}}},
        204: {"description": "The job has ended, and its last event is the one named"},
        **problems(404),
    },
)
async def read_events(job_id: JobId, jobs: JobsDep, last_event_id: Annotated[str | None, Header()] = None) -> Response:
    fields = await _fields(jobs, job_id)
    last = int(fields[b"seq"])
    after = int(last_event_id) if last_event_id and last_event_id.isdecimal() and len(last_event_id) < 16 else None
    if after is not None and after >= last:
        if after == last and fields[b"status"].decode() in FINAL:
            return Response(status_code=204, headers=FRESH)
        after = after if after == last else None
    return StreamingResponse(_stream(jobs, job_id, fields, after), media_type="text/event-stream", headers=STREAM)


@router.delete(
    "/{job_id}",
    summary="Cancel a job, or remove one that has ended",
    description="""A job that waits or runs is cancelled, at once and for good, and answered as it is then. One that has
ended is removed with its result: 204, and 404 from then on.""",
    response_model=Job,
    responses={204: {"description": "It had ended, and is removed"}, **problems(404)},
)
async def delete_job(job_id: JobId, jobs: JobsDep) -> Response:
    store = require(jobs.store)
    try:
        done = await store.cancel(job_id)
        fields = await store.fields(job_id) if done == "cancelled" else None
    except Failure as failure:
        raise unavailable(failure) from failure
    if done is None:
        raise _unknown(job_id)
    if fields is None:
        return Response(status_code=204, headers=FRESH)
    jobs.records.ended(fields, "cancelled")
    return _json(render(job_id, fields), headers=FRESH)


async def _stream(jobs: Jobs, job_id: str, fields: Fields, after: int | None) -> AsyncIterator[bytes]:
    constant = {name: fields[name] for name in (b"kind", b"created")}
    yield b"retry: %d\n\n" % RETRY_MS
    batches = jobs.follow(job_id, after)
    upcoming = asyncio.ensure_future(anext(batches))
    try:
        while True:
            done, _ = await asyncio.wait({upcoming}, timeout=KEEP_ALIVE_S)
            if not done:
                yield b": still there\n\n"
                continue
            for event in upcoming.result():
                yield _printed(job_id, constant, event)
            upcoming = asyncio.ensure_future(anext(batches))
    except (StopAsyncIteration, *Failure):
        pass
    finally:
        upcoming.cancel()
        await asyncio.gather(upcoming, return_exceptions=True)
        await batches.aclose()


def _printed(job_id: str, constant: Fields, event: Event) -> bytes:
    number, changed = event
    return b"id: %d\ndata: %b\n\n" % (number, orjson.dumps(render(job_id, {**constant, **changed})))


async def _fields(jobs: Jobs, job_id: str) -> Fields:
    try:
        fields = await require(jobs.store).fields(job_id)
    except Failure as failure:
        raise unavailable(failure) from failure
    if fields is None:
        raise _unknown(job_id)
    return fields


def _unknown(job_id: str) -> VernierError:
    return NotFound(f"there is no job {job_id}: it never was, or it was removed or expired")


def _json(content: Any, headers: dict[str, str]) -> Response:
    return Response(orjson.dumps(content), 200, headers, media_type="application/json")
