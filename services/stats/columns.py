"""Columns of numbers out of parsed JSON: straight to arrays, since a check per number by pydantic takes as long again
as reading them. Every fault names its entry."""

from itertools import compress
from typing import Annotated, Any

import numpy as np
from pydantic import PlainValidator, ValidationError, WithJsonSchema
from pydantic_core import InitErrorDetails, PydanticCustomError

from services.stats.leastsquares import FloatArray

LARGEST, SMALLEST = 1e150, 1e-150
"""Numbers beyond these, and not 0, are refused: their squares are out of a double's range."""
_NUMBERS = frozenset({float, int})
_SHOWN = 5


def column(value: Any) -> FloatArray:
    """An array of finite numbers, at least one."""
    return _column(value, nulls=False)


def series(value: Any) -> FloatArray:
    """An array of finite numbers and nulls, at least one entry; null becomes NaN."""
    return _column(value, nulls=True)


def columns(value: Any) -> list[FloatArray]:
    """An array of columns, or one column."""
    if isinstance(value, list) and value and isinstance(value[0], list):
        return [_at(j, each, nulls=False) for j, each in enumerate(value)]
    return [column(value)]


def named_series(value: Any) -> dict[str, FloatArray]:
    """An object of series."""
    if not isinstance(value, dict):
        raise PydanticCustomError("object_type", "must be an object of arrays")
    if not value:
        raise PydanticCustomError("too_short", "is empty; give at least one array")
    return {name: _at(name, each, nulls=True) for name, each in value.items()}


def one_or_named(value: Any) -> FloatArray | dict[str, FloatArray]:
    return named_series(value) if isinstance(value, dict) else series(value)


def _at(place: int | str, value: Any, *, nulls: bool) -> FloatArray:
    try:
        return _column(value, nulls=nulls)
    except PydanticCustomError as error:
        raise _faults([(place, error)]) from None
    except ValidationError as error:
        inner = [(each["loc"], each["type"], each["msg"]) for each in error.errors(include_url=False)]
        raise _faults([((place, *loc), PydanticCustomError(kind, message)) for loc, kind, message in inner]) from None


def _column(value: Any, *, nulls: bool) -> FloatArray:
    if not isinstance(value, list):
        raise PydanticCustomError("list_type", "must be an array of numbers")
    if not value:
        raise PydanticCustomError("too_short", "is empty; give at least one number")
    kinds = set(map(type, value))
    if kinds - _NUMBERS - {type(None)}:
        _refuse(value, [type(v) not in _NUMBERS and v is not None for v in value], "number_type", "must be a number")
    if not nulls and type(None) in kinds:
        message = "is missing; leave the whole point out, or fill it"
        _refuse(value, [v is None for v in value], "value_error", message)
    try:
        array = np.array(value, dtype=np.float64)
    except OverflowError:  # an integer of more than 308 digits
        array = np.array([v if v is None or abs(v) <= LARGEST else LARGEST * 2 for v in value], dtype=np.float64)
    with np.errstate(invalid="ignore"):
        beyond = np.abs(array) > LARGEST
    if beyond.any():
        message = f"is beyond {LARGEST:g}, the largest that is taken; use a larger unit"
        _refuse(value, (beyond & np.isfinite(array)).tolist(), "value_error", message)
        _refuse(value, beyond.tolist(), "finite_number", "must be a finite number")
    tiny = (np.abs(array) < SMALLEST) & (array != 0)
    if tiny.any():
        message = f"is nearer to 0 than {SMALLEST:g}, the smallest that is taken; use a smaller unit"
        _refuse(value, tiny.tolist(), "value_error", message)
    if np.count_nonzero(np.isnan(array)) > (value.count(None) if type(None) in kinds else 0):
        _refuse(value, [v != v for v in value], "finite_number", "is NaN; a missing value is null in JSON")
    return array


def _refuse(value: list[Any], bad: list[bool], kind: str, message: str) -> None:
    places = list(compress(range(len(value)), bad))[:_SHOWN]
    if places:
        raise _faults([(place, PydanticCustomError(kind, message)) for place in places])


def _faults(faults: list[tuple[Any, PydanticCustomError]]) -> ValidationError:
    """One error that pydantic merges with its own, each fault at its place."""
    details = [
        InitErrorDetails(type=error, loc=place if isinstance(place, tuple) else (place,), input=None)
        for place, error in faults
    ]
    return ValidationError.from_exception_data("column", details)


_ENTRY = {"type": "number", "minimum": -LARGEST, "maximum": LARGEST}
_ENTRY_OR_NULL = {"type": ["number", "null"], "minimum": -LARGEST, "maximum": LARGEST}
_COLUMN = {"type": "array", "minItems": 1, "items": _ENTRY}
_SERIES = {"type": "array", "minItems": 1, "items": _ENTRY_OR_NULL}
_NAMED = {"type": "object", "minProperties": 1, "additionalProperties": _SERIES}

Column = Annotated[FloatArray, PlainValidator(column), WithJsonSchema(_COLUMN)]
Columns = Annotated[
    list[FloatArray],
    PlainValidator(columns),
    WithJsonSchema({"anyOf": [{"type": "array", "minItems": 1, "items": _COLUMN}, _COLUMN]}),
]
NamedSeries = Annotated[dict[str, FloatArray], PlainValidator(named_series), WithJsonSchema(_NAMED)]
OneOrNamed = Annotated[
    FloatArray | dict[str, FloatArray],
    PlainValidator(one_or_named),
    WithJsonSchema({"anyOf": [_SERIES, _NAMED]}),
]
