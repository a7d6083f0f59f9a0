"""A table that has been opened: its columns are known, and are read when they are asked for."""

from collections.abc import Sequence
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from services.stats.columns import extreme, has_extremes
from shared.errors import FieldError, Malformed, TooLarge, Unprocessable

FloatArray = npt.NDArray[np.float64]
MOST_COLUMNS = 200_000
"""Columns of a table: each costs some microseconds whatever it holds."""
MOST_SERIES = 500_000
"""Rows that are a series each, which take 300 bytes beside their values."""
_SHOWN = 20


class Source(Protocol):
    """Every method raises Malformed, Unprocessable or TooLarge for what cannot be read."""

    @property
    def names(self) -> Sequence[str]: ...

    @property
    def nested(self) -> Sequence[str]:
        """Columns each entry of which is an array of numbers: a row is a series."""

    @property
    def textual(self) -> Sequence[str]:
        """Columns of text, as far as the format tells."""

    def numbers(self, names: Sequence[str]) -> FloatArray:
        """(columns, rows), each column in one piece, NaN where an entry is missing; at least one row."""

    def arrays(self, name: str) -> list[FloatArray]:
        """The entries of a nested column."""

    def texts(self, name: str) -> list[str]:
        """A column's entries as they identify rows."""


class Flat:
    """What a format without nested or typed columns leaves out."""

    nested: ClassVar[Sequence[str]] = ()
    textual: ClassVar[Sequence[str]] = ()

    def arrays(self, name: str) -> list[FloatArray]:
        raise Unprocessable(f"column {name} holds no arrays")

    def texts(self, name: str) -> list[str]:
        raise Unprocessable(f"column {name} cannot name rows in this format")


def check_names(names: Sequence[str], where: str) -> None:
    """Raises Malformed where a column has no name or two have the same, TooLarge for too many."""
    if len(names) > MOST_COLUMNS:
        raise TooLarge(f"{where}: {len(names):,} columns; a table may have {MOST_COLUMNS:,}")
    if "" in names or len(set(names)) < len(names):
        shown = ", ".join(repr(name[:40]) for name in names[:_SHOWN])
        raise Malformed(f"{where}: the columns need names, each its own; they are {shown}")


def check_series(rows: int, name: str) -> None:
    if rows > MOST_SERIES:
        raise TooLarge(f"column {name} has {rows:,} rows, each a series; a table may have {MOST_SERIES:,}")


def check_size(rows: int, columns: int, most: int) -> None:
    """Before anything of that size is allocated."""
    if rows * columns > most:
        raise TooLarge(f"the table has {rows:,} rows x {columns:,} columns, more than the {most:,} values it may have")


def check_numbers(matrix: FloatArray, names: Sequence[str]) -> FloatArray:
    """`matrix` itself. Raises as a column of JSON does for infinite and extreme numbers, naming column and row."""
    if has_extremes(matrix):
        column = next(j for j, each in enumerate(matrix) if has_extremes(each))
        row = next(k for k, value in enumerate(matrix[column]) if has_extremes(value))
        raise refuse_number(names[column], row, float(matrix[column, row]), f"row {row + 1}")
    return matrix


def refuse_number(name: str, row: int, value: float, where: str) -> Malformed | Unprocessable:
    fault = extreme(value)
    kind = Malformed if fault.type == "finite_number" else Unprocessable
    detail = f"{where}, column {name}: {value:g} {fault.message()}"
    return kind(detail, errors=[FieldError(f"/{name}/{row}", detail)])
