"""How the stats service reads its requests, and how the OpenAPI document says so."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from fastapi import Request

from services.stats.tables import REPEATABLE, parse_table
from shared.bodies import INLINE_BYTES, Body, parse, read_body, require_type
from shared.errors import Malformed, TooLarge
from shared.negotiation import negotiate
from shared.openapi import CACHEABLE, json_request
from shared.workers import WorkersDep

JSON, CSV = "application/json", "text/csv"
SCALARS = frozenset(
    {"degree", "intercept", "method", "precision", "confidence", "alpha", "alternative", "exact"}
    | {"kind", "estimator", "missing"}
)
"""Fields of the requests that a query can carry."""
M = TypeVar("M", bound=Body)


def numbers(model: type[M]) -> Callable[[Request, WorkersDep], Awaitable[M]]:
    """A dependency that reads the body as `model`, once it is known to hold no more values than the settings allow."""

    async def read(request: Request, workers: WorkersDep) -> M:
        kind = require_type(request, JSON, CSV)
        negotiate(request.headers.get("accept"), [JSON])
        query = request.query_params.multi_items()
        if kind == JSON and query:
            raise Malformed(f"query {query[0][0]}: parameters stand in the JSON body; the query is for {CSV}")
        body = await read_body(request)
        if not body:
            raise Malformed(f"the body is empty; it must be a table or a JSON object as {model.__name__} describes")
        _check_values(body, request.app.state.settings.max_values)
        reader = partial(parse, model, body) if kind == JSON else partial(parse_table, model, body, query)
        return reader() if len(body) <= INLINE_BYTES else await workers.run(reader)

    return read


def _check_values(body: bytes, most: int) -> None:
    if len(body) > most and (count := body.count(b",") + body.count(b"\n") + 1) > most:
        raise TooLarge(f"the body has {count:,} values, more than the {most:,} that one request may have")


def documented(
    model: type[Body], shown: dict[str, Any], table: str, roles: dict[str, str], *, cacheable: bool = True
) -> dict[str, Any]:
    """The `openapi_extra` of an operation: its JSON body, its table as CSV, and the parameters that go with that."""
    extra = {**(CACHEABLE if cacheable else {}), **json_request(model, shown)}
    csv = {"schema": {"type": "string", "description": "UTF-8, named columns; an empty field or NA is missing"}}
    extra["requestBody"]["content"][CSV] = {**csv, "example": table}
    fields = model.model_json_schema()["properties"]
    scalars = {name: schema for name, schema in fields.items() if name in SCALARS}
    extra["parameters"] = [
        *(_parameter(name, _role_schema(name), says) for name, says in roles.items()),
        *(
            _parameter(name, schema, schema.get("description", "as in the JSON body"))
            for name, schema in scalars.items()
        ),
    ]
    return extra


def _parameter(name: str, schema: dict[str, Any], says: str) -> dict[str, Any]:
    """Without a `default`, which pages that try requests out would send along with a JSON body."""
    bare = {key: value for key, value in schema.items() if key not in ("default", "description", "title")}
    unless = f"; {schema['default']} without it" if "default" in schema else ""
    return {
        "name": name,
        "in": "query",
        "required": False,
        "schema": bare,
        "description": f"For {CSV} only: {says}{unless}",
    }


def _role_schema(name: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string"}} if name in REPEATABLE else {"type": "string"}
