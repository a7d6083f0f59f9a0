"""JSON request bodies, read without holding up the event loop: large ones are parsed on a worker's thread."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import ClientGone, Malformed, UnsupportedMedia
from shared.handlers import validation_refusal
from shared.workers import WorkersDep

M = TypeVar("M", bound="Body")
INLINE_BYTES = 16 << 10
"""Up to this size parsing costs less than the way to a thread and back."""


class Body(BaseModel):
    """Base of request schemas: no unknown fields, no NaN and no infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


async def read_body(request: Request) -> bytes:
    """The whole body. Raises ClientGone when it is cut off midway, UnsupportedMedia when it is compressed."""
    refuse_coding(request)
    chunks = []
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone("the client hung up before its body was complete")
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


def json_body(model: type[M]) -> Callable[[Request, WorkersDep], Awaitable[M]]:
    """A dependency that reads the body as `model`; its OpenAPI comes from `shared.openapi.json_request(model)`.

    Raises UnsupportedMedia for another content type, Malformed and Unprocessable as pydantic's errors demand.
    """

    async def read(request: Request, workers: WorkersDep) -> M:
        require_type(request, "application/json")
        body = await read_body(request)
        if not body:
            raise Malformed(f"the body is empty; it must be a JSON object as {model.__name__} describes")
        if len(body) <= INLINE_BYTES:
            return parse(model, body)
        return await workers.run(parse, model, body)

    return read


def JsonBody(model: type[M]) -> M:  # noqa: N802
    """For `body: Annotated[M, JsonBody(M)]`."""
    dependency: M = Depends(json_body(model))
    return dependency


def parse(model: type[M], body: bytes) -> M:
    try:
        return model.model_validate_json(body, strict=True)  # JSON has types: "yes" is no true, "1" no number
    except ValidationError as error:
        raise validation_refusal(error) from None


def refuse_coding(request: Request) -> None:
    """A body is what it is on the wire: nothing small becomes large here. Raises UnsupportedMedia."""
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in {"", "identity"}:
        detail = f"a body in Content-Encoding {coding[:40]} is not read here; send it without one"
        raise UnsupportedMedia(detail, headers={"Accept-Encoding": "identity"})


def content_type(request: Request) -> str:
    """The media type of the body, lower case and without parameters; "" where none is said."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def require_type(request: Request, *types: str) -> str:
    """The body's media type; none at all counts as the first of `types`. Raises UnsupportedMedia for others."""
    given = content_type(request) or types[0]
    if given not in types:
        raise UnsupportedMedia(f"Content-Type {given} is not read here; send {' or '.join(types)}")
    return given
