"""The Open Inference Protocol over HTTP: https://github.com/kserve/open-inference-protocol, with Triton's extensions
for binary tensors, statistics, configuration and the model repository."""

from collections.abc import Callable
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Header, Request, Response

from shared.bodies import content_type
from shared.errors import Malformed, UnsupportedMedia
from shared.inference import documents
from shared.inference.bodies import Room, Share, read_packed, read_up_to
from shared.inference.dataplane import DataPlane
from shared.inference.schemas import (
    IndexEntry,
    Loaded,
    ModelList,
    ModelMetadata,
    ModelReady,
    ServerMetadata,
    Statistics,
)
from shared.openapi import problems
from shared.problems import StatusError
from shared.repository import Repository
from shared.responses import json_response
from shared.settings import ModelSettings

BINARY = "application/octet-stream"
JSON = "application/json"
UNSAID = "application/x-www-form-urlencoded"
"""What `curl -d` says when it is told nothing: the protocol's own examples are written so."""
LENGTH = "Inference-Header-Content-Length"
MAX_CONTROL_BYTES = 64 << 10


def install(app: Any, repository: Repository[Any]) -> None:
    """For the lifespan: what the routes ask."""
    app.state.dataplane = DataPlane(repository)
    app.state.inference_room = Room(app.state.settings.infer_memory_bytes)


async def _dataplane(request: Request) -> DataPlane:
    return cast(DataPlane, request.app.state.dataplane)


Models = Annotated[DataPlane, Depends(_dataplane)]


def inference_router() -> APIRouter:
    """All routes under /v2 but those of health."""
    router = APIRouter(prefix="/v2", tags=["inference"])
    _describe_server(router)
    _describe_models(router)
    _infer(router)
    _control(router)
    return router


def _describe_server(router: APIRouter) -> None:
    @router.get("", summary="The server and the extensions that it speaks", response_model=ServerMetadata)
    async def read_server(models: Models) -> Response:
        return json_response(models.server())

    @router.get("/models", summary="Models that are loaded", response_model=ModelList)
    async def list_models(models: Models) -> Response:
        return json_response(models.models())

    @router.get("/models/stats", summary="What all models have done so far", response_model=Statistics)
    async def read_all_statistics(models: Models) -> Response:
        return json_response(models.statistics())


def _describe_models(router: APIRouter) -> None:
    """Each of a model, and of one of its versions."""
    descriptions: tuple[tuple[str, str, Any, Callable[..., dict[str, Any]]], ...] = (
        ("", "Inputs and outputs of a model", ModelMetadata, DataPlane.metadata),
        ("/ready", "Whether a model takes requests", ModelReady, DataPlane.ready),
        ("/config", "A model's configuration", None, DataPlane.config),
        ("/stats", "What a model has done since it was loaded", Statistics, DataPlane.statistics),
    )
    for suffix, summary, schema, describe in descriptions:
        _describe_model(router, suffix, summary, schema, describe)


def _describe_model(
    router: APIRouter, suffix: str, summary: str, schema: Any, describe: Callable[..., dict[str, Any]]
) -> None:
    name = suffix.strip("/") or "metadata"

    async def newest(models: Models, model: str) -> Response:
        return json_response(describe(models, model))

    async def of_version(models: Models, model: str, version: str) -> Response:
        return json_response(describe(models, model, version))

    options: dict[str, Any] = {"response_model": schema, "responses": problems(404), "methods": ["GET"]}
    router.add_api_route(f"/models/{{model}}{suffix}", newest, summary=summary, name=f"read_{name}", **options)
    router.add_api_route(
        f"/models/{{model}}/versions/{{version}}{suffix}",
        of_version,
        summary=f"{summary}, one version",
        name=f"read_{name}_of_version",
        **options,
    )


def _infer(router: APIRouter) -> None:
    header = Annotated[str | None, Header(alias=LENGTH, description=documents.LENGTH)]
    encoding = Annotated[str | None, Header(alias="Content-Encoding", description="`gzip`, `deflate` or none")]

    async def newest(
        request: Request, models: Models, model: str, length: header = None, packed: encoding = None
    ) -> Response:
        return await answer(request, models, model, None, length, packed)

    async def of_version(
        request: Request, models: Models, model: str, version: str, length: header = None, packed: encoding = None
    ) -> Response:
        return await answer(request, models, model, version, length, packed)

    for path, endpoint, summary in (
        ("/models/{model}/infer", newest, "Run a model"),
        ("/models/{model}/versions/{version}/infer", of_version, "Run one version of a model"),
    ):
        router.add_api_route(
            path,
            endpoint,
            methods=["POST"],
            name="infer" if endpoint is newest else "infer_version",
            summary=summary,
            description=documents.INFER,
            responses=documents.INFER_RESPONSES,
            openapi_extra=documents.INFER_EXTRA,
        )


async def answer(
    request: Request, models: DataPlane, model: str, version: str | None, length: str | None, packed: str | None
) -> Response:
    given = content_type(request)
    if given not in ("", UNSAID, JSON, BINARY):
        raise UnsupportedMedia(f"Content-Type {given} is not read here; send {JSON}, or {BINARY} with {LENGTH}")
    state = request.app.state
    with Share(state.inference_room) as share:
        body = await read_packed(request, packed or "", state.settings.max_infer_bytes, share)
        encoded, served = await models.infer(model, version, body, _length(length))
    headers = {"Vernier-Model": f"{served.name}/{served.version}"}
    if encoded.json_length is None:
        return Response(encoded.body, headers=headers, media_type=JSON)
    return Response(encoded.body, headers={**headers, LENGTH: str(encoded.json_length)}, media_type=BINARY)


def _control(router: APIRouter) -> None:
    @router.post(
        "/repository/index",
        summary="Models and versions that there are, loaded or not",
        response_model=list[IndexEntry],
        openapi_extra=documents.INDEX_EXTRA,
        responses=problems(),
    )
    async def read_index(request: Request, models: Models) -> Response:
        return json_response(models.index(await _control_body(request)))

    @router.post(
        "/repository/models/{model}/load",
        summary="Load a model, or load it anew",
        description=documents.LOAD,
        response_model=Loaded,
        openapi_extra=documents.CONTROL_EXTRA,
        responses=problems(403, 404, 409),
    )
    async def load(request: Request, models: Models, model: str) -> Response:
        _allowed(request)
        return json_response(await models.load(model, await _control_body(request)))

    @router.post(
        "/repository/models/{model}/unload",
        summary="Take a model out of service",
        description="Requests under way are answered. Off unless VERNIER_REPOSITORY_CONTROL is set.",
        response_model=Loaded,
        openapi_extra=documents.CONTROL_EXTRA,
        responses=problems(403, 404),
    )
    async def unload(request: Request, models: Models, model: str) -> Response:
        _allowed(request)
        return json_response(await models.unload(model, await _control_body(request)))


def _allowed(request: Request) -> None:
    settings: ModelSettings = request.app.state.settings
    if not settings.repository_control:
        raise StatusError(
            403, f"loading and unloading is switched off here; VERNIER_{settings.process.upper()}_REPOSITORY_CONTROL=1 "
            "switches it on"
        )  # fmt: skip


def _length(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise Malformed(f"{LENGTH} is a number of bytes, not {text[:40]!r}")
    return int(text)


async def _control_body(request: Request) -> bytes:
    with Share(request.app.state.inference_room) as share:
        return await read_up_to(request, MAX_CONTROL_BYTES, share)
