"""What the OpenAPI documents of all processes have in common."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts
from pydantic import BaseModel, Field
from starlette.routing import WebSocketRoute

from shared.problems import MEDIA_TYPE

WEBSOCKETS = "x-vernier-websockets"
"""Of a whole document: the paths at which WebSockets are offered, which OpenAPI has no words for."""
ERRORS = "x-vernier-errors"
OPENAI_ERRORS: dict[str, Any] = {ERRORS: "openai"}
"""`openapi_extra` of an operation whose errors have another shape, one of `shared.problems.SHAPES`."""
TEI_ERRORS: dict[str, Any] = {ERRORS: "tei"}
"""As `OPENAI_ERRORS`, for text-embeddings-inference's."""
CACHEABLE: dict[str, Any] = {"x-vernier-cacheable": True}
"""`openapi_extra` of an operation whose answer is a pure function of its request: the gateway may keep it."""


EFFECT: dict[str, Any] = {"x-vernier-effect": True}
"""Of the schema of a query parameter that makes the service do something beside its answer: with it the request always
reaches the service. Asking twice does no more than asking once."""


def job(kind: str) -> dict[str, Any]:
    """`openapi_extra` of an operation that the gateway also takes as a job, of this kind (`Prefer: respond-async`)."""
    return {"x-vernier-job": kind}


class ProblemField(BaseModel):
    pointer: str = Field(description="JSON pointer to the field at fault")
    detail: str
    place: str | None = Field(None, alias="in", description="The part of the request, where it is not the body")


class Problem(BaseModel):
    """An RFC 9457 problem."""

    type: str
    title: str
    status: int
    detail: str = Field(description="What is wrong, where, and what would be right")
    instance: str
    request_id: str
    error: str = Field(description="As `detail`, for inference-protocol clients")
    errors: list[ProblemField] | None = None


class Model(BaseModel):
    """What computed the answer; the version changes when the weights or the method do."""

    name: str
    version: str


DESCRIPTIONS = {
    400: "The body or a parameter cannot be read",
    403: "Switched off here",
    404: "There is no such thing",
    406: "No representation that `Accept` allows",
    409: "It contradicts the present state",
    413: "Larger than a limit",
    415: "Content of a type that is not read here",
    422: "Readable, but without meaning",
    500: "A fault of the service",
    502: "The service is unreachable",
    503: "Overloaded, starting or draining; `Retry-After` says when to come back",
    504: "The deadline passed",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses` of an operation: the given refusals, and those that any operation may answer with."""
    schema = {"$ref": "#/components/schemas/Problem"}
    content = {MEDIA_TYPE: {"schema": schema}}
    return {
        status: {"description": DESCRIPTIONS[status], "content": content}
        for status in sorted({*statuses, 400, 413, 503, 504})
    }


def json_request(model: type[BaseModel], examples: dict[str, Any] | None = None) -> dict[str, Any]:
    """`openapi_extra` of an operation that reads its JSON body by `shared.bodies.json_body(model)`.

    `examples` maps a summary to an example's value.
    """
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    components = {**schema.pop("$defs", {}), model.__name__: schema}
    media: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}
    if examples:
        media["examples"] = {name: {"summary": name, "value": value} for name, value in examples.items()}
    body = {"required": True, "content": {"application/json": media}}
    return {"requestBody": body, "x-components": components}


def finish(app: FastAPI) -> dict[str, Any]:
    """The application's document: own components gathered, FastAPI's validation schema replaced by ours."""
    document = FastAPI.openapi(app)
    schemas: dict[str, Any] = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schemas["Problem"].pop("$defs", {}))
    for path in document.get("paths", {}).values():
        for operation in path.values():
            schemas.update(operation.pop("x-components", {}))
            _replace_validation_error(operation)
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    if websockets := [each.path for each in iter_route_contexts(app.routes) if _is_websocket(each)]:
        document[WEBSOCKETS] = websockets
    return document


def error_shapes(app: FastAPI) -> dict[str, str]:
    """By path: the shapes of errors that are no problems."""
    extras = (
        (each.path, getattr(each.original_route, "openapi_extra", None)) for each in iter_route_contexts(app.routes)
    )
    return {path: extra[ERRORS] for path, extra in extras if path and extra and ERRORS in extra}


def _is_websocket(context: RouteContext) -> bool:
    return isinstance(context.original_route, WebSocketRoute)


def _replace_validation_error(operation: dict[str, Any]) -> None:
    """FastAPI adds its own 422 where an operation declares none."""
    answer = operation.get("responses", {}).get("422", {})
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    if schema.get("$ref", "").endswith("/HTTPValidationError"):
        operation["responses"]["422"] = problems(422)[422]
