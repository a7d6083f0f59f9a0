"""NDJSON: one JSON object a line, a number or null by each name; a name that a line lacks is missing there."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from services.stats.columns import has_extremes
from services.stats.tables.source import FloatArray, check_names, check_series, check_size, refuse_number
from shared.errors import FieldError, Malformed, Unprocessable

_NUMBERS = frozenset({int, float, type(None)})


class Lines:
    def __init__(self, body: bytes, most: int) -> None:
        pieces = [(number, line) for number, line in enumerate(body.splitlines(), 1) if line.strip()]
        self._numbers = [number for number, _ in pieces]
        try:
            self._rows = orjson.loads(b"[" + b",".join(line for _, line in pieces) + b"]")
        except orjson.JSONDecodeError:
            self._rows = [_parsed(number, line) for number, line in pieces]
        if len(self._rows) != len(pieces):
            self._rows = [_parsed(number, line) for number, line in pieces]
        for number, row in zip(self._numbers, self._rows, strict=True):
            if type(row) is not dict:
                raise Malformed(f"line {number} is no JSON object, by whose names the columns are known")
        if not self._rows:
            raise Unprocessable("the table has no rows: each line must be a JSON object")
        self._most = most
        self.names = list(dict.fromkeys(name for row in self._rows for name in row))
        check_names(self.names, "the table")

    @property
    def nested(self) -> Sequence[str]:
        return [name for name, value in self._rows[0].items() if type(value) is list]

    @property
    def textual(self) -> Sequence[str]:
        return [name for name, value in self._rows[0].items() if type(value) is str]

    def numbers(self, names: Sequence[str]) -> FloatArray:
        check_size(len(self._rows), len(names), self._most)
        return np.array([self._column(name, [row.get(name) for row in self._rows]) for name in names])

    def arrays(self, name: str) -> list[FloatArray]:
        check_series(len(self._rows), name)
        found = []
        for number, row in zip(self._numbers, self._rows, strict=True):
            values = row.get(name)
            if type(values) is not list or not values:
                detail = f"line {number}, {name}: must be an array of numbers, with at least one"
                raise Malformed(detail, errors=[FieldError(f"/{name}/{number - 1}", detail)])
            found.append(self._column(name, values, number))
        return found

    def texts(self, name: str) -> list[str]:
        for number, row in zip(self._numbers, self._rows, strict=True):
            if type(row.get(name)) not in (str, int):
                detail = f"line {number}, {name}: must be a string or an integer, which names the row"
                raise Malformed(detail, errors=[FieldError(f"/{name}/{number - 1}", detail)])
        return [str(row[name]) for row in self._rows]

    def _column(self, name: str, values: list[Any], line: int | None = None) -> FloatArray:
        """Of one number a row, or those of the one `line`."""
        if set(map(type, values)) - _NUMBERS:
            place = next(k for k, value in enumerate(values) if type(value) not in _NUMBERS)
            detail = f"line {line or self._numbers[place]}, {name}: must be a number or null"
            raise Malformed(detail, errors=[FieldError(f"/{name}/{place}", detail)])
        column = np.array(values, dtype=np.float64)
        if has_extremes(column):
            place = next(k for k, value in enumerate(column) if has_extremes(value))
            raise refuse_number(name, place, float(column[place]), f"line {line or self._numbers[place]}")
        return column


def _parsed(number: int, line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"line {number} cannot be read as JSON: {error}") from None
