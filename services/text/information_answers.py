"""Requests about information to their answers, on a worker's thread; refusals that only the content can tell."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import groupby
from math import fsum
from typing import Any, NamedTuple

import orjson

from services.text.background import spoken
from services.text.estimator import Document
from services.text.information import Method, Reference, Score
from services.text.information_schemas import InformationRequest, RankingRequest, ScoringRequest
from services.text.settings import TextSettings
from services.text.words import TooManyWords, counted_documents
from shared.errors import FieldError, TooLarge, Unprocessable
from shared.responses import json_bytes

MODELS = {
    "unigram": {"name": "unigram", "version": "2"},
    "ngram": {"name": "kneser-ney-3", "version": "1"},
    "compression": {"name": "deflate", "version": zlib.ZLIB_RUNTIME_VERSION},
}
Check = Callable[[], None]


class Scored(NamedTuple):
    """`scores` in the order of the texts; `facts` is what every answer says beside them."""

    scores: list[Score]
    facts: dict[str, Any]


def check_scoring(body: ScoringRequest, settings: TextSettings) -> None:
    """What can be refused before anything is counted."""
    if body.corpus is not None and body.corpus_id is not None:
        detail = "there is a corpus beside it; send one of the two"
        raise Unprocessable(f"/corpus_id: {detail}", errors=[FieldError("/corpus_id", detail)])
    if body.estimator == "compression" and body.background is not None:
        detail = "is word frequencies, and compression needs texts; leave it out, or take unigram or ngram"
        raise Unprocessable(f"/background {detail}", errors=[FieldError("/background", detail)])
    if body.estimator == "compression" and isinstance(body, InformationRequest) and body.per_token:
        detail = "is not to be had by compression, which has no bits of a single word"
        raise Unprocessable(f"/per_token {detail}", errors=[FieldError("/per_token", detail)])
    compressed = body.estimator == "compression"
    most = settings.max_compressed_texts if compressed else settings.max_information_texts
    check_texts(len(body.texts) + len(body.corpus or ()), most)


def check_texts(count: int, most: int) -> None:
    if count > most:
        raise TooLarge(f"{count:,} texts, more than the {most:,} that one request may have")


def method_of(body: ScoringRequest) -> Method:
    background = None if body.background is None else spoken()
    return Method(body.estimator, body.smoothing, background, body.background_weight)


def documents_of(texts: Sequence[str], most: int, held: int = 0) -> list[list[str]]:
    """Of a request that may have `most` words and has `held` elsewhere."""
    try:
        return counted_documents(texts, most - held)
    except TooManyWords:
        raise TooLarge(f"more than the {most:,} words that one request may have, corpus included") from None


def referred(corpus: Sequence[Document], method: Method, pointer: str, check: Check, *, own: bool) -> Reference:
    try:
        return Reference(corpus, method, check, own=own)
    except ValueError as error:
        raise Unprocessable(f"{pointer} {error}", errors=[FieldError(pointer, str(error))]) from None


def score(body: ScoringRequest, settings: TextSettings, check: Check) -> Scored:
    """Against the texts of the request itself."""
    documents = documents_of(body.texts, settings.max_words)
    method = method_of(body)
    if body.corpus is None:
        reference = referred(documents, method, "/texts", check, own=True)
        return _scored(body, reference, reference.score_own(check))
    corpus = documents_of(body.corpus, settings.max_words, sum(map(len, documents)))
    return score_against(body, documents, referred(corpus, method, "/corpus", check, own=False), check)


def score_against(body: ScoringRequest, documents: list[list[str]], reference: Reference, check: Check) -> Scored:
    return _scored(body, reference, reference.score(documents, check))


def _scored(body: ScoringRequest, reference: Reference, scores: list[Score]) -> Scored:
    warnings = []
    if body.corpus is None and body.corpus_id is None and len(body.texts) == 1:
        warnings.append("the one text is its own corpus: nothing is left to score it against; send a corpus")
    if reference.cut:
        warnings.append("the corpus is longer than 32 KB, and compression looks back no further: its end was used")
    background = reference.method.background
    facts = {
        "model": MODELS[body.estimator],
        "unit": "bits",
        "corpus": asdict(reference.described),
        "background": background
        and {"name": background.name, "version": background.version, "weight": reference.method.weight},
        "warnings": warnings,
    }
    return Scored(scores, facts)


def information_answer(body: InformationRequest, scored: Scored) -> bytes:
    """Encoded text by text: the bits of two million words take a gigabyte as objects, 90 MB as JSON."""

    def encoded(score: Score) -> orjson.Fragment:
        figures = _figures(score)
        if body.per_token:
            pairs = zip(score.pieces, score.piece_bits, strict=True)
            figures["token_bits"] = [{"token": piece, "bits": bits} for piece, bits in pairs]
        return orjson.Fragment(json_bytes(figures))

    return json_bytes({**scored.facts, "scores": list(map(encoded, scored.scores))})


class Course(NamedTuple):
    """Mean bits of the texts of each time, and how many these are."""

    time_s: list[float] | None
    bits: list[float]
    texts: list[int]


def course(body: RankingRequest, scores: Sequence[Score]) -> Course:
    worded = [index for index, score in enumerate(scores) if score.tokens]
    if body.time_s is None:
        return Course(None, [scores[index].bits for index in worded], [1] * len(worded))
    time_s = body.time_s
    found = Course([], [], [])
    for time, group in groupby(sorted(worded, key=time_s.__getitem__), key=time_s.__getitem__):
        bits = [scores[index].bits for index in group]
        found.time_s.append(time)  # type: ignore[union-attr]
        found.bits.append(fsum(bits) / len(bits))
        found.texts.append(len(bits))
    return found


def ranking_answer(
    body: RankingRequest, scored: Scored, over_time: Course, trend: dict[str, Any] | None, warning: str | None
) -> bytes:
    scores, facts = scored
    worded = [index for index, score in enumerate(scores) if score.tokens]
    order = sorted(worded, key=lambda index: scores[index].bits)

    def ranked(index: int) -> dict[str, Any]:
        time_s = None if body.time_s is None else body.time_s[index]
        return {"index": index, "text": body.texts[index], "time_s": time_s, **_figures(scores[index])}

    return json_bytes(
        {
            **facts,
            "most": [ranked(index) for index in order[: -body.top - 1 : -1]],
            "least": [ranked(index) for index in order[: body.top]],
            "over_time": over_time._asdict(),
            "trend": trend,
            "warnings": facts["warnings"] + ([] if warning is None else [warning]),
        }
    )


def _figures(score: Score) -> dict[str, Any]:
    figures = {
        "bits": score.bits,
        "bits_per_token": score.bits_per_token,
        "tokens": score.tokens,
        "percentile": score.percentile,
        "kl_bits": score.kl_bits,
    }
    return figures if score.ncd is None else {**figures, "ncd": score.ncd}
