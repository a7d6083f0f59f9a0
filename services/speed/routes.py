"""The speed service over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from io import FileIO
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from services.speed import documents
from services.speed.aggregation import Aggregation, request_key
from services.speed.forms import receive_form
from services.speed.moments import frame_times
from services.speed.reading import Reader
from services.speed.schemas import (
    EvaluateQuery,
    EvaluateResponse,
    FramesQuery,
    SequenceQuery,
    SpeedResponse,
    VideoQuery,
)
from services.speed.service import CSV, JSON, MP4, PLAIN, PNG, Measured, Service, judge, measure_images, measure_video
from services.speed.serving import SpeedModel
from services.speed.uploads import Upload, receive_raw
from shared.bodies import content_type
from shared.context import current_context
from shared.errors import UnsupportedMedia
from shared.negotiation import negotiate
from shared.openapi import CACHEABLE, job
from shared.responses import field_of
from shared.workers import Workers, WorkersDep

OFFERS = (JSON, CSV, PLAIN, PNG, MP4)
SCORES = (JSON, PLAIN)
FORM = "multipart/form-data"
RAW = frozenset({"", "application/octet-stream", "application/mp4", "application/ogg"})
PIECE_BYTES = 1 << 20


async def _service(request: Request) -> Service:
    return cast(Service, request.app.state.service)


ServiceDep = Annotated[Service, Depends(_service)]
IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="With `aggregate`: two requests of one key add once", max_length=255),
]

router = APIRouter(prefix="/v1/speed", tags=["speed"])


@router.post(
    "/video",
    summary="Speeds of a video's frames",
    description=documents.VIDEO,
    response_model=SpeedResponse,
    responses=documents.RESPONSES,
    openapi_extra={**CACHEABLE, **job("video"), "requestBody": documents.VIDEO_BODY},
)
async def read_video(
    request: Request,
    service: ServiceDep,
    workers: WorkersDep,
    query: Annotated[VideoQuery, Query()],
    _: IdempotencyKey = None,
) -> Response:
    media_type = negotiate(request.headers.get("accept"), OFFERS)
    answer = _Answer(request, service, workers, query, media_type)
    given = content_type(request)
    await answer.check()
    if given == FORM:
        async with receive_form(request, {"file": 1}) as upload:
            return await answer.of(measure_video, upload, query.fps)
    if given not in RAW and not given.startswith("video/"):
        raise UnsupportedMedia(f"Content-Type {given} is not read here; send video/*, or {FORM} with a part named file")
    async with receive_raw(request) as upload:
        return await answer.of(measure_video, upload, query.fps)


@router.post(
    "/frames",
    summary="Speeds of frames sent as images",
    description=documents.FRAMES,
    response_model=SpeedResponse,
    responses=documents.RESPONSES,
    openapi_extra={**CACHEABLE, "requestBody": documents.FRAMES_BODY},
)
async def read_frames(
    request: Request,
    service: ServiceDep,
    workers: WorkersDep,
    query: Annotated[FramesQuery, Query()],
    _: IdempotencyKey = None,
) -> Response:
    media_type = negotiate(request.headers.get("accept"), OFFERS)
    answer = _Answer(request, service, workers, query, media_type)
    _form_only(request, "parts named frames")
    await answer.check()
    async with receive_form(request, {"frames": service.settings.max_images}, ("fps", "time_s")) as upload:
        times = frame_times(len(upload.parts), query.fps, query.time_s, upload.fields)
        return await answer.of(measure_images, upload, times)


@router.post(
    "/evaluate",
    summary="Score of predicted speeds against the truth",
    description=documents.EVALUATE,
    response_model=EvaluateResponse,
    responses=documents.SCORES,
    openapi_extra={**CACHEABLE, **job("evaluate"), "requestBody": documents.EVALUATE_BODY},
)
async def evaluate(
    request: Request, service: ServiceDep, workers: WorkersDep, query: Annotated[EvaluateQuery, Query()]
) -> Response:
    media_type = negotiate(request.headers.get("accept"), SCORES)
    reader = service.reader(query)
    _form_only(request, "parts named file and truth")
    async with receive_form(request, {"file": 1, "truth": 1}) as upload:
        using = partial(service.models.use, service.settings.model)
        scored, measured = await workers.run(judge, reader, upload, query.fps, service.settings.max_frames, using)
    found = EvaluateResponse.of(scored, measured.model if measured else None, _warnings(measured))
    headers = {"Vary": "Accept", **({"Vernier-Model": measured.identity} if measured else {})}
    content = found.model_dump_json() if media_type == JSON else found.as_text()
    return Response(content, headers=headers, media_type=_with_charset(media_type))


def _warnings(measured: Measured | None) -> list[str]:
    return measured.reading.warnings if measured else []


def _form_only(request: Request, parts: str) -> None:
    given = content_type(request)
    if given != FORM:
        raise UnsupportedMedia(f"Content-Type {given or 'unknown'} is not read here; send {FORM} with {parts}")


def _with_charset(media_type: str) -> str:
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type


class _Answer:
    """Measures an upload and answers as asked; adds the speeds to an aggregate where the query names one."""

    def __init__(
        self, request: Request, service: Service, workers: Workers, query: SequenceQuery, media_type: str
    ) -> None:
        self.request = request
        self.service = service
        self.workers = workers
        self.aggregate = query.aggregate
        self.media_type = media_type
        self.reader = service.reader(query, media_type)

    async def check(self) -> None:
        """Before anything of the body is read. Raises NotFound and Unprocessable for an aggregate that takes none."""
        if self.aggregate is not None:
            await self._aggregation.check(self.aggregate, current_context.get())

    @property
    def _aggregation(self) -> Aggregation:
        return cast(Aggregation, self.request.app.state.aggregation)

    async def of(
        self, measure: Callable[[Reader, SpeedModel, Upload, Any, str], Measured], upload: Upload, timing: Any
    ) -> Response:
        def compute() -> tuple[Measured, bytes]:
            with self.service.models.use(self.service.settings.model) as model:
                measured = measure(self.reader, model, upload, timing, self.media_type)
            at_once = self.aggregate is None and measured.film is None
            return measured, measured.encoded(self.media_type) if at_once else b""

        if self.aggregate is None:
            measured, content = await self.workers.run(compute)
            return self._response(measured, content)
        key = await request_key(self.request, upload)
        measured, content = await self.workers.run(compute)
        speeds = measured.reading.speed_mps.tolist()
        warning = await self._aggregation.add(self.aggregate, key, speeds, current_context.get())
        if warning is not None:
            measured.reading.warnings.append(warning)
        if measured.film is None:
            content = await self.workers.run(measured.encoded, self.media_type)
        return self._response(measured, content)

    def _response(self, measured: Measured, content: bytes) -> Response:
        headers = {"Vary": "Accept", "Vernier-Model": measured.identity}
        if self.media_type != JSON and measured.reading.warnings:
            headers["Vernier-Warnings"] = field_of(measured.reading.warnings)
        if self.aggregate is not None:
            headers["Cache-Control"] = "no-store"
        if measured.film is None:
            return Response(content, headers=headers, media_type=_with_charset(self.media_type))
        measured.film.seek(0, 2)
        headers["Content-Length"] = str(measured.film.tell())
        headers["Content-Disposition"] = 'inline; filename="speed.mp4"'
        return StreamingResponse(_pieces(measured.film), headers=headers, media_type=MP4)


async def _pieces(file: FileIO) -> AsyncIterator[bytes]:
    with file:
        file.seek(0)
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece
