"""How the scores of columns that were measured together depend on one another."""

from collections.abc import Callable

import numpy as np

from services.stats import products
from services.stats.kernels.ordering import count_inversions
from services.stats.kernels.rows import sign_products
from services.stats.leastsquares import FloatArray
from services.stats.sen import IndexArray

_SHORT = 400
"""Up to so many rows all pairs are compared; beyond, they are counted by sorting."""


def score_covariance(columns: FloatArray, check: Callable[[], None] = lambda: None) -> FloatArray:
    """Of Kendall's scores of `columns` (c, n), NaN where missing, under no trend: (c, c).

    With all values there it is (K + 4 sum(R R') - n (n + 1)^2) / 3 (Dietz and Killeen 1981); missing ones are given
    their column's middle rank, so that no row is lost (Hirsch and Slack 1984).
    """
    there = ~np.isnan(columns)
    counts = there.sum(axis=1)
    ranks = np.where(there, products.ranks(columns.T).T, (counts[:, None] + 1) / 2)
    covariance: FloatArray = (
        concordances(columns, check) + 4 * (ranks @ ranks.T) - columns.shape[1] * np.outer(counts + 1, counts + 1)
    ) / 3
    return covariance


def concordances(columns: FloatArray, check: Callable[[], None] = lambda: None) -> FloatArray:
    """Concordant less discordant pairs of rows, of each column with each, over rows where both are there: (c, c)."""
    if columns.shape[1] <= _SHORT:
        return np.asarray(sign_products(np.array(columns, order="C")), dtype=np.float64)
    found = np.empty((len(columns), len(columns)))
    for g, one in enumerate(columns):
        check()
        for h, other in enumerate(columns[: g + 1]):
            found[g, h] = found[h, g] = _concordance(one, other)
    return found


def _concordance(one: FloatArray, other: FloatArray) -> int:
    """By sorting (Knight 1966)."""
    both = ~(np.isnan(one) | np.isnan(other))
    first = np.unique(one[both], return_inverse=True)[1]
    second = np.unique(other[both], return_inverse=True)[1]
    order = np.lexsort((second, first))
    discordant: int = count_inversions(second[order])
    pairs = len(order) * (len(order) - 1) // 2
    together = np.unique(first * (len(order) + 1) + second, return_counts=True)[1]
    tied = _pairs(np.bincount(first)) + _pairs(np.bincount(second)) - _pairs(together)
    return pairs - tied - 2 * discordant


def _pairs(counts: IndexArray) -> int:
    return int(np.sum(counts * (counts - 1) // 2))
