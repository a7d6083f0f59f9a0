"""Tables of columns with two values each: which is high, and the tetrachoric correlation of every pair."""

import numpy as np

from services.stats.leastsquares import FloatArray
from services.stats.rows import refused
from services.stats.tetrachoric import tetrachoric

_SHOWN = 20


def high(names: list[str], table: FloatArray) -> FloatArray:
    """1 where a column of an (n, p) table has the larger of its values, 0 where the smaller, NaN where none; of a
    column that has only one value, 1 where that is above 0.

    Raises Unprocessable naming the first value that is a third one.
    """
    low, top = np.nanmin(table, axis=0), np.nanmax(table, axis=0)
    third = ~np.isnan(table) & (table != low) & (table != top)
    if third.any():
        column = int(np.argmax(third.any(axis=0)))
        row = int(np.argmax(third[:, column]))
        detail = (
            f"is {table[row, column]:g}, a third value beside {low[column]:g} and {top[column]:g}; "
            "a binary column has two"
        )
        raise refused(f"/columns/{names[column]}/{row}", detail)
    is_high = np.where(low == top, table > 0, table == top)
    return np.where(np.isnan(table), np.nan, is_high)


def tetrachoric_matrix(names: list[str], table: FloatArray, empty: float) -> tuple[FloatArray, FloatArray, list[str]]:
    """The correlations of every two columns over the rows that they share, their standard errors (NaN on the
    diagonal), and what is to be said of them."""
    there = ~np.isnan(table)
    some = np.flatnonzero(there.any(axis=0))
    ones = np.zeros_like(table)
    ones[:, some] = np.nan_to_num(high([names[k] for k in some], table[:, some]))
    seen = there.astype(np.float64)
    both, single, n = ones.T @ ones, ones.T @ seen, seen.T @ seen
    i, j = np.triu_indices(len(names), 1)
    first, second = single[i, j] - both[i, j], single[j, i] - both[i, j]
    cells = np.column_stack([n[i, j] - both[i, j] - first - second, first, second, both[i, j]])
    found = tetrachoric(cells, empty=empty)
    matrix, se = np.full_like(both, np.nan), np.full_like(both, np.nan)
    matrix[i, j] = matrix[j, i] = found.r
    se[i, j] = se[j, i] = found.se
    highs = np.diagonal(both)
    np.fill_diagonal(matrix, np.where((highs > 0) & (highs < np.diagonal(n)), 1.0, np.nan))
    filled = [(names[a], names[b]) for a, b in zip(i[found.filled], j[found.filled], strict=True)]
    warnings = [f"columns {a} and {b} have an empty cell, counted as {empty:g}" for a, b in filled[:_SHOWN]]
    if len(filled) > _SHOWN:
        warnings.append(f"{len(filled) - _SHOWN} more pairs have empty cells, counted as {empty:g}")
    edge = np.flatnonzero(np.abs(found.r) == 1)[:_SHOWN]
    warnings += [
        f"columns {names[i[e]]} and {names[j[e]]} have an empty cell: their correlation is {found.r[e]:g}" for e in edge
    ]
    return matrix, se, warnings
