"""Maps what FastAPI and pydantic raise onto Vernier's own errors, once, for every process."""

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from shared.context import RequestContext
from shared.errors import INTERNAL, FieldError, Malformed, NotFound, Unprocessable, VernierError
from shared.metrics import METHODS
from shared.openapi import ERRORS
from shared.problems import StatusError, rendered

MEANINGLESS = frozenset(
    {
        "value_error", "assertion_error", "too_short", "too_long", "string_too_short", "string_too_long",
        "string_pattern_mismatch", "greater_than", "greater_than_equal", "less_than", "less_than_equal",
        "multiple_of", "literal_error", "enum",
    }
)  # fmt: skip
"""Pydantic's error types for values that read well; all others are malformed."""
SHOWN = 20


def install(app: FastAPI) -> None:
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(VernierError, _own)
    app.add_exception_handler(Exception, _fault)


def refusal(errors: list[Any], place: str | None = None) -> VernierError:
    """One Malformed or Unprocessable out of pydantic's errors; at most 20 fields are named."""
    fields = [_field(each, place) for each in errors[:SHOWN]]
    first = fields[0]
    where = f"{first.place} {first.pointer}" if first.pointer else f"the {first.place}"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    kind = Unprocessable if all(each["type"] in MEANINGLESS for each in errors) else Malformed
    return kind(f"{where}: {first.detail}{more}", errors=fields)


def validation_refusal(error: ValidationError) -> VernierError:
    return refusal(error.errors(include_url=False, include_input=False, include_context=False), "body")


def _field(error: Any, place: str | None) -> FieldError:
    location = list(error["loc"])
    if place is None:
        place = str(location.pop(0)) if location else "request"
    if error["type"] == "json_invalid":
        location = []
    pointer = "".join(f"/{part}" for part in location)
    return FieldError(pointer, str(error["msg"]), place)


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _respond(request, refusal(list(error.errors())))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return _respond(request, NotFound(f"there is nothing at {request.url.path}; GET /openapi.json lists what is"))
    headers = dict(error.headers or {})
    detail = str(error.detail)
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_methods(request)) or headers.get("Allow", "")
        detail = f"{request.method} is not offered at {request.url.path}; {headers.get('Allow', 'another method')} is"
    return _respond(request, StatusError(error.status_code, detail, headers))


def _methods(request: Request) -> list[str]:
    """Those that this path is offered by; the framework names those of one route alone."""
    routes = request.app.routes
    scopes = {method: {**request.scope, "method": method} for method in sorted(METHODS)}
    return [name for name, scope in scopes.items() if any(each.matches(scope)[0] is Match.FULL for each in routes)]


async def _own(request: Request, error: Exception) -> Response:
    assert isinstance(error, VernierError)
    return _respond(request, error)


async def _fault(request: Request, _error: Exception) -> Response:
    return _respond(request, VernierError(INTERNAL))


def _respond(request: Request, error: VernierError) -> Response:
    context: RequestContext = request.scope["vernier.context"]
    shape = (getattr(request.scope.get("route"), "openapi_extra", None) or {}).get(ERRORS, "")
    status, headers, body = rendered(error, instance=request.url.path, request_id=context.request_id, shape=shape)
    return Response(body, status, headers)
