"""Columns by name as one table, and what is wrong with those that make none."""

from collections.abc import Mapping, Sequence

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


def distinct(table: FloatArray) -> int:
    """The rows that differ, as far as a double tells beside the spread of their columns."""
    spread = table.std(axis=0)
    return len(np.unique((table - table.mean(axis=0)) / np.where(spread > 0, spread, 1.0), axis=0))


def side_by_side(columns: Sequence[FloatArray], names: Sequence[str] | None) -> tuple[list[str], FloatArray]:
    """The columns of `x` with their names, or x, or x1, x2, ...; and the table (n, p). Raises Unprocessable for
    unequal ones, and for names that are not theirs."""
    for j, values in enumerate(columns):
        if len(values) != len(columns[0]):
            raise refused(
                f"/x/{j}", f"has {len(values)} entries, x/0 has {len(columns[0])}: columns must be equally long"
            )
    if names is not None and len(names) != len(columns):
        raise refused("/names", f"has {len(names)} entries, x has {len(columns)} columns: give one a column")
    if names is not None and len(set(names)) < len(names):
        raise refused("/names", "names two columns the same")
    numbered = ["x"] if len(columns) == 1 else [f"x{j + 1}" for j in range(len(columns))]
    return list(names or numbered), np.column_stack(list(columns))
