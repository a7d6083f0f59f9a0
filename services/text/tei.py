"""The text service as text-embeddings-inference: POST /embed, POST /similarity, GET /info."""

import time
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Response

from services.text import examples
from services.text.embedder import Vectors, shorten
from services.text.inputs import check_dimensions, refuse_empty
from services.text.model import MODEL_NAME
from services.text.routes import INLINE_VECTORS, JSON, RepositoryDep, SettingsDep
from services.text.serving import Facts, TextEmbedding
from services.text.settings import TextSettings
from services.text.tei_schemas import EmbedRequest, Info, Reading, SimilarityRequest, TeiError
from shared import VERSION
from shared.bodies import JsonBody
from shared.context import current_context
from shared.errors import Empty, FieldError, Unprocessable
from shared.openapi import CACHEABLE, DESCRIPTIONS, TEI_ERRORS, json_request
from shared.providers import CPU
from shared.responses import json_bytes
from shared.workers import WorkersDep

router = APIRouter(tags=["text"])

_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": TeiError, "description": text}
    for status, text in {
        400: "The body cannot be read, or there is no text in it",
        413: DESCRIPTIONS[413],
        415: DESCRIPTIONS[415],
        422: "A value is not what it should be, a text is empty or too long, or there are too many",
        429: "Overloaded; `Retry-After` says when to come back",
        503: "Starting or draining; `Retry-After` says when to come back",
        504: DESCRIPTIONS[504],
    }.items()
}
_NUMBER = {"schema": {"type": "integer", "minimum": 0}}
_HEADERS: dict[str, Any] = {
    "x-compute-type": {"description": "`cpu+optimized` or `gpu+optimized`", "schema": {"type": "string"}},
    "x-compute-time": {"description": "Milliseconds", **_NUMBER},
    "x-compute-characters": {"description": "Of all texts", **_NUMBER},
    "x-compute-tokens": {"description": "Of all texts", **_NUMBER},
    "x-total-time": {"description": "Milliseconds", **_NUMBER},
    "x-tokenization-time": {"description": "Milliseconds", **_NUMBER},
    "x-queue-time": {"description": "Milliseconds", **_NUMBER},
    "x-inference-time": {"description": "Milliseconds", **_NUMBER},
    "x-model-version": {"description": "Changes when the weights or the arithmetic do", "schema": {"type": "string"}},
    "x-truncated": {"description": "How many texts were cut; absent when none was", **_NUMBER},
}
_answers = {200: {"description": "The numbers", "headers": _HEADERS}, **_REFUSALS}


@router.post(
    "/embed",
    summary="Sentence vectors, as text-embeddings-inference answers them",
    description="""Request, answer, headers and errors have the shape of text-embeddings-inference, so its clients work
unchanged (`huggingface_hub.InferenceClient(model=".../embed").feature_extraction`). One vector a text, in order. The
times in the headers are milliseconds; what text-embeddings-inference says as 429 is the overload that is 503 elsewhere.
Texts are strings: token ids would be another tokenizer's, and are refused.""",
    response_model=list[list[float]],
    responses=_answers,
    openapi_extra={**CACHEABLE, **TEI_ERRORS, **json_request(EmbedRequest, examples.EMBED)},
)
async def embed(
    repository: RepositoryDep,
    settings: SettingsDep,
    workers: WorkersDep,
    body: Annotated[EmbedRequest, JsonBody(EmbedRequest)],
) -> Response:
    started = time.monotonic()
    _check_count(body.inputs, "inputs", settings)
    with repository.use(MODEL_NAME) as model:
        check_dimensions(body.dimensions, model.dimensions)
        facts, vectors = await _embedded(model, body.inputs, body)
    rows = _shaped(vectors, facts, body)
    few = len(rows) <= INLINE_VECTORS
    content = json_bytes(list(rows)) if few else await workers.run(json_bytes, list(rows))
    return Response(content, headers=_headers(model, facts, body.inputs, started), media_type=JSON)


@router.post(
    "/similarity",
    summary="How alike sentences are, as text-embeddings-inference answers it",
    description="""The cosine of the source sentence with each of the sentences, -1 to 1, in their order
(`huggingface_hub.InferenceClient(model=".../similarity").sentence_similarity`). Headers and errors as those of
`/embed`. A cosine says that two sentences are about the same thing, not that they agree.""",
    response_model=list[float],
    responses=_answers,
    openapi_extra={**CACHEABLE, **TEI_ERRORS, **json_request(SimilarityRequest, examples.SIMILARITY)},
)
async def similarity(
    repository: RepositoryDep, settings: SettingsDep, body: Annotated[SimilarityRequest, JsonBody(SimilarityRequest)]
) -> Response:
    started = time.monotonic()
    texts = [body.inputs.source_sentence, *body.inputs.sentences]
    _check_count(body.inputs.sentences, "inputs.sentences", settings, beside=1)
    with repository.use(MODEL_NAME) as model:
        facts, vectors = await _embedded(model, texts, body.parameters or Reading())
    cosines = np.clip(vectors[1:] @ vectors[0], -1, 1)
    return Response(json_bytes(cosines), headers=_headers(model, facts, texts, started), media_type=JSON)


@router.get(
    "/info",
    summary="The sentence model, as text-embeddings-inference describes it",
    response_model=Info,
    responses={status: _REFUSALS[status] for status in (503, 504)},
    openapi_extra=TEI_ERRORS,
)
async def info(repository: RepositoryDep, settings: SettingsDep, workers: WorkersDep) -> dict[str, Any]:
    with repository.use(MODEL_NAME) as model:
        card = model.embedder.card
        return {
            "model_id": card.get("model", model.name),
            "model_sha": card.get("weights_sha256"),
            "model_dtype": card.get("precision", "float32"),
            "model_type": {"embedding": {"pooling": card.get("pooling", "mean")}},
            "max_concurrent_requests": settings.max_queue,
            "max_input_length": model.max_tokens,
            "max_batch_tokens": model.embedder.tokens_per_run,
            "max_batch_requests": None,
            "max_client_batch_size": settings.max_inputs,
            "auto_truncate": True,
            "tokenization_workers": workers.threads,
            "version": VERSION,
            "sha": None,
            "docker_label": None,
            "model": {"name": model.name, "version": model.version},
        }


async def _embedded(model: TextEmbedding, texts: Sequence[str], asked: Reading) -> tuple[Facts, Vectors]:
    if asked.prompt_name is not None:
        detail = f"the model has no prompt {asked.prompt_name[:100]!r}; leave `prompt_name` out"
        raise Unprocessable(detail, errors=[FieldError("/prompt_name", detail)])

    def check(counts: Sequence[int], cut: Sequence[bool]) -> None:
        refuse_empty(counts)
        if not asked.may_cut and any(cut):
            index = list(cut).index(True)
            detail = f"input {index} has more than the {model.max_tokens} tokens that are read; let `truncate` be true"
            raise Unprocessable(detail, errors=[FieldError(f"/inputs/{index}", detail)])

    return await model.embed(texts, check, left=asked.left)


def _shaped(vectors: Vectors, facts: Facts, body: EmbedRequest) -> Vectors:
    if body.normalize:
        return shorten(vectors, body.dimensions or vectors.shape[1])
    return np.ascontiguousarray((vectors * facts.norms[:, None])[:, : body.dimensions])


def _check_count(texts: Sequence[str], name: str, settings: TextSettings, *, beside: int = 0) -> None:
    if not texts:
        raise Empty(f"`{name}` cannot be empty")
    if len(texts) + beside > settings.max_inputs:
        raise Unprocessable(f"batch size {len(texts) + beside} > maximum allowed batch size {settings.max_inputs}")


def _headers(model: TextEmbedding, facts: Facts, texts: Sequence[str], started: float) -> dict[str, str]:
    total_ms = int((time.monotonic() - started) * 1e3)
    context = current_context.get()
    timings = context.timings if context else {}
    headers = {
        "x-compute-type": "cpu+optimized" if model.provider == CPU else "gpu+optimized",
        "x-compute-time": str(total_ms),
        "x-compute-characters": str(sum(map(len, texts))),
        "x-compute-tokens": str(facts.token_count),
        "x-total-time": str(total_ms),
        "x-tokenization-time": str(int(facts.prepared_s * 1e3)),
        "x-queue-time": str(int(timings.get("queue", 0))),
        "x-inference-time": str(int(timings.get("compute", 0))),
        "x-model-version": model.version,
    }
    return headers | {"x-truncated": str(facts.truncated_count)} if facts.truncated_count else headers
