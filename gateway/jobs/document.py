"""What the gateway adds to the services' operations that may be jobs, in the merged OpenAPI document."""

from typing import Any

from gateway.operations import JOB

_PREFER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "`respond-async` makes the request a job (RFC 7240): it is answered 202 as soon as it is safely "
    "stored, and goes on without a connection",
    "schema": {"type": "string"},
    "examples": {"now": {"value": ""}, "as a job": {"value": "respond-async"}},
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "With `Prefer: respond-async`: the same key and request again answer the same job; with another "
    "request, 422. The service is sent it too: where a request adds to something, it does so once for each key",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
_ACCEPTED = {
    "description": "With `Prefer: respond-async`: the request is a job from now on",
    "headers": {
        "Location": {"description": "The job, `/v1/jobs/{job_id}`", "schema": {"type": "string"}},
        "Preference-Applied": {"schema": {"type": "string", "const": "respond-async"}},
    },
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Job"}}},
}


def describe_jobs(document: dict[str, Any]) -> dict[str, Any]:
    """The same document, its operations that may be jobs completed."""
    for item in document["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict) and operation.get(JOB):
                operation["parameters"] = [*operation.get("parameters", ()), _PREFER, _KEY]
                operation["responses"] = {**operation["responses"], "202": _ACCEPTED}
    return document
