"""Matrices of numbers out of parsed JSON: arrays of equally long rows."""

from typing import Annotated, Any

import numpy as np
from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from services.stats.columns import LARGEST, columns
from services.stats.leastsquares import FloatArray


def matrix(value: Any) -> FloatArray:
    """Rows of finite numbers, at least one of at least one."""
    if not isinstance(value, list) or not all(isinstance(row, list) for row in value):
        raise PydanticCustomError("list_type", "must be an array of arrays of numbers, one a row")
    if not value:
        raise PydanticCustomError("too_short", "is empty; give at least one row")
    rows = columns(value)
    for place, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise PydanticCustomError(
                "value_error",
                "row {place} has {length} entries, row 0 has {first}: rows must be equally long",
                {"place": place, "length": len(row), "first": len(rows[0])},
            )
    return np.array(rows)


_ENTRY = {"type": "number", "minimum": -LARGEST, "maximum": LARGEST}
_ROW = {"type": "array", "minItems": 1, "items": _ENTRY}

Matrix = Annotated[FloatArray, PlainValidator(matrix), WithJsonSchema({"type": "array", "minItems": 1, "items": _ROW})]
