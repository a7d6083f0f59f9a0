"""Columns by name as one table, and what is wrong with those that make none."""

from collections.abc import Mapping

import numpy as np

from services.stats.leastsquares import FloatArray
from services.stats.products import BoolArray
from shared.errors import FieldError, Unprocessable


def refused(pointer: str, detail: str) -> Unprocessable:
    return Unprocessable(f"{pointer} {detail}".strip(), errors=[FieldError(pointer, detail)])


def stacked(columns: Mapping[str, FloatArray]) -> FloatArray:
    """(n, p). Raises Unprocessable for columns of different lengths."""
    first = next(iter(columns))
    for name, values in columns.items():
        if len(values) != len(columns[first]):
            detail = f"has {len(values)} entries, {first} has {len(columns[first])}: columns must be equally long"
            raise refused(f"/columns/{name}", detail)
    return np.column_stack(list(columns.values()))


def hole(names: list[str], holes: BoolArray, advice: str) -> Unprocessable:
    """Names the first missing value of a table."""
    column = int(np.argmax(holes.any(axis=0)))
    return refused(f"/columns/{names[column]}/{int(np.argmax(holes[:, column]))}", f"is missing; {advice}")


def complete(columns: Mapping[str, FloatArray], *, drop: bool) -> FloatArray:
    """The table without missing values: `drop` leaves out their rows, else they are refused, as are fewer than two."""
    table = stacked(columns)
    holes = np.isnan(table)
    if holes.any() and not drop:
        raise hole(list(columns), holes, "fill it, or set missing to listwise")
    table = table[~holes.any(axis=1)]
    if len(table) < 2:
        raise refused("/columns", f"have {len(table)} complete rows; at least 2 are needed")
    return table
