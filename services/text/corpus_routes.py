"""Corpora over HTTP."""

from dataclasses import asdict
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Request, Response

from services.text import examples
from services.text.corpora import Corpora, Kept
from services.text.corpus_schemas import CorpusAdded, CorpusAnswer, CorpusMade, CorpusRequest, CorpusTexts
from services.text.information_answers import check_texts, documents_of
from services.text.keeping import Id
from services.text.routes import SettingsDep
from services.text.settings import TextSettings
from shared.bodies import JsonBody
from shared.idempotency import IdempotencyKey
from shared.openapi import json_request, problems
from shared.responses import json_response
from shared.workers import Workers, WorkersDep

FRESH = {"Cache-Control": "no-store"}
"""What is kept changes: nobody may answer for it."""

router = APIRouter(prefix="/v1/text/corpora", tags=["text"])


async def _corpora(request: Request) -> Corpora:
    return cast(Corpora, request.app.state.corpora)


CorporaDep = Annotated[Corpora, Depends(_corpora)]
_made: dict[int | str, dict[str, Any]] = {201: {"description": "Made", "model": CorpusMade}}


@router.post(
    "",
    summary="Keep a corpus under its digest",
    description="""Texts to score others against, sent once: `corpus_id` of /v1/text/information takes the `id`. It is
the texts' digest, so that the same texts, in any order, have the same one, and it stays as it is. Kept are the counted
words, not the texts as they were written. Known already, it is answered 200.""",
    response_model=CorpusMade,
    responses={**_made, **problems(409, 415, 422)},
    openapi_extra=json_request(CorpusRequest, examples.CORPUS),
)
async def keep_corpus(
    corpora: CorporaDep,
    settings: SettingsDep,
    workers: WorkersDep,
    body: Annotated[CorpusRequest, JsonBody(CorpusRequest)],
) -> Response:
    return _kept(await corpora.make(None, await _documents(body, settings, workers), body.keep_s))


@router.put(
    "/{id}",
    summary="Make a corpus with a name",
    description="""One that texts can be added to, by anyone and at once. The same texts again change nothing and are
answered 200, whatever has been added since; other texts are refused. It is kept until it is deleted, unless `keep_s`
says otherwise.""",
    response_model=CorpusMade,
    responses={**_made, **problems(409, 415, 422)},
    openapi_extra=json_request(CorpusRequest, examples.CORPUS),
)
async def make_corpus(
    id: Id,
    corpora: CorporaDep,
    settings: SettingsDep,
    workers: WorkersDep,
    body: Annotated[CorpusRequest, JsonBody(CorpusRequest)],
) -> Response:
    return _kept(await corpora.make(id, await _documents(body, settings, workers), body.keep_s))


@router.post(
    "/{id}/texts",
    summary="Add texts to a corpus",
    description="""All of them, or none; once it is answered 200 they are stored. Whatever is added at once, by how many
clients ever, all is counted, and the corpus is the same in whatever order it came.

With an `Idempotency-Key` texts may be sent as often as it takes: they count once, and `repeated` says when they were
counted before. The same key with other texts is refused.""",
    response_model=CorpusAdded,
    responses=problems(404, 409, 415, 422),
    openapi_extra=json_request(CorpusTexts, examples.CORPUS_TEXTS),
)
async def add_texts(
    id: Id,
    corpora: CorporaDep,
    settings: SettingsDep,
    workers: WorkersDep,
    body: Annotated[CorpusTexts, JsonBody(CorpusTexts)],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    added = await corpora.add(id, await _documents(body, settings, workers), idempotency_key)
    return json_response({"id": id, **added._asdict()}, headers=FRESH)


@router.get("/{id}", summary="What a corpus is", response_model=CorpusAnswer, responses=problems(404, 422))
async def look(id: Id, corpora: CorporaDep) -> Response:
    found = await corpora.look(id)
    content = {"id": found.id, "named": found.named, "digest": found.digest, **asdict(found.figures)}
    return json_response(content, headers=FRESH)


@router.delete(
    "/{id}",
    summary="Forget a corpus",
    status_code=204,
    response_class=Response,
    responses=problems(404, 422),
)
async def forget(id: Id, corpora: CorporaDep) -> Response:
    await corpora.remove(id)
    return Response(status_code=204)


async def _documents(body: CorpusTexts, settings: TextSettings, workers: Workers) -> list[list[str]]:
    check_texts(len(body.texts), settings.max_information_texts)
    return await workers.run(documents_of, body.texts, settings.max_words)


def _kept(kept: Kept) -> Response:
    headers = {**FRESH, "Location": f"/v1/text/corpora/{kept.id}"}
    content = {"id": kept.id, "digest": kept.digest, "texts": kept.texts, "tokens": kept.tokens}
    return json_response(content, 201 if kept.made else 200, headers)
