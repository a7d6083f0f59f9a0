"""Errors as bodies: RFC 9457 problems, or the shape that an operation's own clients read."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

import orjson

from shared.asgi import Send
from shared.errors import (
    Empty,
    FieldError,
    Malformed,
    NotFound,
    Overloaded,
    Unavailable,
    Unprocessable,
    UpstreamFailed,
    VernierError,
)

MEDIA_TYPE = "application/problem+json"
TYPES = "urn:problem-type:vernier:"
"""Before the title of a fault of ours: these names stay as they are."""


class Rendered(NamedTuple):
    """An error as an answer."""

    status: int
    headers: dict[str, str]
    body: bytes


def rendered(error: VernierError, *, instance: str, request_id: str, shape: str = "") -> Rendered:
    """`shape` is one of `SHAPES`, or "" for a problem. 429 and 503 always say when to come back."""
    status, media_type = error.status, "application/json"
    if shape in SHAPES:
        status, content = SHAPES[shape](error)
        body = orjson.dumps(content)
    else:
        media_type, body = MEDIA_TYPE, problem(error, instance=instance, request_id=request_id)
    headers = {**error.headers, "Content-Type": media_type, "Content-Length": str(len(body))}
    if status in {429, 503}:
        headers.setdefault("Retry-After", "1")
    return Rendered(status, headers, body)


def problem(error: VernierError, *, instance: str, request_id: str) -> bytes:
    """The body; `error` repeats `detail` so that inference-protocol clients read it."""
    body: dict[str, Any] = {
        "type": problem_type(error),
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": instance,
        "request_id": request_id,
        "error": error.detail,
    }
    if error.errors:
        body["errors"] = [_field(each) for each in error.errors]
    return orjson.dumps(body)


def problem_type(error: VernierError) -> str:
    """A URI that tells faults of ours apart; refusals are told apart by their status."""
    if error.type != VernierError.type or error.status < 500:
        return error.type
    return TYPES + error.title.lower().replace(" ", "-")


def _field(error: FieldError) -> dict[str, str]:
    entry = {"pointer": error.pointer, "detail": error.detail}
    return entry if error.place == "body" else {**entry, "in": error.place}


def openai(error: VernierError) -> tuple[int, dict[str, Any]]:
    """OpenAI's: https://platform.openai.com/docs/guides/error-codes. What it calls invalid is 400, whether malformed
    or without meaning."""
    status = 400 if isinstance(error, Unprocessable) else error.status
    field = error.errors[0].pointer.strip("/").split("/")[0] if error.errors else ""
    content = {
        "message": error.detail,
        "type": "invalid_request_error" if status < 500 else "server_error",
        "param": field or None,
        "code": "model_not_found" if isinstance(error, NotFound) else None,
    }
    return status, {"error": content}


def tei(error: VernierError) -> tuple[int, dict[str, Any]]:
    """That of text-embeddings-inference: what went wrong, one of its kinds of errors, and its status for it. A field
    with a wrong value is 422 whether it could not be read or means nothing, an empty list is 400, an overload 429."""
    status = error.status
    if isinstance(error, Empty):
        status, kind = 400, "Empty"
    elif isinstance(error, Overloaded):
        status, kind = 429, "Overloaded"
    elif isinstance(error, Unavailable | UpstreamFailed):
        kind = "Unhealthy"
    else:
        kind = "Validation" if status < 500 else "Backend"
    if isinstance(error, Malformed) and any(each.pointer for each in error.errors):
        status = 422
    return status, {"error": error.detail, "error_type": kind}


SHAPES: Mapping[str, Callable[[VernierError], tuple[int, dict[str, Any]]]] = {"openai": openai, "tei": tei}
"""By what `x-vernier-errors` of an operation says."""


async def send_problem(send: Send, error: VernierError, *, instance: str, request_id: str, shape: str = "") -> None:
    status, headers, body = rendered(error, instance=instance, request_id=request_id, shape=shape)
    fields = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


class StatusError(VernierError):
    """A status that a framework raised, kept as it is."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None):
        super().__init__(detail, headers=headers)
        self.status = status  # type: ignore[misc]
        self.title = HTTPStatus(status).phrase  # type: ignore[misc]
