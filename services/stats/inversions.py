"""Pairs of a sequence that stand in the wrong order, counted and listed by a few passes over arrays a level."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

IndexArray = npt.NDArray[np.int64]
_RUN = 32


def count_inversions(ranks: IndexArray) -> int:
    """The number of pairs i < j with ranks[i] > ranks[j], for integers from 0 below 2^30; equal ones are none.

    Neighbours are merged to runs twice as long, by sorting: a value of the right half of a run stands behind as many
    of the left half as are not above it, so the sum of the places of the right half tells the inversions.
    """
    size = max(_RUN, 1 << max(0, len(ranks) - 1).bit_length())
    values = np.full(size, 1 << 30, dtype=np.int32)
    values[: len(ranks)] = ranks
    runs = values.reshape(-1, _RUN)
    total = sum(int(np.count_nonzero(runs[:, :-lag] > runs[:, lag:])) for lag in range(1, _RUN))
    half = _RUN
    marked = values.astype(np.int64) << 1
    while half < size:
        runs = marked.reshape(-1, 2 * half) & ~1
        runs[:, half:] |= 1
        runs.sort(axis=1)
        places = (runs & 1).sum(axis=0) @ np.arange(2 * half)
        total += len(runs) * (half * half + half * (half - 1) // 2) - int(places)
        marked, half = runs.reshape(-1), 2 * half
    return total


def list_inversions(ranks: IndexArray, block: int) -> Iterator[tuple[IndexArray, IndexArray]]:
    """The positions (i, j) of those pairs, some `block` of them at a time (more only where one j has more).

    The values are split by one bit at a time, from the highest, as in a wavelet tree: of a pair whose higher bits
    agree the bit decides, so that each pair is met at one level only.
    """
    for ones, zeros, before, start in _levels(ranks):
        ends = np.cumsum(before)
        first = 0
        while first < len(zeros):
            done = ends[first - 1] if first else 0
            last = max(first + 1, int(np.searchsorted(ends, done + block, side="right")))
            counts = before[first:last]
            within = np.arange(ends[last - 1] - done) - np.repeat(ends[first:last] - counts - done, counts)
            yield ones[np.repeat(start[first:last], counts) + within], np.repeat(zeros[first:last], counts)
            first = last


def _levels(ranks: IndexArray) -> Iterator[tuple[IndexArray, IndexArray, IndexArray, IndexArray]]:
    """For each bit: the positions whose bit is one, those whose bit is zero, and for each of the latter how many of
    the former stand before it in its group (of equal higher bits) and where among `ones` the group's first is."""
    values = np.asarray(ranks)
    order = np.arange(len(values))
    starts = np.zeros(len(values), dtype=np.int64)  # where the group of each place begins
    for bit in reversed(range(int(values.max(initial=0)).bit_length())):
        one = (values >> bit & 1).astype(bool)
        zero = ~one
        ones_before = np.concatenate(([0], np.cumsum(one)))
        zero_start, one_start = starts[zero], starts[one]
        first = ones_before[zero_start]
        yield order[one], order[zero], ones_before[:-1][zero] - first, first
        # all zeros, then all ones: groups stay together, as in a wavelet matrix
        order = np.concatenate((order[zero], order[one]))
        values = np.concatenate((values[zero], values[one]))
        starts = np.concatenate((zero_start - first, len(zero_start) + ones_before[one_start]))
