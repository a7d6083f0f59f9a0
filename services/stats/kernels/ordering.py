"""Points in the order of a value, and the pairs of them that stand against the order of time."""

import numpy as np

from services.stats.kernels.arrays import Floats, Integers
from services.stats.kernels.compiled import compiled, helper

PAD = 32
"""NaN on both sides of an array that is compared in blocks of 16: a comparison with one is false."""
_RUN = 12
_SPLIT = 134217729.0  # 2^27 + 1


@helper
def padded(n: int) -> Floats:
    """An array of `n` between NaN."""
    return np.full(n + 2 * PAD, np.nan)


@helper
def falling_and_rising(x: Floats, n: int) -> tuple[int, int]:
    """Pairs i < j with x[j] < x[i], and with x[j] > x[i]; `x` is padded."""
    falling, rising = 0, 0
    for lag in range(1, n):
        later = x[PAD + lag :]
        earlier = x[PAD:]
        for i in range((n - lag + 15) & ~15):
            falling += later[i] < earlier[i]
            rising += later[i] > earlier[i]
    return falling, rising


@helper
def order_by_counting(r: Floats, n: int, order: Integers) -> int:
    """Fills `order` with the points in the order of `r` (padded), equal ones in that of time; the pairs that stand
    against time are returned. Quadratic: for short series, where it is the fastest."""
    against = 0
    for i in range(n):
        value = r[PAD + i]
        before, after = 0, 0
        left = (i + 15) & ~15
        earlier = r[PAD + i - left :]
        for j in range(left):
            before += earlier[j] <= value
        later = r[PAD + i + 1 :]
        for j in range((n - i + 14) & ~15):
            after += later[j] < value
        against += after
        order[before + after] = i
    return against


@helper
def merge_sort(r: Floats | Integers, order: Integers, n: int, r_work: Floats | Integers, order_work: Integers) -> int:
    """Sorts `r` and `order` by `r`, stably; returns the pairs that stood in the wrong order."""
    against = 0
    for start in range(0, n, _RUN):
        for k in range(start + 1, min(start + _RUN, n)):
            value, point = r[k], order[k]
            m = k
            while m > start and r[m - 1] > value:
                r[m], order[m] = r[m - 1], order[m - 1]
                m -= 1
            against += k - m
            r[m], order[m] = value, point
    width = _RUN
    while width < n:
        for start in range(0, n, 2 * width):
            middle, end = min(start + width, n), min(start + 2 * width, n)
            if middle >= end or r[middle - 1] <= r[middle]:
                continue
            r_work[start:middle], order_work[start:middle] = r[start:middle], order[start:middle]
            i, j, k = start, middle, start
            while i < middle and j < end:
                if r_work[i] <= r[j]:
                    r[k], order[k] = r_work[i], order_work[i]
                    i += 1
                else:
                    r[k], order[k] = r[j], order[j]
                    against += middle - i
                    j += 1
                k += 1
            while i < middle:
                r[k], order[k] = r_work[i], order_work[i]
                i, k = i + 1, k + 1
        width *= 2
    return against


@compiled("i8(i8[::1])")
def count_inversions(ranks: Integers) -> int:
    """The number of pairs i < j with ranks[i] > ranks[j]; equal ones are none."""
    n = len(ranks)
    values, work, order, order_work = ranks.copy(), np.empty_like(ranks), np.empty_like(ranks), np.empty_like(ranks)
    return merge_sort(values, order, n, work, order_work)


@compiled("i8(i8[::1],i8[::1],i8[::1],i8[::1])")
def list_inversions(ranks: Integers, points: Integers, first: Integers, second: Integers) -> int:
    """Those pairs, by their `points`, as many as `first` and `second` hold: by insertion each is exchanged once."""
    ranks, points = ranks.copy(), points.copy()
    found, room = 0, len(first)
    for k in range(1, len(ranks)):
        value, point = ranks[k], points[k]
        m = k
        while m > 0 and ranks[m - 1] > value and found < room:
            first[found], second[found] = points[m - 1], point
            found += 1
            ranks[m], points[m] = ranks[m - 1], points[m - 1]
            m -= 1
        ranks[m], points[m] = value, point
    return found


@helper
def residual(x: float, t: float, theta: float) -> tuple[float, float]:
    """x - theta t as a sum of two doubles, to some 104 bits (two-product by Veltkamp's split, two-sum by Knuth)."""
    product = theta * t
    theta_high = _SPLIT * theta - (_SPLIT * theta - theta)
    t_high = _SPLIT * t - (_SPLIT * t - t)
    theta_low, t_low = theta - theta_high, t - t_high
    error = theta_low * t_low - (((product - theta_high * t_high) - theta_low * t_high) - theta_high * t_low)
    total = x - product
    shadow = total - x
    rest = ((x - (total - shadow)) - (product + shadow)) - error
    high = total + rest
    return high, rest - (high - total)


@compiled("i8(f8[::1],f8[::1],f8,b1,i8[::1])")
def order_exactly(x: Floats, t: Floats, theta: float, or_equal: bool, order: Integers) -> int:
    """Fills `order` with the points by x - theta t, equal ones in the order of time, or against it for `or_equal`;
    returns how many slopes are below `theta`, or equal to it."""
    n = len(x)
    high, low, work = np.empty(n), np.empty(n), np.empty(n)
    order_work = np.empty(n, np.int64)
    for k in range(n):
        i = n - 1 - k if or_equal else k
        high[k], low[k] = residual(x[i], t[i], theta)
        order[k] = k
    against = merge_sort(high, order, n, work, order_work)
    start = 0
    for k in range(1, n + 1):
        if k == n or high[k] != high[start]:
            if k - start > 1:
                tied = low[order[start:k]]
                against += merge_sort(tied, order[start:], k - start, work, order_work)
            start = k
    if not or_equal:
        return against
    for k in range(n):
        order[k] = n - 1 - order[k]
    return n * (n - 1) // 2 - against
