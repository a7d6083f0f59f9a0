"""Answers as JSON, through orjson: exact shortest floats, NaN and infinity as null."""

from typing import Any

import orjson
from fastapi import Response

OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_SERIALIZE_DATACLASS


def json_bytes(content: Any) -> bytes:
    """Takes dataclasses and contiguous NumPy arrays beside the plain types."""
    return orjson.dumps(content, option=OPTIONS)


def json_response(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(json_bytes(content), status, headers, media_type="application/json")
