"""Requests about sessions to their answers; run on a worker's thread."""

import hashlib
from collections.abc import Callable
from itertools import chain
from typing import Any

import orjson

from services.text import clustering, methods, projection
from services.text.sessions import accesslog, formats, itemvectors, neighbours
from services.text.sessions.schemas import ItemClusterRequest, SessionParameters, SimilarRequest
from shared.errors import FieldError, Malformed, TooLarge, Unprocessable
from shared.responses import json_bytes

MODEL = {"name": "item-vectors", "version": "1"}
SHOWN = 5
"""Representatives of a cluster."""

Check = Callable[[], None]


def read_log(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(f"the log is not UTF-8: byte {error.start} cannot be read") from None


def log_vectors(body: bytes, parameters: SessionParameters, most: int, check: Check) -> tuple[str, bytes, bytes]:
    found = accesslog.visits(read_log(body), check=check)
    log = {name: getattr(found, name) for name in ("lines", "strange", "assets", "robots", "unserved")}
    return session_vectors(found.sessions, parameters, most, check, log=log, warnings=found.warnings)


def session_vectors(
    sessions: list[list[str]],
    parameters: SessionParameters,
    most: int,
    check: Check,
    *,
    log: dict[str, int] | None = None,
    warnings: list[str] | None = None,
) -> tuple[str, bytes, bytes]:
    """The id, what is to be kept and what is answered."""
    clicks = sum(map(len, sessions))
    if clicks > most:
        raise TooLarge(f"the sessions have {clicks:,} items together, more than the {most:,} of one request")
    if not clicks:
        raise Unprocessable("no session has an item", errors=[FieldError("/sessions", "no session has an item")])
    asked = parameters.model_dump(include=set(SessionParameters.model_fields))
    space = itemvectors.train(sessions, **asked, check=check)
    facts: dict[str, Any] = {"sessions": len(sessions), "clicks": clicks, "log": log}
    facts["warnings"] = [*(warnings or ()), *space.warnings]
    id = _digest(sessions, asked)
    return id, formats.packed(space, facts), answer(id, space, facts)


def answer(id: str, space: itemvectors.ItemVectors, facts: dict[str, Any]) -> bytes:
    shape = {"items": len(space.items), "dimensions": space.vectors.shape[1]}
    return json_bytes({"model": MODEL, "id": id, **shape, **facts})


def look(id: str, content: bytes) -> bytes:
    return answer(id, *formats.unpacked(content))


def similar_answer(content: bytes, body: SimilarRequest) -> bytes:
    space, _ = formats.unpacked(content)
    found = neighbours.similar(space, body.positive, body.negative, body.top)
    count = dict(zip(space.items, space.counts, strict=True))
    near = [
        {"item": item, "cosine": cosine, "count": count[item]}
        for item, cosine in zip(found.items, found.cosines, strict=True)
    ]
    return json_bytes({"model": MODEL, "similar": near})


def cluster_answer(content: bytes, body: ItemClusterRequest, most: int, check: Check) -> bytes:
    space, _ = formats.unpacked(content)
    if len(space.items) > most:
        raise TooLarge(f"there are {len(space.items):,} items, and {most:,} are grouped at most: raise min_count")
    if body.k > len(space.items):
        detail = f"is {body.k}, and there are {len(space.items):,} items"
        raise Unprocessable(f"k {detail}", errors=[FieldError("/k", detail)])
    found = methods.cluster(space.vectors, clustering.Options(k=body.k, seed=body.seed), check)
    nearest = clustering.representatives(space.vectors, found, SHOWN)
    labels = found.labels.tolist()
    plane, warnings = None, [*found.warnings]
    if body.projection is not None:
        made = projection.project(space.vectors, body.projection, body.seed)
        plane = {"method": made.method, "x": made.points[:, 0].tolist(), "y": made.points[:, 1].tolist()}
        warnings += made.warnings
    clusters = [
        {"label": label, "size": labels.count(label), "representatives": [space.items[row] for row in rows]}
        for label, rows in enumerate(nearest)
    ]
    facts = {"k": found.k, "items": space.items, "labels": labels, "clusters": clusters, "projection": plane}
    return json_bytes({"model": MODEL, **facts, "silhouette": found.silhouette, "warnings": warnings})


def vectors_text(content: bytes) -> list[bytes]:
    return list(formats.word2vec_text(formats.unpacked(content)[0]))


def _digest(sessions: list[list[str]], asked: dict[str, Any]) -> str:
    state = hashlib.sha256(orjson.dumps([MODEL, asked], option=orjson.OPT_SORT_KEYS))
    for item in chain.from_iterable((*session, "") for session in sessions):
        state.update(b"%d:%b" % (len(item), item.encode()))
    return state.hexdigest()[:32]
