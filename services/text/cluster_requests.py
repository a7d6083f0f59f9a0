"""How a clustering is asked for: as JSON, or a transcript as CSV with the parameters in the query."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import ValidationError

from services.text.cluster_schemas import ClusterRequest, TranscriptRequest
from services.text.transcripts import BadTranscript, read_transcript
from shared.bodies import INLINE_BYTES, parse, read_body, require_type
from shared.errors import FieldError, Malformed
from shared.handlers import refusal
from shared.openapi import json_request
from shared.workers import WorkersDep

JSON, CSV = "application/json", "text/csv"
COLUMNS = {
    "text": "the column of the texts; `text` without it",
    "speaker": "the column of the speakers; `speaker` without it, where there is one",
    "time": "the column of the times; `time` or `minute` without it, where there is one",
}
OWN = ("keep",)
"""Query parameters of the operation itself, whatever the body is."""
NONE = "none"
"""Of a parameter in the query: null."""

Query = Sequence[tuple[str, str]]


async def _read(request: Request, workers: WorkersDep) -> ClusterRequest:
    kind = require_type(request, JSON, CSV)
    query = [pair for pair in request.query_params.multi_items() if pair[0] not in OWN]
    if kind == JSON and query:
        raise Malformed(f"query {query[0][0][:40]}: parameters stand in the JSON body; the query is for {CSV}")
    body = await read_body(request)
    if not body:
        raise Malformed("the body is empty; it must be a transcript or a JSON object as ClusterRequest describes")
    reader = partial(parse, ClusterRequest, body) if kind == JSON else partial(parse_transcript, body, query)
    return reader() if len(body) <= INLINE_BYTES else await workers.run(reader)


ClusterBody = Annotated[ClusterRequest, Depends(_read)]


def parse_transcript(body: bytes, query: Query) -> ClusterRequest:
    """Raises Malformed and Unprocessable, naming the line or the parameter at fault."""
    names = [name for name, _ in query]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise _parameter(repeated, "is given more than once; give it once")
    columns = {name: value for name, value in query if name in COLUMNS}
    parameters = {name: _value(value) for name, value in query if name not in COLUMNS}
    if clash := parameters.keys() & {"texts", "speakers", "times"}:
        raise _parameter(clash.pop(), "stands in the transcript")
    try:
        read = read_transcript(body, **columns)
    except BadTranscript as error:
        if error.pointer.lstrip("/") in columns:
            raise _parameter(error.pointer[1:], error.detail) from None
        raise Malformed(error.detail, errors=[FieldError(error.pointer, error.detail)]) from None
    transcript = {"texts": read.texts, "speakers": read.speakers, "times": read.times}
    try:
        return TranscriptRequest.model_validate({**transcript, **parameters})
    except ValidationError as error:
        faults: list[Any] = error.errors(include_url=False, include_input=False, include_context=False)
        of_query = [each for each in faults if each["loc"] and each["loc"][0] in parameters]
        raise refusal(of_query or faults, "query" if of_query else "body") from None


def documented(examples: dict[str, Any], transcript: str) -> dict[str, Any]:
    """The `openapi_extra`: the JSON body, the transcript as CSV, and the parameters that go with that."""
    extra = json_request(ClusterRequest, examples)
    csv = {"schema": {"type": "string", "description": "UTF-8; the first line names the columns"}}
    extra["requestBody"]["content"][CSV] = {**csv, "example": transcript}
    fields = ClusterRequest.model_json_schema()["properties"]
    scalars = {name: schema for name, schema in fields.items() if name not in ("texts", "speakers", "times")}
    extra["parameters"] = [
        *(_documented(name, {"type": "string"}, says) for name, says in COLUMNS.items()),
        *(_documented(name, schema, schema["description"]) for name, schema in scalars.items()),
    ]
    return extra


def _documented(name: str, schema: dict[str, Any], says: str) -> dict[str, Any]:
    """Without a `default`, which pages that try requests out would send along with a JSON body."""
    bare = {key: value for key, value in schema.items() if key not in ("default", "description", "title")}
    unless = f"; {schema['default']} without it" if schema.get("default") is not None else ""
    description = f"For {CSV} only: {says}{unless}"
    return {"name": name, "in": "query", "required": False, "schema": bare, "description": description}


def _value(text: str) -> str | int | None:
    if text == NONE:
        return None
    return int(text) if text.isdecimal() and len(text) < 16 else text


def _parameter(name: str, detail: str) -> Malformed:
    return Malformed(f"query {name[:40]} {detail}", errors=[FieldError(f"/{name[:40]}", detail, "query")])
