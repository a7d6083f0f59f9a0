"""Requests of the text service to its answers, on a worker's thread; refusals that only the content can tell."""

from typing import Any

from services.text import information
from services.text.grouping import Grouping, Selection, spread
from services.text.model import MAX_TOKENS, MODEL_NAME
from services.text.schemas import ClusterRequest, InformationRequest
from services.text.words import counted_words
from shared.errors import FieldError, TooLarge, Unprocessable
from shared.responses import json_bytes

UNIGRAM = {"name": "unigram", "version": "1"}


def check_cluster(body: ClusterRequest, selection: Selection) -> None:
    kept = len(selection.indices)
    if not kept:
        detail = f"none of the {len(body.texts)} texts has {body.min_words} words"
        raise Unprocessable(detail, errors=[FieldError("/min_words", detail)])
    if body.k != "auto" and body.k > kept:
        detail = f"k is {body.k}, but only {kept} of the {len(body.texts)} texts take part"
        raise Unprocessable(detail, errors=[FieldError("/k", detail)])


def cluster_answer(
    body: ClusterRequest, selection: Selection, found: Grouping, version: str, truncated: int
) -> dict[str, Any]:
    size = len(body.texts)
    labels = [-1] * size
    for index, label in zip(selection.indices, found.clustering.labels.tolist(), strict=True):
        labels[index] = label
    warnings = found.warnings
    if truncated:
        warnings.append(f"texts longer than {MAX_TOKENS} tokens, grouped by their beginnings: {truncated}")
    return {
        "model": {"name": MODEL_NAME, "version": version},
        "k": found.clustering.k,
        "labels": labels,
        "clusters": [_cluster(body, selection, found, label) for label in range(found.clustering.k)],
        "projection": _points(found, selection, size),
        "silhouette": found.clustering.silhouette,
        "curve": found.clustering.curve if body.k == "auto" else None,
        "warnings": warnings,
    }


def _cluster(body: ClusterRequest, selection: Selection, found: Grouping, label: int) -> dict[str, Any]:
    nearest = [selection.indices[row] for row in found.representatives[label]]
    return {
        "label": label,
        "size": int((found.clustering.labels == label).sum()),
        "terms": found.terms[label],
        "representatives": [{"index": index, "text": body.texts[index]} for index in nearest],
    }


def _points(found: Grouping, selection: Selection, size: int) -> dict[str, Any] | None:
    if found.projection is None:
        return None
    x, y = (spread(column, selection.indices, size) for column in found.projection.points.T)
    return {"method": found.projection.method, "x": x, "y": y}


def information_answer(body: InformationRequest, max_words: int) -> bytes:
    documents = [counted_words(text) for text in body.texts]
    corpus = None if body.corpus is None else [counted_words(text) for text in body.corpus]
    count = sum(map(len, documents)) + sum(map(len, corpus or ()))
    if count > max_words:
        raise TooLarge(f"{count:,} words, more than the {max_words:,} that one request may have")
    try:
        scores, described = information.score(documents, corpus, smoothing=body.smoothing)
    except ValueError as error:
        pointer = "/texts" if corpus is None else "/corpus"
        raise Unprocessable(f"{pointer}: {error}", errors=[FieldError(pointer, str(error))]) from None
    warnings = []
    if corpus is None and len(documents) == 1:
        warnings.append("the one text is its own corpus: nothing is left to score it against; send a corpus")
    return json_bytes(
        {
            "model": UNIGRAM,
            "unit": "bits",
            "scores": [_score(score, body.per_token) for score in scores],
            "corpus": described,
            "warnings": warnings,
        }
    )


def _score(score: information.Score, per_token: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "bits": score.bits,
        "bits_per_token": score.bits_per_token,
        "tokens": score.tokens,
        "percentile": score.percentile,
    }
    if per_token:
        pairs = zip(score.words, score.token_bits, strict=True)
        answer["token_bits"] = [{"token": word, "bits": bits} for word, bits in pairs]
    return answer
