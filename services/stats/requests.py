"""How the stats service reads its requests, and how the OpenAPI document says so."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, TypeVar

import orjson
from fastapi import Request
from pydantic import ValidationError

from services.stats.replies import SVG
from services.stats.tables import ARROW, CSV, JSON, NDJSON, PARQUET, TABLES, TableBody, parse_table
from services.stats.tables.layout import parameters_of
from shared.bodies import INLINE_BYTES, parse, read_body, require_type
from shared.errors import Malformed, TooLarge
from shared.inference.bodies import Share
from shared.negotiation import negotiate
from shared.openapi import CACHEABLE, json_request
from shared.workers import Workers, WorkersDep

_OBJECTS = (JSON, NDJSON)
"""Types each number of which is an object while it is read."""
_BINARY = (ARROW, PARQUET)
M = TypeVar("M", bound=TableBody)


def numbers(model: type[M]) -> Callable[[Request, WorkersDep], AsyncIterator[M]]:
    """A dependency that reads the body as `model`, once it is known to hold no more values than the settings allow. It
    counts against `body_memory_bytes` until it is answered."""

    async def read(request: Request, workers: WorkersDep) -> AsyncIterator[M]:
        kind = require_type(request, JSON, *TABLES)
        negotiate(request.headers.get("accept"), model.offers)
        query = request.query_params.multi_items()
        if kind == JSON and query:
            raise Malformed(f"query {query[0][0]}: parameters stand in the JSON body; the query is for tables")
        with Share(request.app.state.room) as share:
            yield await _read(request, workers, model, kind, query, share)

    return read


async def _read(
    request: Request, workers: Workers, model: type[M], kind: str, query: list[tuple[str, str]], share: Share
) -> M:
    announced = request.headers.get("content-length", "")
    if announced.isdigit():
        share.up_to(int(announced))
    body = await read_body(request)
    share.up_to(len(body))
    if not body:
        raise Malformed(f"the body is empty; it must be a table or a JSON object as {model.__name__} describes")
    settings = request.app.state.settings
    most = settings.max_values if kind in _OBJECTS else settings.max_table_values
    if kind not in _BINARY:
        check_values(body, most)
    reader = partial(_parse_json, model, body) if kind == JSON else partial(parse_table, model, kind, body, query, most)
    return reader() if len(body) <= INLINE_BYTES and kind in _OBJECTS else await workers.run(reader)


def _parse_json(model: type[M], body: bytes) -> M:
    """As `parse`, which is asked only where something is wrong, in half the time."""
    try:
        return model.model_validate(orjson.loads(body), strict=True)
    except (orjson.JSONDecodeError, ValidationError):
        return parse(model, body)


def check_values(body: bytes, most: int) -> None:
    """Raises TooLarge for a text of more than `most` values, told by its commas and lines before it is parsed."""
    if len(body) > most and (count := body.count(b",") + body.count(b"\n") + 1) > most:
        raise TooLarge(f"the body has {count:,} values, more than the {most:,} that one request may have")


def documented(model: type[TableBody], shown: dict[str, Any], table: str, *, cacheable: bool = True) -> dict[str, Any]:
    """The `openapi_extra` of an operation: its JSON body, the table that may stand for it, with a CSV as the example,
    the parameters that go with that, and what its answer may come as."""
    extra = {**(CACHEABLE if cacheable else {}), **json_request(model, shown)}
    extra["requestBody"]["content"] |= {
        CSV: {"schema": {"type": "string", "description": _SAYS[CSV]}, "example": table},
        **{kind: {"schema": {**_RAW, "description": _SAYS[kind]}} for kind in TABLES if kind != CSV},
    }
    layout = model.layout
    extra["parameters"] = [
        *(_parameter(name, _choice_schema(name == layout.rest), says) for name, says in layout.choices.items()),
        *(
            _parameter(name, schema, schema.get("description", "as in the JSON body"))
            for name, schema in parameters_of(model).items()
        ),
    ]
    others = {kind: {"schema": _TEXT if kind in (CSV, NDJSON, SVG) else _RAW} for kind in model.offers if kind != JSON}
    extra["responses"] = {"200": {"content": others, "headers": _HEADERS}} if others else {}
    return extra


_TEXT = {"type": "string"}
_HEADERS = {
    name: {"description": f"{says}, where the answer is not JSON", "schema": _TEXT}
    for name, says in {
        "Vernier-Answer": "The single numbers, words and truths beside the columns, as JSON",
        "Vernier-Warnings": "`warnings` of the whole answer",
        "Vernier-Model": "`name/version`",
    }.items()
}
_RAW = {"type": "string", "format": "binary"}
_SAYS = {
    CSV: "UTF-8; the first line names the columns; an empty field or NA is missing",
    NDJSON: "One object a line, a number or null by each column's name",
    ARROW: "An IPC stream. Numbers of any type, decimals and booleans; dates and times become seconds (since 1970 UTC);"
    " null and NaN are missing",
    PARQUET: "As an Arrow stream",
}


def _parameter(name: str, schema: dict[str, Any], says: str) -> dict[str, Any]:
    """Without a `default`, which pages that try requests out would send along with a JSON body."""
    bare = {key: value for key, value in schema.items() if key not in ("default", "description", "title")}
    unless = f"; {schema['default']} without it" if schema.get("default") is not None else ""
    return {
        "name": name,
        "in": "query",
        "required": False,
        "schema": bare,
        "description": f"For tables only: {says}{unless}",
    }


def _choice_schema(repeatable: bool) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string"}} if repeatable else {"type": "string"}
