"""Answers as JSON, through orjson: exact shortest floats, NaN and infinity as null."""

from collections.abc import Iterable
from typing import Any

import orjson
from fastapi import Response

MOST_SAID = 2000
"""Characters of `field_of`."""
OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_SERIALIZE_DATACLASS


def json_bytes(content: Any) -> bytes:
    """Takes dataclasses and contiguous NumPy arrays beside the plain types."""
    return orjson.dumps(content, option=OPTIONS)


def json_response(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(json_bytes(content), status, headers, media_type="application/json")


def field_of(sentences: Iterable[str]) -> str:
    """Sentences as the value of a header, for answers that have no place for them: printable ASCII, of bounded
    length."""
    said = "; ".join(sentences).encode("ascii", "replace").decode()
    return "".join(each if each.isprintable() else " " for each in said)[:MOST_SAID]
