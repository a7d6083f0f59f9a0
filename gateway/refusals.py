"""What any operation may be refused with, written into the document of all of them."""

from collections.abc import Iterator
from typing import Any

from shared.openapi import DESCRIPTIONS, ERRORS
from shared.problems import MEDIA_TYPE

GATEWAYS = (400, 413, 502, 503, 504)
"""Statuses that the gateway answers with, whatever the operation."""
METHODS = frozenset({"get", "put", "post", "delete", "patch", "options", "head"})
_SECONDS = {"type": "integer", "minimum": 1}
RETRY_AFTER = {"description": "Whole seconds, at least 1", "required": True, "schema": _SECONDS}


def add_refusals(document: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """`document` is changed; the operations of `own`, which no service answers, keep what they say. An operation whose
    errors have a shape of their own has it for these too."""
    for path, operation in _operations(document):
        if path in own.get("paths", {}):
            continue
        responses = operation.setdefault("responses", {})
        content = _content(operation, responses)
        for status in GATEWAYS:
            responses.setdefault(str(status), {"description": DESCRIPTIONS[status], "content": content})
        responses["503"] = {"headers": {"Retry-After": RETRY_AFTER}, **responses["503"]}
        operation["responses"] = dict(sorted(responses.items()))
    return document


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document.get("paths", {}).items():
        for method, operation in item.items():
            if method in METHODS:
                yield path, operation


def _content(operation: dict[str, Any], responses: dict[str, Any]) -> dict[str, Any]:
    """Of an error of this operation: where it has a shape of its own, as its service describes that."""
    if ERRORS in operation:
        for status in ("503", "500", "400"):
            if "content" in responses.get(status, {}):
                return dict(responses[status]["content"])
    return {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
