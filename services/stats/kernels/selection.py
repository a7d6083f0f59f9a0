"""Order statistics of an array that is not sorted for them."""

import numpy as np

from services.stats.kernels.arrays import Bins, Floats, Integers
from services.stats.kernels.compiled import compiled, helper

BINS = 4096
_SORTED = 40


@helper
def pick(
    values: Floats, count: int, ranks: Integers, picked: Floats, bins: Bins, counts: Integers, few: Floats
) -> None:
    """Fills `picked` with the values of the increasing `ranks` (from 0, four at most) among the first `count` of
    `values`. `bins` holds `count` integers, `counts` BINS + 1, `few` `count` doubles."""
    relative = ranks.copy()
    left = narrow(values, count, relative, bins, counts, few)
    before = count
    while _SORTED < left < before:
        before = left
        left = narrow(few, left, relative, bins, counts, few)
    sort(few, left)
    for k in range(len(ranks)):
        picked[k] = few[relative[k]]


@helper
def narrow(values: Floats, count: int, ranks: Integers, bins: Bins, counts: Integers, few: Floats) -> int:
    """Gathers in `few` (which may be `values`) what falls into the same bins as the values of the `ranks`, and counts
    the ranks among it; returns how many. Bins are of equal width, so that they keep the order."""
    low, high = values[0], values[0]
    for k in range(count):
        low, high = min(low, values[k]), max(high, values[k])
    size = 32
    while size < BINS and size * 4 < count:
        size *= 2
    scale = size / (high - low)
    if not low < high or not 0 < scale < np.inf:
        few[:count] = values[:count]
        return count
    counts[: size + 1] = 0
    for k in range(count):
        bins[k] = np.int32((values[k] - low) * scale)
    for k in range(count):
        counts[bins[k]] += 1
    wanted = np.full(4, -1, np.int32)
    distinct, held, below, at = 0, 0, 0, 0
    for k in range(len(ranks)):
        while below + counts[at] <= ranks[k]:
            below += counts[at]
            at += 1
        if distinct == 0 or wanted[distinct - 1] != at:
            wanted[distinct] = at
            distinct += 1
            held += counts[at]
        ranks[k] += held - counts[at] - below
    first, second, third, fourth = wanted[0], wanted[1], wanted[2], wanted[3]
    found = 0
    for k in range(count):
        few[found] = values[k]
        b = bins[k]
        found += (b == first) | (b == second) | (b == third) | (b == fourth)
    return found


@helper
def sort(values: Floats, count: int) -> None:
    ordered = 1
    while ordered < count and values[ordered - 1] <= values[ordered]:
        ordered += 1
    if count - ordered > _SORTED:
        values[:count].sort()
        return
    for k in range(ordered, count):
        value = values[k]
        m = k
        while m > 0 and values[m - 1] > value:
            values[m] = values[m - 1]
            m -= 1
        values[m] = value


@compiled("f8[::1](f8[::1],i8[::1])")
def order_statistics(values: Floats, ranks: Integers) -> Floats:
    """The values of the increasing `ranks`, from 0, four at most."""
    count = len(values)
    picked, few = np.empty(len(ranks)), np.empty(count)
    pick(values, count, ranks, picked, np.empty(count, np.int32), np.empty(BINS + 1, np.int64), few)
    return picked
