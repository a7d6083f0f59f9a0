"""Requests of the text service to its answers, on a worker's thread; refusals that only the content can tell."""

from typing import Any

from services.text.grouping import Grouping, Selection, spread
from services.text.model import MAX_TOKENS, MODEL_NAME
from services.text.schemas import ClusterRequest
from shared.errors import FieldError, Unprocessable


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
