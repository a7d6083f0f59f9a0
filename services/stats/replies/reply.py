"""From a computation to a response in the client's choice of representation."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import islice
from typing import Annotated, Concatenate, ParamSpec, TypeVar

import orjson
from fastapi import Depends, Request, Response
from fastapi.responses import StreamingResponse

from services.stats.replies.answer import PICTURES, Answer
from services.stats.tables import CSV, JSON, TableBody
from shared.errors import NotAcceptable
from shared.negotiation import negotiate
from shared.responses import field_of, json_bytes
from shared.workers import Workers, WorkersDep

P = ParamSpec("P")
M = TypeVar("M", bound=TableBody)
FACTS = "Vernier-Answer"
"""Header of answers other than JSON: the single numbers, words and truths beside the columns, as JSON."""
AT_ONCE = 4
"""Pieces of a table; a longer one is sent while it is written."""


class Reply:
    """Computes on a worker's thread and writes the answer there too, as `Accept` asks."""

    def __init__(self, request: Request, workers: WorkersDep) -> None:
        self._accept = request.headers.get("accept")
        self._workers: Workers = workers

    async def __call__(
        self, compute: Callable[Concatenate[M, P], Answer], body: M, *args: P.args, **kwargs: P.kwargs
    ) -> Response:
        """The answer of `compute(body, ...)`, in one of `body.offers`. Raises NotAcceptable."""
        media_type = negotiate(self._accept, body.offers)

        def answer() -> tuple[dict[str, str], list[bytes], Iterator[bytes]]:
            found = compute(body, *args, **kwargs)
            pieces = write(found, media_type)
            return headers_of(found, media_type), list(islice(pieces, AT_ONCE)), pieces

        headers, begun, rest = await self._workers.run(answer)
        media_type += "; charset=utf-8" if media_type == CSV else ""
        if len(begun) < AT_ONCE:
            return Response(b"".join(begun), headers=headers, media_type=media_type)
        return StreamingResponse(self._pieces(begun, rest), headers=headers, media_type=media_type)

    async def _pieces(self, begun: list[bytes], rest: Iterator[bytes]) -> AsyncIterator[bytes]:
        while begun:
            yield b"".join(begun)
            begun = await self._workers.run(lambda: list(islice(rest, AT_ONCE)))


ReplyDep = Annotated[Reply, Depends(Reply)]


def write(answer: Answer, media_type: str) -> Iterator[bytes]:
    """Raises NotAcceptable where a picture is asked for and there is none."""
    if media_type == JSON:
        return iter([json_bytes(answer.content)])
    if media_type in PICTURES:
        if answer.draw is None:
            raise NotAcceptable("there is no picture of this answer; ask for another representation")
        from services.stats.pictures.rendering import render

        return iter([render(answer.draw(), media_type)])
    from services.stats.replies.table import write_table

    return write_table(answer, media_type)


def headers_of(answer: Answer, media_type: str) -> dict[str, str]:
    headers = {"Vary": "Accept", "Vernier-Model": answer.model}
    if media_type == JSON:
        return headers
    if answer.warnings:
        headers["Vernier-Warnings"] = field_of(answer.warnings)
    facts = {k: v for k, v in answer.facts.items() if v is None or isinstance(v, bool | int | float | str)}
    if facts:
        headers[FACTS] = json.dumps(orjson.loads(json_bytes(facts)))  # ASCII, and NaN is null
    return headers
