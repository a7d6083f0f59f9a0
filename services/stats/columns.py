"""Columns of numbers out of parsed JSON: straight to arrays, since a check per number by pydantic takes as long again
as reading them. Every fault names its entry."""

from itertools import accumulate, chain, pairwise
from operator import countOf
from typing import Annotated, Any, NoReturn

import numpy as np
from pydantic import PlainValidator, ValidationError, WithJsonSchema
from pydantic_core import InitErrorDetails, PydanticCustomError

from services.stats.leastsquares import FloatArray

LARGEST, SMALLEST = 1e150, 1e-150
"""Numbers beyond these, and not 0, are refused: their squares are out of a double's range."""
_NUMBERS = frozenset({float, int})
_NO_NUMBER = PydanticCustomError("number_type", "must be a number")
_MISSING = PydanticCustomError("value_error", "is missing; leave the whole point out, or fill it")
_SHOWN = 5
_BLOCK = 1 << 15
"""Numbers that are looked at together: they stay within the processor's cache."""


def column(value: Any) -> FloatArray:
    """An array of finite numbers, at least one."""
    return _column(value, nulls=False)


def series(value: Any) -> FloatArray:
    """An array of finite numbers and nulls, at least one entry; null becomes NaN."""
    return _column(value, nulls=True)


def columns(value: Any) -> list[FloatArray]:
    """An array of columns, or one column."""
    if isinstance(value, list) and value and isinstance(value[0], list | np.ndarray):
        return [_at(j, each, nulls=False) for j, each in enumerate(value)]
    return [column(value)]


def named_series(value: Any) -> dict[str, FloatArray]:
    """An object of series."""
    if not isinstance(value, dict):
        raise PydanticCustomError("object_type", "must be an object of arrays")
    if not value:
        raise PydanticCustomError("too_short", "is empty; give at least one array")
    arrays = list(value.values())
    if all(map(_is_array, arrays)):
        return dict(value)
    if all(type(each) is list and each for each in arrays):
        try:
            flat = _column(list(chain.from_iterable(arrays)), nulls=True)
        except ValidationError:
            pass  # below, where each entry's place is known
        else:
            places = accumulate(map(len, arrays), initial=0)
            return {name: flat[start:end] for name, (start, end) in zip(value, pairwise(places), strict=True)}
    return {name: _at(name, each, nulls=True) for name, each in value.items()}


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)


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
    if isinstance(value, np.ndarray):
        return _checked(value, nulls=nulls)
    if not isinstance(value, list):
        raise PydanticCustomError("list_type", "must be an array of numbers")
    if not value:
        raise PydanticCustomError("too_short", "is empty; give at least one number")
    if countOf(map(type, value), float) == len(value):
        floats = np.fromiter(value, dtype=np.float64, count=len(value))
        if not np.isnan(floats).any():
            return _in_range(floats)
    kinds = set(map(type, value))
    if kinds - _NUMBERS - {type(None)}:
        _refuse([(k, _NO_NUMBER) for k, v in enumerate(value) if type(v) not in _NUMBERS and v is not None])
    if not nulls and type(None) in kinds:
        _refuse([(k, _MISSING) for k, v in enumerate(value) if v is None])
    try:
        array = np.array(value, dtype=np.float64)
    except OverflowError:  # an integer of more than 308 digits
        array = np.array([v if v is None or abs(v) <= LARGEST else LARGEST * 2 for v in value], dtype=np.float64)
    if np.count_nonzero(np.isnan(array)) > (value.count(None) if type(None) in kinds else 0):
        _refuse([(k, extreme(v)) for k, v in enumerate(value) if v is not None and v != v])
    return _in_range(array)


def _in_range(array: FloatArray) -> FloatArray:
    if has_extremes(array):
        places = np.flatnonzero([has_extremes(each) for each in array]).tolist()
        _refuse([(k, extreme(float(array[k]))) for k in places])
    return array


def _checked(array: FloatArray, *, nulls: bool) -> FloatArray:
    """A column that the reader of a table made: its numbers are in range."""
    if not nulls and (missing := np.flatnonzero(np.isnan(array))).size:
        _refuse([(k, _MISSING) for k in missing[:_SHOWN].tolist()])
    return array


def has_extremes(values: FloatArray | np.float64) -> bool:
    """Whether any is infinite, beyond `LARGEST`, or nearer to 0 than `SMALLEST` and not 0. NaN is none of these."""
    flat = np.ascontiguousarray(values).reshape(-1)
    return any(_block_has_extremes(flat[k : k + _BLOCK]) for k in range(0, len(flat), _BLOCK))


def _block_has_extremes(block: FloatArray) -> bool:
    sizes = np.abs(block)
    if np.any(sizes > LARGEST):
        return True
    tiny = sizes < SMALLEST
    return bool(tiny.any() and np.any(block[tiny] != 0))


def extreme(value: float) -> PydanticCustomError:
    """What is wrong with a number that is out of range, or NaN."""
    if value != value:
        return PydanticCustomError("finite_number", "is NaN; a missing value is null in JSON")
    if np.isinf(value):
        return PydanticCustomError("finite_number", "must be a finite number")
    if abs(value) > LARGEST:
        return PydanticCustomError(
            "value_error", f"is beyond {LARGEST:g}, the largest that is taken; use a larger unit"
        )
    return PydanticCustomError(
        "value_error", f"is nearer to 0 than {SMALLEST:g}, the smallest that is taken; use a smaller unit"
    )


def _refuse(faults: list[tuple[int, PydanticCustomError]]) -> NoReturn:
    raise _faults(faults[:_SHOWN])


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
Series = Annotated[FloatArray, PlainValidator(series), WithJsonSchema(_SERIES)]
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
