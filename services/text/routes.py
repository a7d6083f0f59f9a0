"""The text service over HTTP."""

import time
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Request, Response

from services.text import examples
from services.text.embedder import shorten
from services.text.inputs import check_dimensions, refuse_empty
from services.text.model import DIMENSIONS, MODEL_NAME
from services.text.openai_shape import answer_bytes
from services.text.schemas import (
    EmbeddingRequest,
    EmbeddingResponse,
    OpenAIErrorResponse,
)
from services.text.serving import TextEmbedding
from services.text.settings import TextSettings
from shared.bodies import json_body
from shared.errors import FieldError, NotFound, Unprocessable
from shared.openapi import CACHEABLE, DESCRIPTIONS, OPENAI_ERRORS, json_request
from shared.repository import Repository
from shared.workers import Workers

JSON = "application/json"
EMBEDDINGS_PATH = "/v1/embeddings"
INLINE_VECTORS = 8
"""Up to so many vectors, 30 microseconds each, are printed on the event loop: the way to a thread costs more."""


async def _repository(request: Request) -> Repository[TextEmbedding]:
    return cast(Repository[TextEmbedding], request.app.state.repository)


async def _settings(request: Request) -> TextSettings:
    return cast(TextSettings, request.app.state.settings)


RepositoryDep = Annotated[Repository[TextEmbedding], Depends(_repository)]
SettingsDep = Annotated[TextSettings, Depends(_settings)]

_read_embedding_request = json_body(EmbeddingRequest)

embeddings = APIRouter(tags=["text"])

_openai_refusals: dict[int | str, dict[str, Any]] = {
    status: {"model": OpenAIErrorResponse, "description": text}
    for status, text in {
        400: "The request is invalid: malformed, or an input is empty, or there are too many",
        404: "There is no such model",
        413: DESCRIPTIONS[413],
        415: DESCRIPTIONS[415],
        503: DESCRIPTIONS[503],
        504: DESCRIPTIONS[504],
    }.items()
}
_truncated = {
    "description": "How many inputs were cut at 256 tokens; absent when none was",
    "schema": {"type": "integer"},
}


@embeddings.post(
    EMBEDDINGS_PATH,
    summary="Sentence vectors, as OpenAI's API answers them",
    description=f"""Each text becomes {DIMENSIONS} numbers of length 1: the cosine of two texts is the dot product of
their vectors. Made for English. The model reads 256 tokens (about 190 words) of a text; `truncated` of each input says
whether it was longer, `X-Truncated` how many were. The vector of a text does not depend on the texts beside it (cosine
0.99999 or more), so it is kept for the next request that has the text, and `cached` says so.

`model_version` names the weights and the arithmetic, float32 or 8 bits: compare vectors of one version only.

Request, answer and errors have OpenAI's shape, so its clients work unchanged; what OpenAI calls invalid is 400.""",
    response_model=EmbeddingResponse,
    responses={200: {"headers": {"X-Truncated": _truncated}}, **_openai_refusals},
    openapi_extra={**CACHEABLE, **OPENAI_ERRORS, **json_request(EmbeddingRequest, examples.EMBEDDINGS)},
)
async def create_embeddings(request: Request) -> Response:
    state = request.app.state
    workers: Workers = state.workers
    body = await _read_embedding_request(request, workers)
    _check_request(body, state.settings)
    repository: Repository[TextEmbedding] = state.repository
    with repository.use(MODEL_NAME) as model:
        check_dimensions(body.dimensions, model.dimensions)
        facts, vectors = await model.embed(body.input, refuse_empty)
        started = time.monotonic()
        vectors = shorten(vectors, body.dimensions or model.dimensions)
        said = body.encoding_format, model.name, model.version
        few = len(vectors) <= INLINE_VECTORS
        content = answer_bytes(vectors, facts, *said) if few else await workers.run(answer_bytes, vectors, facts, *said)
        model.batcher.statistics.finished(time.monotonic() - started)
    headers = {"X-Truncated": str(facts.truncated_count)} if facts.truncated_count else {}
    return Response(content, headers=headers, media_type=JSON)


def _check_request(body: EmbeddingRequest, settings: TextSettings) -> None:
    if body.model is not None and body.model != MODEL_NAME:
        detail = f"there is no model {body.model[:100]!r} here; leave `model` out or ask for {MODEL_NAME!r}"
        raise NotFound(detail, errors=[FieldError("/model", detail)])
    if len(body.input) > settings.max_inputs:
        detail = f"{len(body.input):,} inputs, more than the {settings.max_inputs:,} that one request may have"
        raise Unprocessable(detail, errors=[FieldError("/input", detail)])
