"""Clusterings that are kept: under which id, what is kept of them, and what new texts are answered."""

import hashlib
from typing import Annotated, Any, cast

from fastapi import Depends, Query, Request

from services.text.assignment import Assigned, assign, reference_of
from services.text.cluster_answers import Prepared, drawn
from services.text.cluster_schemas import AssignRequest, ClusterRequest
from services.text.embedder import Vectors
from services.text.grouping import Grouping, Selection, spread
from services.text.keeping import Shelf
from services.text.model import MODEL_NAME
from services.text.packing import Kept, packed, unpacked
from services.text.serving import TextEmbedding
from services.text.settings import TextSettings
from shared.context import current_context
from shared.errors import Conflict, NotFound, TooLarge
from shared.openapi import EFFECT
from shared.responses import json_bytes
from shared.workers import Workers

ASSIGNED = 500
"""So many texts to assign count in the queue as one computation more."""

Keep = Annotated[
    bool,
    Query(
        description="Keep the clustering, so that new texts can be assigned to its clusters, under the `id` answered",
        json_schema_extra=EFFECT,
    ),
]


async def _clusterings(request: Request) -> Shelf:
    return cast(Shelf, request.app.state.clusterings)


ClusteringsDep = Annotated[Shelf, Depends(_clusterings)]


def check_count(texts: int, settings: TextSettings) -> None:
    if texts > settings.max_cluster_texts:
        raise TooLarge(f"{texts:,} texts, more than the {settings.max_cluster_texts:,} that one request may have")


def id_of(body: ClusterRequest, version: str) -> str:
    """That of the same request to the same model, so that asking twice keeps one clustering."""
    return hashlib.sha256(f"{version}\n{body.model_dump_json()}".encode()).hexdigest()[:32]


async def kept_answer(shelf: Shelf, id: str, workers: Workers) -> bytes | None:
    """None where there is none of this id that this release can read."""
    try:
        kept = await workers.run(unpacked, await shelf.get(id))
    except NotFound:
        return None
    return kept.answer if kept else None


def pack(request: Prepared, found: Grouping, vectors: Vectors, version: str, answer: bytes) -> bytes:
    reference = reference_of(request.body.method, request.body.seed, vectors, found)
    return packed(Kept(version, request.body.min_words, answer, reference))


def opened(content: bytes) -> Kept:
    """Raises Conflict for one of another release."""
    kept = unpacked(content)
    if kept is None:
        raise Conflict("another release made this clustering; send its texts again")
    return kept


def check_version(kept: Kept, model: TextEmbedding) -> None:
    if kept.version != model.version:
        detail = f"this clustering is of the sentence model's version {kept.version}, and {model.version} runs here"
        raise Conflict(f"{detail}: their vectors do not compare; send its texts again")


def assigned(kept: Kept, vectors: Vectors, draw: bool) -> Assigned:
    context = current_context.get()
    return assign(kept.reference, vectors, draw=draw, check=context.check if context else lambda: None)


def cost_of(kept: Kept, texts: int, draw: bool) -> float:
    """In the process's small computations; the texts that were grouped count where new ones are drawn to them."""
    known = kept.reference.vectors
    return 1 + (texts + (len(known) if draw and known is not None else 0)) / ASSIGNED


def assign_answer(
    id: str, body: AssignRequest, kept: Kept, selection: Selection, found: Assigned, model: TextEmbedding, cut: int
) -> bytes:
    size, plane = len(body.texts), kept.reference.plane
    labels = [-1] * size
    for index, label in zip(selection.indices, found.labels.tolist(), strict=True):
        labels[index] = label
    warnings = []
    if body.draw and plane is not None and found.points is None:
        warnings.append(f"{plane.method} places no new texts; ask the clustering for tsne or pca")
    if cut:
        warnings.append(f"texts longer than {model.max_tokens} tokens, assigned by their beginnings: {cut}")
    answer: dict[str, Any] = {
        "model": {"name": MODEL_NAME, "version": model.version},
        "id": id,
        "labels": labels,
        "distance": spread(found.distance, selection.indices, size),
        "probability": None,
        "outliers": [selection.indices[row] for row in found.outliers],
        "projection": None,
        "warnings": warnings,
    }
    if found.probability is not None:
        answer["probability"] = spread(found.probability, selection.indices, size)
    if found.points is not None and plane is not None:
        answer["projection"] = drawn(plane.method, found.points, selection, size)
    return json_bytes(answer)
