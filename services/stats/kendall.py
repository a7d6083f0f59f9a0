"""Kendall's tau-b: the cosine between the signs of all differences within one column and those within another."""

from collections.abc import Callable

import numpy as np

from services.stats.leastsquares import FloatArray

SIGNED_ROWS = 1_000
"""Up to so many rows the signs of all pairs of rows are multiplied; beyond, each pair of columns is sorted."""


def tau_b(table: FloatArray, *, check: Callable[[], None] = lambda: None) -> FloatArray:
    """Of an (n, p) table whose NaN are missing: each pair of columns by the rows it shares; (p, p), NaN where one of
    them does not vary there."""
    return _signed(table, check) if len(table) <= SIGNED_ROWS else _sorted(table, check)


def _signed(table: FloatArray, check: Callable[[], None]) -> FloatArray:
    """Every count is a whole number and exact: of one lag in single precision, their sum in double."""
    width = table.shape[1]
    holes = np.isnan(table).any()
    score, squares = np.zeros((width, width)), np.zeros((width, width))
    for lag in range(1, len(table)):
        check()
        signs = np.sign(table[lag:] - table[:-lag]).astype(np.float32)
        there = ~np.isnan(signs)
        signs = np.nan_to_num(signs, copy=False)
        score += signs.T @ signs
        if holes:
            squares += np.square(signs).T @ there.astype(np.float32)
        else:
            squares += np.square(signs).sum(axis=0)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        root = np.sqrt(squares)
        tau = score / (root * root.T)
    same = (score == squares) & (score == squares.T) & (score > 0)
    opposite = (-score == squares) & (-score == squares.T) & (score < 0)
    return np.where(same, 1.0, np.where(opposite, -1.0, np.clip(tau, -1.0, 1.0)))


def _sorted(table: FloatArray, check: Callable[[], None]) -> FloatArray:
    from scipy.stats import kendalltau

    width = table.shape[1]
    there = ~np.isnan(table)
    tau = np.full((width, width), np.nan)
    for i in range(width):
        for j in range(i, width):
            check()
            shared = there[:, i] & there[:, j]
            x, y = table[shared, i], table[shared, j]
            if len(x) > 1 and np.ptp(x) > 0 and np.ptp(y) > 0:
                tau[i, j] = tau[j, i] = 1.0 if i == j else kendalltau(x, y, method="asymptotic").statistic
    return tau
