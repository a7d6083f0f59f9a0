"""Covariances and Pearson correlations of a table by two passes: centred first, multiplied afterwards."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from services.stats.leastsquares import FloatArray

Counts = npt.NDArray[np.int64]
Exponents = npt.NDArray[np.intc]
BoolArray = npt.NDArray[np.bool_]
_LOWEST = -1000
"""Exponent of the least scale, whose inverse is within the range of a double."""


def scaled(table: FloatArray, *, together: bool = False) -> tuple[FloatArray, Exponents]:
    """Each column less its first value that is there, times a power of two that brings it below 1; `together` takes
    the same power for all. The table and the exponents to scale back by; NaN is missing."""
    first = np.argmax(~np.isnan(table), axis=0)
    shifted: FloatArray = table - table[first, np.arange(table.shape[1])]
    largest = np.nanmax(np.abs(shifted), axis=0, initial=0.0)
    exponents: Exponents = np.maximum(np.frexp(largest)[1], _LOWEST)
    if together:
        exponents = np.full_like(exponents, exponents.max())
    shifted *= np.ldexp(1.0, -exponents)
    return shifted, exponents


def centred(table: FloatArray) -> FloatArray:
    """Without missing values."""
    rest: FloatArray = table - table.mean(axis=0)
    rest -= rest.mean(axis=0)  # what rounding left of the mean
    return rest


def complete(table: FloatArray, *, correlation: bool, ddof: int) -> FloatArray:
    """Of an (n, p) table without missing values; (p, p)."""
    rest = centred(table)
    products = rest.T @ rest
    if correlation:
        return _correlation(products, np.diagonal(products)[:, None], np.diagonal(products)[None, :])
    covariances: FloatArray = products / (len(table) - ddof)
    return covariances


def pairwise(
    table: FloatArray,
    *,
    correlation: bool,
    ddof: int,
    ranked: bool = False,
    check: Callable[[], None] = lambda: None,
) -> FloatArray:
    """Each entry over the rows that its two columns share, NaN where that is fewer than two; `ranked` takes the ranks
    among those instead of the values."""
    width = table.shape[1]
    there = ~np.isnan(table)
    matrix = np.full((width, width), np.nan)
    for i in range(width):
        check()
        own = there[:, i]
        shared = there[own]
        column, others = table[own, i][:, None], table[own]
        if ranked:
            column, others = ranks(np.where(shared, column, np.nan)), ranks(others)
        matrix[i] = _row(column, np.where(shared, others, 0.0), shared, correlation=correlation, ddof=ddof)
    return np.triu(matrix) + np.triu(matrix, 1).T


def counts(table: FloatArray) -> Counts:
    """The rows that each pair of columns shares, (p, p)."""
    there = (~np.isnan(table)).astype(np.float64)
    return (there.T @ there).astype(np.int64)


def ranks(table: FloatArray) -> FloatArray:
    """Of each value in its column, from 1, equal ones sharing the mean of theirs; where NaN is, 0."""
    found = np.zeros_like(table)
    for j, column in enumerate(np.ascontiguousarray(table.T)):
        there = np.flatnonzero(~np.isnan(column))
        order = there[np.argsort(column[there])]
        ordered = column[order]
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if len(order) else order
        ends = np.append(starts[1:], len(order))
        found[order, j] = np.repeat((starts + ends + 1) / 2, ends - starts)
    return found


def _row(column: FloatArray, others: FloatArray, shared: BoolArray, *, correlation: bool, ddof: int) -> FloatArray:
    """The entries of one column, (n, 1) or for each other (n, p), with the `others` (n, p), over the rows shared."""
    n = shared.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        x = (column - (column * shared).sum(axis=0) / n) * shared
        y = (others - others.sum(axis=0) / n) * shared
        products = (x * y).sum(axis=0)
        if correlation:
            return np.where(n > 1, _correlation(products, (x * x).sum(axis=0), (y * y).sum(axis=0)), np.nan)
        return np.where(n > 1, products / (n - ddof), np.nan)


def _correlation(products: FloatArray, x_squares: FloatArray, y_squares: FloatArray) -> FloatArray:
    """Within [-1, 1], exactly 1 where a column meets itself, NaN where one does not vary."""
    with np.errstate(invalid="ignore", divide="ignore"):
        r = products / (np.sqrt(x_squares) * np.sqrt(y_squares))
    same = (products == x_squares) & (products == y_squares) & (products > 0)
    clipped: FloatArray = np.where(same, 1.0, np.clip(r, -1.0, 1.0))
    return clipped
