"""Covariance and Pearson correlation by two passes: centred first, multiplied afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from services.stats.leastsquares import FloatArray
from shared.errors import FieldError, TooLarge, Unprocessable

Kind = Literal["covariance", "pearson"]
Estimator = Literal["sample", "mle"]
Missing = Literal["reject", "pairwise", "listwise"]

MAX_COLUMNS = 1_000
MAX_WORK = 20_000_000_000
"""Most multiplications (rows x columns squared) of a complete table: some ten seconds of one core."""
MAX_PAIRWISE_WORK = 1_000_000_000
"""The same for a table with holes, each pair of which has its own rows."""


@dataclass(frozen=True)
class Covariance:
    """A symmetric (p, p) `matrix`, NaN where undefined, over `n` rows.

    `counts` are the rows behind each entry where pairs have their own; `n` is then the number of rows given.
    """

    names: list[str]
    matrix: FloatArray
    n: int
    counts: npt.NDArray[np.int64] | None = None
    warnings: list[str] = field(default_factory=list)


def covariance(
    columns: Mapping[str, FloatArray],
    *,
    kind: Kind = "covariance",
    estimator: Estimator = "sample",
    missing: Missing = "reject",
) -> Covariance:
    """Of the named columns, all of one length, whose NaN are missing values.

    `estimator` divides by n - 1 (sample) or n (mle); it cancels from a correlation. With `missing` pairwise every
    entry is over the rows that its two columns share, so that the matrix need not be positive semidefinite; listwise
    leaves out every row with a hole. Raises Unprocessable for holes under reject, unequal columns and fewer than two
    rows, TooLarge for more arithmetic than the limits allow.
    """
    names = list(columns)
    if len(names) > MAX_COLUMNS:
        raise TooLarge(f"{len(names):,} columns; a matrix may have {MAX_COLUMNS:,}")
    table = _table(columns)
    holes = np.isnan(table)
    if missing == "reject" and holes.any():
        column = int(np.argmax(holes.any(axis=0)))
        pointer = f"/columns/{names[column]}/{int(np.argmax(holes[:, column]))}"
        detail = "is missing; fill it, or set missing to pairwise or listwise"
        raise Unprocessable(f"{pointer} {detail}", errors=[FieldError(pointer, detail)])
    if missing == "listwise":
        table, holes = table[~holes.any(axis=1)], np.zeros((1, 1), dtype=bool)
    if len(table) < 2:
        raise Unprocessable(f"{len(table)} complete rows are too few: a covariance needs at least 2")
    table, exponents = _scaled(table)
    counts = None
    if holes.any():
        matrix, counts = _pairwise(table, kind, estimator)
    else:
        matrix = _complete(table, kind, estimator)
    if kind == "covariance":
        with np.errstate(over="ignore"):
            matrix = np.ldexp(matrix, exponents[:, None] + exponents)
    return Covariance(names, matrix, len(table), counts, _warnings(names, matrix, kind, counts))


def _table(columns: Mapping[str, FloatArray]) -> FloatArray:
    lengths = {name: len(values) for name, values in columns.items()}
    first, rows = next(iter(lengths.items()))
    for name, length in lengths.items():
        if length != rows:
            detail = f"has {length} entries, {first} has {rows}: columns must be equally long"
            raise Unprocessable(f"/columns/{name} {detail}", errors=[FieldError(f"/columns/{name}", detail)])
    if rows * len(lengths) ** 2 > MAX_WORK:
        raise TooLarge(f"{rows} rows x {len(lengths)} columns squared is more than {MAX_WORK} multiplications")
    return np.column_stack(list(columns.values()))


def _scaled(table: FloatArray) -> tuple[FloatArray, npt.NDArray[np.intc]]:
    """Each column less its first value that is there, times a power of two that brings it below 1."""
    first = np.argmax(~np.isnan(table), axis=0)
    shifted = table - table[first, np.arange(table.shape[1])]
    largest = np.nanmax(np.abs(shifted), axis=0, initial=0.0)
    exponents: npt.NDArray[np.intc] = np.frexp(largest)[1]
    return np.ldexp(shifted, -exponents), exponents


def _complete(table: FloatArray, kind: Kind, estimator: Estimator) -> FloatArray:
    centred = table - table.mean(axis=0)
    centred -= centred.mean(axis=0)  # what rounding left of the mean
    products = centred.T @ centred
    if kind == "pearson":
        return _correlation(products, np.diagonal(products)[:, None], np.diagonal(products)[None, :])
    covariances: FloatArray = products / (len(table) - (estimator == "sample"))
    return covariances


def _pairwise(table: FloatArray, kind: Kind, estimator: Estimator) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    rows, width = table.shape
    if rows * width**2 > MAX_PAIRWISE_WORK:
        raise TooLarge(
            f"{rows} rows x {width} columns squared is more than {MAX_PAIRWISE_WORK} multiplications, the most for a "
            "table with holes taken pairwise; set missing to listwise"
        )
    there = ~np.isnan(table)
    matrix = np.full((width, width), np.nan)
    counts = there.astype(np.int64).T @ there.astype(np.int64)
    for i in range(width):
        own = there[:, i]
        others, shared = np.where(there[own], table[own], 0.0), there[own]
        matrix[i] = _row(table[own, i][:, None], others, shared, kind, estimator)
    return (np.triu(matrix) + np.triu(matrix, 1).T), counts


def _row(
    column: FloatArray, others: FloatArray, shared: npt.NDArray[np.bool_], kind: Kind, estimator: Estimator
) -> FloatArray:
    """The entries of one column (n, 1) with the `others` (n, p), over the rows that each pair shares."""
    n = shared.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        x = (column - (column * shared).sum(axis=0) / n) * shared
        y = (others - others.sum(axis=0) / n) * shared
        products = (x * y).sum(axis=0)
        if kind == "pearson":
            return np.where(n > 1, _correlation(products, (x * x).sum(axis=0), (y * y).sum(axis=0)), np.nan)
        return np.where(n > 1, products / (n - (estimator == "sample")), np.nan)


def _correlation(products: FloatArray, x_squares: FloatArray, y_squares: FloatArray) -> FloatArray:
    """Within [-1, 1], exactly 1 where a column meets itself, NaN where one does not vary."""
    with np.errstate(invalid="ignore", divide="ignore"):
        r = products / (np.sqrt(x_squares) * np.sqrt(y_squares))
    same = (products == x_squares) & (products == y_squares) & (products > 0)
    clipped: FloatArray = np.where(same, 1.0, np.clip(r, -1.0, 1.0))
    return clipped


def _warnings(names: list[str], matrix: FloatArray, kind: Kind, counts: npt.NDArray[np.int64] | None) -> list[str]:
    diagonal = np.diagonal(matrix)
    constant = np.isnan(diagonal) if kind == "pearson" else diagonal == 0
    of = "its correlations are null" if kind == "pearson" else "its covariances are 0"
    warnings = [f"column {names[k]} does not vary: {of}" for k in np.flatnonzero(constant)]
    if counts is not None:
        few = np.argwhere(np.triu(counts < 2))
        warnings += [f"columns {names[i]} and {names[j]} share fewer than 2 rows: null" for i, j in few[:20]]
        if np.all(np.isfinite(matrix)) and np.linalg.eigvalsh(matrix)[0] < -1e-12 * np.max(diagonal):
            warnings.append("the matrix is not positive semidefinite: its entries are over different rows")
    if np.isinf(matrix).any():
        warnings.append("some covariances are beyond the range of a double: null")
    return warnings
