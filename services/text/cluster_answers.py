"""Clustering requests to their answers, on a worker's thread; refusals that only the content can tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.text import themes
from services.text.cluster_schemas import ClusterRequest
from services.text.clustering import NOISE, Labels, Options
from services.text.grouping import Grouping, Selection, select, spread
from services.text.model import MODEL_NAME
from services.text.projection import Points, installed
from services.text.serving import TextEmbedding
from services.text.transcripts import BadTranscript, Timeline, timeline
from shared.errors import FieldError, Unprocessable
from shared.responses import json_bytes

OPTIONS_OF = {
    "linkage": "agglomerative",
    "distance_threshold": "agglomerative",
    "covariance": "gmm",
    "min_cluster_size": "hdbscan",
}
"""The one method that an option is for."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request with what is known of it before anything is embedded."""

    body: ClusterRequest
    options: Options
    selection: Selection
    timeline: Timeline | None


def prepare(body: ClusterRequest) -> Prepared:
    """Raises Unprocessable for options that contradict each other, and for texts that leave nothing to group."""
    _check_options(body)
    _check_columns(body)
    times = _timeline(body)
    selection = select(body.texts, body.min_words)
    _check_count(body, len(selection.indices))
    given = body.model_dump(include=set(Options.__dataclass_fields__))
    return Prepared(body, Options(**given), selection, times)


def cluster_answer(request: Prepared, found: Grouping, model: TextEmbedding, cut: int, id: str | None = None) -> bytes:
    body, selection, size = request.body, request.selection, len(request.body.texts)
    labels = np.full(size, NOISE, dtype=np.int64)
    labels[selection.indices] = found.clustering.labels
    seconds = request.timeline.seconds if request.timeline else None
    warnings = [*found.warnings, *(request.timeline.warnings if request.timeline else [])]
    if cut:
        warnings.append(f"texts longer than {model.max_tokens} tokens, grouped by their beginnings: {cut}")
    probability = found.clustering.probability
    return json_bytes(
        {
            "model": {"name": MODEL_NAME, "version": model.version},
            "id": id,
            "method": body.method,
            "k": found.clustering.k,
            "labels": labels.tolist(),
            "distance": spread(found.distance, selection.indices, size),
            "probability": None if probability is None else spread(probability, selection.indices, size),
            "outliers": [selection.indices[row] for row in found.outliers],
            "clusters": [_cluster(request, found, label) for label in range(found.clustering.k)],
            "projection": _points(found, selection, size),
            "silhouette": found.clustering.silhouette,
            "curve": found.clustering.curve if _is_chosen(body) else None,
            "dimensions": found.clustering.dimensions,
            "tree": _tree(found, selection),
            "speakers": body.speakers,
            "time_s": seconds,
            "over_time": _over_time(labels, seconds, found.clustering.k, body.bins),
            "by_speaker": _by_speaker(labels, body.speakers, found.clustering.k),
            "warnings": warnings,
        }
    )


def _is_chosen(body: ClusterRequest) -> bool:
    return body.k == "auto" and body.method != "hdbscan" and body.distance_threshold is None


def _check_options(body: ClusterRequest) -> None:
    for name, method in OPTIONS_OF.items():
        if name in body.model_fields_set and body.method != method and getattr(body, name) is not None:
            raise _refused(f"/{name}", f"{name} is for the method {method}, and the method is {body.method}")
    if body.k != "auto" and body.method == "hdbscan":
        raise _refused("/k", "hdbscan finds the number of its clusters itself; leave k out")
    if body.k != "auto" and body.distance_threshold is not None:
        raise _refused("/distance_threshold", "k and distance_threshold both say how many clusters; send one of them")
    if body.projection is not None and not installed(body.projection):
        detail = "umap is not installed here (the package umap-learn); ask for tsne or pca"
        raise _refused("/projection", detail)


def _check_columns(body: ClusterRequest) -> None:
    for name, column in (("speakers", body.speakers), ("times", body.times)):
        if column is not None and len(column) != len(body.texts):
            raise _refused(f"/{name}", f"there are {len(column)} {name} for {len(body.texts)} texts; send one each")


def check_kept(kept: int, count: int, min_words: int, pointer: str) -> None:
    """Raises Unprocessable where no text takes part."""
    if not kept:
        raise _refused(pointer, f"none of the {count} texts has {min_words} words")


def _check_count(body: ClusterRequest, kept: int) -> None:
    check_kept(kept, len(body.texts), body.min_words, "/min_words")
    if body.k != "auto" and body.k > kept:
        raise _refused("/k", f"k is {body.k}, but only {kept} of the {len(body.texts)} texts take part")


def _timeline(body: ClusterRequest) -> Timeline | None:
    if body.times is None:
        return None
    try:
        return timeline(body.times)
    except BadTranscript as error:
        raise _refused(error.pointer, error.detail) from None


def _refused(pointer: str, detail: str) -> Unprocessable:
    return Unprocessable(f"{pointer}: {detail}", errors=[FieldError(pointer, detail)])


def _cluster(request: Prepared, found: Grouping, label: int) -> dict[str, Any]:
    nearest = [request.selection.indices[row] for row in found.representatives[label]]
    return {
        "label": label,
        "size": int((found.clustering.labels == label).sum()),
        "terms": [term.word for term in found.terms[label]],
        "term_weights": [term.weight for term in found.terms[label]],
        "representatives": [_representative(request, index) for index in nearest],
    }


def _representative(request: Prepared, index: int) -> dict[str, Any]:
    answer: dict[str, Any] = {"index": index, "text": request.body.texts[index]}
    if request.body.speakers is not None:
        answer["speaker"] = request.body.speakers[index]
    if request.timeline is not None:
        answer["time_s"] = request.timeline.seconds[index]
    return answer


def _points(found: Grouping, selection: Selection, size: int) -> dict[str, Any] | None:
    plane = found.projection
    return None if plane is None else drawn(plane.method, plane.points, selection, size)


def drawn(method: str, points: Points, selection: Selection, size: int) -> dict[str, Any]:
    x, y = (spread(column, selection.indices, size) for column in points.T)
    return {"method": method, "x": x, "y": y}


def _tree(found: Grouping, selection: Selection) -> dict[str, Any] | None:
    tree = found.clustering.tree
    if tree is None:
        return None
    columns = {name: getattr(tree, name) for name in ("left", "right", "height", "size")}
    return {"leaves": selection.indices, **columns, "order": [selection.indices[row] for row in tree.order()]}


def _over_time(labels: Labels, seconds: Sequence[float | None] | None, k: int, bins: int) -> themes.OverTime | None:
    return None if seconds is None else themes.over_time(labels, seconds, k, bins)


def _by_speaker(labels: Labels, speakers: Sequence[str | None] | None, k: int) -> themes.BySpeaker | None:
    return None if speakers is None else themes.by_speaker(labels, speakers, k)
