"""The scores and slopes of many series of one length."""

import numpy as np

from services.stats.kernels.arrays import Flags, Floats, Integers, Work
from services.stats.kernels.compiled import compiled, helper
from services.stats.kernels.ordering import PAD, falling_and_rising, merge_sort, padded
from services.stats.kernels.selection import pick
from services.stats.kernels.slopes import all_slopes, in_one_bracket, in_three_brackets

_COUNTED = 300
"""Up to so many points all pairs are compared: faster than sorting."""
_ALL = 46
"""Up to so many points all slopes are computed."""
_ONE_BRACKET = 1000
"""Up to so many points the limits and the median are within one bracket; beyond, one for each is faster."""


def room(n: int) -> int:
    """How many slopes are listed at once, at most."""
    return min(max(1, n * (n - 1) // 2), max(1 << 18, 16 * n))


def sample_size(n: int) -> int:
    return 256 if n <= 128 else 1024 if n <= 512 else 2048 if n <= _ONE_BRACKET else 8192 if n <= 4000 else 1 << 16


@helper
def tie_sum(ordered: Floats, n: int) -> tuple[int, int]:
    """The sum of m(m-1)(2m+5) over the runs of m equal values, and of m(m-1)/2."""
    total, tied, run = 0, 0, 1
    for k in range(1, n + 1):
        if k < n and ordered[k] == ordered[k - 1]:
            run += 1
        else:
            total += run * (run - 1) * (2 * run + 5)
            tied += run * (run - 1) // 2
            run = 1
    return total, tied


@helper
def score(x: Floats, n: int, work: Work) -> tuple[int, int, int]:
    """Falling pairs, tied pairs, and the sum of m(m-1)(2m+5) over the ties."""
    r, ordered, order, order_work = work[:4]
    pairs = n * (n - 1) // 2
    if n <= _COUNTED:
        r[PAD : PAD + n] = x
        falling, rising = falling_and_rising(r, n)
        if falling + rising == pairs:
            return falling, 0, 0
        ordered[:n] = x
        ordered[:n].sort()
    else:
        ordered[:n] = x
        falling = merge_sort(ordered, order, n, r[PAD:], order_work)
    ties, tied = tie_sum(ordered, n)
    return falling, tied, ties


@helper
def limit_ranks(n: int, ties: int, z: float) -> tuple[int, int]:
    """As `services.stats.scores.limit_ranks`."""
    pairs = n * (n - 1) // 2
    reach = z * np.sqrt((n * (n - 1) * (2 * n + 5) - ties) / 18)
    low = max(int(np.rint((pairs - reach) / 2)) - 1, 0)
    high = min(int(np.rint((pairs + reach) / 2)), pairs - 1)
    return low, high


@helper
def median(x: Floats, n: int, work: Work) -> float:
    bins, counts, few = work[5:8]
    places = np.array([(n - 1) // 2, n // 2])
    found = np.empty(2)
    pick(x, n, places, found, bins, counts, few)
    return float(found[0] if n % 2 else (found[0] + found[1]) / 2)


@helper
def clock_of(t: Floats, n: int, clock: Floats) -> tuple[float, float]:
    """Fills `clock` with the times about their middle; returns how far they reach, and the least gap."""
    gap = t[n - 1] - t[0]
    for i in range(n):
        clock[i] = t[i] - t[n // 2]
        if i > 0:
            gap = min(gap, t[i] - t[i - 1])
    return max(-clock[0], clock[n - 1]), gap


@helper
def workspace(n: int, room: int, sample: int) -> Work:
    r = padded(n)
    most = max(n, room, sample)
    return (
        r,
        np.empty(n),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty(room),
        np.empty(most, np.int32),
        np.empty(4097, np.int64),
        np.empty(most),
        np.empty(sample),
    )


@compiled("b1[::1](f8[:,::1],f8[:,::1],f8[::1],i8,i8[::1],i8[::1],f8[:,::1])")
def score_rows(
    x_rows: Floats, t_rows: Floats, widths: Floats, room: int, earlier: Integers, later: Integers, out: Floats
) -> Flags:
    """Fills the columns of `out` with s, the sums of m(m-1)(2m+5) and of m(m-1)/2 over the ties, the median slope, its
    limits at `widths` standard deviations of s, and the median of x, for each row of `x_rows`; whether the slopes could
    be told apart. `t_rows` has as many rows, or one; `earlier` and `later` are the pairs of a sample of slopes."""
    rows, n = x_rows.shape
    pairs = n * (n - 1) // 2
    done = np.ones(rows, np.bool_)
    work = workspace(n, room, len(earlier))
    slopes, bins, counts, few = work[4:8]
    ranks, picked = np.empty(4, np.int64), np.empty(4)
    level, clock = np.empty(n), np.empty(n)
    length, gap = 0.0, 0.0
    for row in range(rows):
        x, t = x_rows[row], t_rows[row if len(t_rows) > 1 else 0]
        falling, tied, ties = score(x, n, work)
        low, high = limit_ranks(n, ties, widths[row])
        ranks[0], ranks[1], ranks[2], ranks[3] = low, (pairs - 1) // 2, pairs // 2, high
        if low >= falling and high < falling + tied:
            picked[:] = 0.0
        elif n <= _ALL:
            all_slopes(x, t, n, slopes)
            pick(slopes, pairs, ranks, picked, bins, counts, few)
        else:
            if row == 0 or len(t_rows) > 1 or gap == 0.0:
                length, gap = clock_of(t, n, clock)
            spread = 0.0
            for i in range(n):
                level[i] = x[i] - x[n // 2]
                spread = max(spread, abs(level[i]))
            limits = (spread, length, gap)
            if n <= _ONE_BRACKET:
                done[row] = in_one_bracket(x, t, level, clock, n, limits, ranks, picked, earlier, later, work)
            else:
                zeros = (falling, falling + tied)
                done[row] = in_three_brackets(x, t, level, clock, n, limits, ranks, zeros, picked, earlier, later, work)
        out[0, row] = pairs - 2 * falling - tied
        out[1, row], out[2, row] = ties, tied
        out[3, row] = (picked[1] + picked[2]) / 2
        out[4, row], out[5, row] = picked[0], picked[3]
        out[6, row] = median(x, n, work)
    return done


@compiled("i8[:,::1](f8[:,::1])")
def sign_products(columns: Floats) -> Integers:
    """The sums over i < j of sign(x[j] - x[i]) sign(y[j] - y[i]) for each x and y of `columns`, a pair with NaN being
    none."""
    count, n = columns.shape
    found = np.zeros((count, count), np.int64)
    for g in range(count):
        for h in range(g + 1):
            total = 0
            for lag in range(1, n):
                for i in range(n - lag):
                    x, x_later = columns[g, i], columns[g, i + lag]
                    y, y_later = columns[h, i], columns[h, i + lag]
                    total += ((x_later > x) - (x_later < x)) * ((y_later > y) - (y_later < y))
            found[g, h] = found[h, g] = total
    return found


@compiled("void(f8[::1],f8[::1],i8[::1],f8[::1])")
def group_slopes(x: Floats, t: Floats, starts: Integers, slopes: Floats) -> None:
    """The slopes of all pairs within the groups of `x` that begin at `starts` (the last is the end), lag by lag."""
    k = 0
    for group in range(len(starts) - 1):
        start, end = starts[group], starts[group + 1]
        n = end - start
        all_slopes(x[start:end], t[start:end], n, slopes[k:])
        k += n * (n - 1) // 2
