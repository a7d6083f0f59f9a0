"""Order statistics of the slopes between the points of a series, without computing all of them.

A pair's slope is below theta exactly where x - theta t is inverted against time (Cole et al. 1989; Matousek 1991).
So the points are ordered by it at one end of a bracket, and sorted from there to the other end by insertion: every
exchange is a slope within the bracket, and none is missed.
"""

import numpy as np

from services.stats.kernels.arrays import Floats, Integers, Limits, Work
from services.stats.kernels.compiled import helper
from services.stats.kernels.ordering import PAD, merge_sort, order_by_counting
from services.stats.kernels.selection import pick

_EPS = 2.0**-52
_COUNTED = 300
"""Up to so many points their order is found by counting."""
_SPREAD = 1.1
"""Half width of a first bracket, in root mean squares of a quantile's error in a sample of independent slopes."""
_SHIFTS = 150
"""Exchanges a point, at most, before sorting anew is faster."""
_TRIES = 8


@helper
def uncertainty(theta: float, spread: float, length: float, gap: float) -> float:
    """How far a slope may lie from `theta` and yet be taken for one on its other side, or equal to it: x - theta t is
    rounded. Of values within `spread` and times within `length`, none nearer to each other than `gap`."""
    return 4 * _EPS * ((spread + abs(theta) * length) / gap + abs(theta))


@helper
def all_slopes(x: Floats, t: Floats, n: int, slopes: Floats) -> None:
    k = 0
    for lag in range(1, n):
        for i in range(n - lag):
            slopes[k + i] = (x[i + lag] - x[i]) / (t[i + lag] - t[i])
        k += n - lag


@helper
def sort_at(theta: float, level: Floats, clock: Floats, n: int, work: Work) -> int:
    """Fills the order with the points by x - theta t; returns how many slopes are below theta."""
    r, r_work, order, order_work = work[:4]
    for i in range(n):
        r[PAD + i] = level[i] - theta * clock[i]
    if n <= _COUNTED:
        return order_by_counting(r, n, order)
    for i in range(n):
        r_work[i], order[i] = r[PAD + i], i
    return merge_sort(r_work, order, n, r[PAD:], order_work)


@helper
def move(theta: float, level: Floats, clock: Floats, n: int, work: Work) -> int:
    """Sorts the order on to `theta` by insertion; returns the change in the number of slopes below, or a number beyond
    n^2 where that takes longer than to sort anew."""
    _, r, order, _ = work[:4]
    change, left = 0, _SHIFTS * n
    for k in range(n):
        r[k] = level[order[k]] - theta * clock[order[k]]
    for k in range(1, n):
        value, point = r[k], order[k]
        m = k
        while m > 0 and r[m - 1] > value:
            other = order[m - 1]
            r[m], order[m] = r[m - 1], other
            change += 1 if other < point else -1
            m -= 1
        r[m], order[m] = value, point
        left -= k - m
        if left < 0:
            return n * n + 1
    return change


@helper
def enumerate_to(theta: float, x: Floats, t: Floats, level: Floats, clock: Floats, n: int, work: Work) -> int:
    """As `move`, with the slopes that are passed: returns how many, -1 where there are more than there is room for."""
    _, r, order, _, slopes = work[:5]
    found = 0
    for k in range(n):
        r[k] = level[order[k]] - theta * clock[order[k]]
    for k in range(1, n):
        value, point = r[k], order[k]
        if found + k > len(slopes):
            return -1
        x_point, t_point = x[point], t[point]
        m = k
        while m > 0 and r[m - 1] > value:
            other = order[m - 1]
            r[m], order[m] = r[m - 1], other
            slopes[found] = (x_point - x[other]) / (t_point - t[other])
            found += 1
            m -= 1
        r[m], order[m] = value, point
    return found


@helper
def sample_slopes(x: Floats, t: Floats, earlier: Integers, later: Integers, sample: Floats) -> None:
    for k in range(len(earlier)):
        i, j = earlier[k], later[k]
        sample[k] = (x[j] - x[i]) / (t[j] - t[i])


@helper
def in_one_bracket(
    x: Floats,
    t: Floats,
    level: Floats,
    clock: Floats,
    n: int,
    limits: Limits,
    ranks: Integers,
    picked: Floats,
    earlier: Integers,
    later: Integers,
    work: Work,
) -> bool:
    """Fills `picked` with the slopes of `ranks` out of one bracket about them all; whether that could be done.
    `limits` are the spread of the level, the length of the clock, and its least gap."""
    slopes, bins, counts, few, sample = work[4:9]
    pairs, size = n * (n - 1) // 2, len(earlier)
    sample_slopes(x, t, earlier, later, sample)
    places = np.empty(2, np.int64)
    ends = np.empty(2)
    relative = np.empty(4, np.int64)
    for attempt in range(3):
        reach = _SPREAD * 2**attempt * np.sqrt(size) * 0.5 + 1
        places[0] = int(np.floor(ranks[0] / pairs * size - reach))
        places[1] = int(np.ceil(ranks[3] / pairs * size + reach))
        if places[0] < 0 or places[1] >= size:
            return False
        pick(sample, size, places, ends, bins, counts, few)
        low, high = ends[0], ends[1]
        low -= 3 * uncertainty(low, *limits)
        high += 3 * uncertainty(high, *limits)
        below = sort_at(low, level, clock, n, work)
        if below > ranks[0]:
            continue
        found = enumerate_to(high, x, t, level, clock, n, work)
        if found < 0:
            return False
        if below + found <= ranks[3]:
            continue
        relative[:] = ranks - below
        pick(slopes, found, relative, picked, bins, counts, few)
        lowest, highest = low + uncertainty(low, *limits), high - uncertainty(high, *limits)
        return bool(picked[0] > lowest and picked[3] < highest)
    return False


@helper
def in_three_brackets(
    x: Floats,
    t: Floats,
    level: Floats,
    clock: Floats,
    n: int,
    limits: Limits,
    ranks: Integers,
    zeros: tuple[int, int],
    picked: Floats,
    earlier: Integers,
    later: Integers,
    work: Work,
) -> bool:
    """As `in_one_bracket`, with one for each of the limits and the median: for long series. `zeros` are the first rank
    of a slope of 0 and the first above it."""
    bins, counts, few, sample = work[5:9]
    pairs, size = n * (n - 1) // 2, len(earlier)
    sample_slopes(x, t, earlier, later, sample)
    places = np.array([ranks[0] * size // pairs, ranks[3] * size // pairs])
    ends = np.empty(2)
    pick(sample, size, places, ends, bins, counts, few)
    low, high = ends[0], ends[1]
    low_count = sort_at(low, level, clock, n, work)
    count = high_count = arrive(high, low_count, level, clock, n, work)
    for first in (3, 1, 0):
        last = 2 if first == 1 else first
        if zeros[0] <= ranks[first] and ranks[last] < zeros[1]:
            picked[first : last + 1] = 0.0
            continue
        known = (low, low_count, high, high_count)
        wanted = (ranks[first], ranks[last])
        count = bracket(x, t, level, clock, n, limits, wanted, known, count, picked[first : last + 1], work)
        if count < 0:
            return False
    return True


@helper
def arrive(theta: float, count: int, level: Floats, clock: Floats, n: int, work: Work) -> int:
    """Brings the order, of which `count` slopes are below, to `theta`; returns how many are below that."""
    change = move(theta, level, clock, n, work)
    return sort_at(theta, level, clock, n, work) if change > n * n else count + change


@helper
def bracket(
    x: Floats,
    t: Floats,
    level: Floats,
    clock: Floats,
    n: int,
    limits: Limits,
    wanted: tuple[int, int],
    known: tuple[float, int, float, int],
    count: int,
    picked: Floats,
    work: Work,
) -> int:
    """Fills `picked` with the slopes of the ranks `wanted`; the count at which the order then is, or -1.

    `known` are two slopes and their counts: what is between them and about them is taken for evenly spread.
    """
    slopes, bins, counts, few = work[4:8]
    first, last = wanted
    low, low_count, high, high_count = known
    reach = 2 * n
    relative = np.empty(len(picked), np.int64)
    for _ in range(_TRIES):
        if low_count >= high_count:
            return -1
        step = (high - low) / (high_count - low_count)
        near, near_count = (low, low_count) if first - low_count < high_count - last else (high, high_count)
        top = near + (last + reach - near_count) * step
        bottom = near + (first - reach - near_count) * step
        if not bottom + uncertainty(bottom, *limits) < top - uncertainty(top, *limits):
            return -1
        reach *= 2
        count = arrive(top, count, level, clock, n, work)
        if count <= last:
            low, low_count = top, count
            if high_count <= count:
                high, high_count = known[2], known[3]
            continue
        found = enumerate_to(bottom, x, t, level, clock, n, work)
        if found < 0:
            return -1
        count -= found
        if count > first:
            high, high_count = bottom, count
            continue
        relative[0], relative[-1] = first - count, last - count
        pick(slopes, found, relative, picked, bins, counts, few)
        inside = picked[0] > bottom + uncertainty(bottom, *limits) and picked[-1] < top - uncertainty(top, *limits)
        return count if inside else -1
    return -1
