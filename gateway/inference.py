"""What the inference protocol asks of the whole server: gathered over the services that have models."""

import asyncio
from collections.abc import Iterable
from typing import Any

import orjson
import structlog
from fastapi import APIRouter, Request, Response

from gateway.client import Call, Client
from gateway.services import Services
from shared import VERSION
from shared.errors import ClientGone, Malformed, TooLarge, VernierError

log = structlog.get_logger()

SERVER = "/v2"
MODELS = "/v2/models"
STATISTICS = "/v2/models/stats"
INDEX = "/v2/repository/index"
GATHERED = frozenset({SERVER, MODELS, STATISTICS, INDEX})
"""Every service with models offers these; the gateway answers for all of them."""
PATIENCE_S = 5.0
MAX_BODY_BYTES = 64 << 10


def inference_router() -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get(SERVER)
    async def read_server(request: Request) -> Response:
        extensions = {name for each in await _gather(request, SERVER) for name in each.get("extensions", ())}
        return _json({"name": "vernier", "version": VERSION, "extensions": sorted(extensions)})

    @router.get(MODELS)
    async def list_models(request: Request) -> Response:
        names = {name for each in await _gather(request, MODELS) for name in each.get("models", ())}
        return _json({"models": sorted(names)})

    @router.get(STATISTICS)
    async def read_statistics(request: Request) -> Response:
        found = await _gather(request, STATISTICS)
        return _json({"model_stats": [entry for each in found for entry in each.get("model_stats", ())]})

    @router.post(INDEX)
    async def read_index(request: Request) -> Response:
        found = await _gather(request, INDEX, await _body(request))
        return _json([entry for each in found for entry in each])

    return router


async def _gather(request: Request, path: str, body: bytes | None = None) -> list[Any]:
    """Each service's answer, in the order of the settings; one that cannot be reached has none. Raises what a service
    says of the request."""
    state = request.app.state
    offering = [name for name, document in _services(request).documents.items() if path in document.get("paths", {})]
    answers: Iterable[Any] = await asyncio.gather(*(_ask(state.client, name, path, body) for name in offering))
    return [answer for answer in answers if answer is not None]


async def _ask(client: Client, service: str, path: str, body: bytes | None) -> Any:
    method = "GET" if body is None else "POST"
    fields = b"accept: application/json\r\ncontent-type: application/json\r\n"
    call = Call(service, path, method, path.encode(), fields, body or b"", replayable=True)
    try:
        async with asyncio.timeout(PATIENCE_S):
            answer = await client.open(call)
            try:
                content = orjson.loads(await answer.read())
            finally:
                answer.close()
    except (VernierError, OSError, TimeoutError, orjson.JSONDecodeError) as error:
        log.warning("service left out", service=service, path=path, error=str(error) or type(error).__name__)
        return None
    if answer.status == 400:
        raise Malformed(content.get("detail", "the request is malformed"))
    return content if answer.status == 200 else None


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


async def _body(request: Request) -> bytes:
    chunks, size = [], 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone("the client hung up before its body was complete")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > MAX_BODY_BYTES:
            raise TooLarge(f"the body is larger than the {MAX_BODY_BYTES:,} bytes that are taken here")
        if not message.get("more_body", False):
            return b"".join(chunks)


def _json(content: Any) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
