"""64 filters side by side, so that one instruction of the processor serves eight of them.

All that a step touches lies in one array of rows of 64 at places known when it is compiled: only so does the compiler
see that the lanes do not meet.
"""

from math import inf, log, nan

import numpy as np

from services.stats.kalman.kernels import algebra as a
from services.stats.kalman.kernels.step import (
    OPENING,
    STATE,
    TAKEN,
    ByteArray,
    FloatArray,
    IndexArray,
    pack,
    predicted,
    symmetric,
    unpacked,
    updated,
)
from services.stats.kernels.compiled import helper

LANES = 64
SPAN = 64
"""Steps that are run before they are turned to the rows of the series."""
_UNKNOWN = 15 * LANES
_NOISE, _Z, _R = 16 * LANES, 22 * LANES, 23 * LANES
_MEAN, _SD = 24 * LANES, 27 * LANES
_VALUE, _NIS, _KIND, _VARIANCE = 30 * LANES, 31 * LANES, 32 * LANES, 33 * LANES
_PRODUCT, _TAKEN, _OPENED, _SUM = 34 * LANES, 35 * LANES, 36 * LANES, 37 * LANES
_WIDTH = 38 * LANES
_SAFE = 1e250


@helper
def run_lanes(
    start: int, out: FloatArray, z: FloatArray, r: FloatArray, f: FloatArray, q: FloatArray, at: IndexArray,
    scale: FloatArray, gate: float, states: FloatArray, mean: FloatArray, sd: FloatArray, innovation: FloatArray,
    nis: FloatArray, kinds: ByteArray, sums: FloatArray,
) -> None:  # fmt: skip
    """As `run_filter`, up to LANES series from `start` on; `out` is of `room`. Without `kinds` only the ends and the
    sums are written."""
    lanes = min(LANES, z.shape[0] - start)
    work = np.zeros(_WIDTH)
    work[_Z : _Z + LANES] = nan
    work[_R : _R + LANES] = 1.0
    work[_PRODUCT : _PRODUCT + LANES] = 1.0
    for lane in range(lanes):
        for c in range(STATE):
            work[c * LANES + lane] = states[start + lane, c]
    for k in range(0, z.shape[1], SPAN):
        run_span(work, out, start, k, lanes, z, r, f, q, at, scale, gate, sums)
        if len(kinds):
            lay_out(out, start, k, lanes, mean, sd, innovation, nis, kinds)
    for lane in range(lanes):
        for c in range(STATE):
            states[start + lane, c] = work[c * LANES + lane]
        sums[start + lane, 0] += work[_TAKEN + lane]
        sums[start + lane, 1] += work[_OPENED + lane]
        sums[start + lane, 3] += work[_SUM + lane]


@helper
def room(size: int) -> FloatArray:
    """For what the lanes do in a span, components by steps by lanes."""
    return np.empty((2 * size + 4, SPAN, LANES))


@helper
def run_span(
    work: FloatArray, out: FloatArray, start: int, first: int, lanes: int, z: FloatArray, r: FloatArray,
    f: FloatArray, q: FloatArray, at: IndexArray, scale: FloatArray, gate: float, sums: FloatArray,
) -> None:  # fmt: skip
    """SPAN steps from `first` on, as far as there are; fills `out` [2 n + 4, SPAN, LANES]."""
    own, timed = r.shape[0] > 1, r.shape[1] > 1
    size = (out.shape[0] - 4) // 2
    last = min(first + SPAN, z.shape[1])
    opening = True
    for k in range(first, last):
        for lane in range(lanes):
            work[_Z + lane] = z[start + lane, k]
        if timed or k == first:
            for lane in range(lanes):
                work[_R + lane] = r[start + lane if own else 0, k if timed else 0]
        if k == first or at[k] != at[k - 1]:
            for c in range(6):
                for lane in range(lanes):
                    work[_NOISE + c * LANES + lane] = q[at[k], c] * scale[start + lane]
        opening = opening and is_open(work)
        if opening:
            step_open(work, f[at[k], 0], f[at[k], 1], f[at[k], 2], gate)
        else:
            step_lanes(work, f[at[k], 0], f[at[k], 1], f[at[k], 2], gate)
            if size > 0:
                take_roots(work, size)
        keep(work, out, k - first, size, _MEAN if opening else 0)
        if (k - first) % 8 == 7 or k == last - 1:
            gather_logs(work, out, k - first, start, lanes, sums)


@helper
def is_open(work: FloatArray) -> bool:
    unknown = 0.0
    for i in range(LANES):
        unknown += work[_UNKNOWN + i]
    return unknown > 0


@helper
def step_lanes(w: FloatArray, f01: float, f02: float, f12: float, gate: float) -> None:
    """One step of all lanes, nothing of which is unknown."""
    for i in range(LANES):
        q = (
            w[_NOISE + i], w[_NOISE + LANES + i], w[_NOISE + 2 * LANES + i],
            w[_NOISE + 3 * LANES + i], w[_NOISE + 4 * LANES + i], w[_NOISE + 5 * LANES + i],
        )  # fmt: skip
        mean = w[i], w[LANES + i], w[2 * LANES + i]
        p = w[3 * LANES + i], w[4 * LANES + i], w[5 * LANES + i], w[6 * LANES + i], w[7 * LANES + i], w[8 * LANES + i]
        before = predicted((mean, p, a.EMPTY, 0), (f01, f02, f12), q)
        after, value, variance, nis, kind = updated(before, w[_Z + i], w[_R + i], gate)
        w[i], w[LANES + i], w[2 * LANES + i] = after[0]
        (
            w[3 * LANES + i], w[4 * LANES + i], w[5 * LANES + i], w[6 * LANES + i], w[7 * LANES + i], w[8 * LANES + i],
        ) = after[1]  # fmt: skip
        taken = kind == TAKEN
        w[_VALUE + i], w[_NIS + i], w[_KIND + i], w[_VARIANCE + i] = value, nis, float(kind), variance
        w[_PRODUCT + i] *= variance if taken else 1.0
        w[_TAKEN + i] += 1.0 if taken else 0.0
        w[_SUM + i] += nis if taken else 0.0


@helper
def take_roots(w: FloatArray, size: int) -> None:
    """Standard deviations of the first `size` components."""
    for i in range(LANES):
        w[_SD + i] = np.sqrt(max(w[3 * LANES + i], 0.0))
    if size > 1:
        for i in range(LANES):
            w[_SD + LANES + i] = np.sqrt(max(w[6 * LANES + i], 0.0))
    if size > 2:
        for i in range(LANES):
            w[_SD + 2 * LANES + i] = np.sqrt(max(w[8 * LANES + i], 0.0))


@helper
def step_open(w: FloatArray, f01: float, f02: float, f12: float, gate: float) -> None:
    """One step of all lanes, of some of which something is unknown."""
    for i in range(LANES):
        row = w[i::LANES]
        before = predicted(unpacked(row), (f01, f02, f12), symmetric(row, 16))
        after, value, variance, nis, kind = updated(before, row[22], row[23], gate)
        pack(row, after)
        d = after[2]
        for c, (x, p, unknown) in enumerate(
            ((after[0][0], after[1][0], d[0]), (after[0][1], after[1][3], d[3]), (after[0][2], after[1][5], d[5]))
        ):
            w[_MEAN + c * LANES + i] = nan if unknown > 0 else x
            w[_SD + c * LANES + i] = inf if unknown > 0 else np.sqrt(max(p, 0.0))
        w[_VALUE + i], w[_NIS + i], w[_KIND + i], w[_VARIANCE + i] = value, nis, float(kind), variance
        if kind in (TAKEN, OPENING):
            w[_PRODUCT + i] *= variance
            w[_TAKEN + i] += 1.0
        if kind == TAKEN:
            w[_SUM + i] += nis
        elif kind == OPENING:
            w[_OPENED + i] += 1.0


@helper
def keep(work: FloatArray, out: FloatArray, row: int, size: int, mean: int) -> None:
    """What came of a step; `mean` is the place of its mean."""
    for c in range(size):
        for i in range(LANES):
            out[2 * c, row, i] = work[mean + c * LANES + i]
        for i in range(LANES):
            out[2 * c + 1, row, i] = work[_SD + c * LANES + i]
    for c in range(4):
        for i in range(LANES):
            out[2 * size + c, row, i] = work[_VALUE + c * LANES + i]


@helper
def gather_logs(work: FloatArray, out: FloatArray, row: int, start: int, lanes: int, sums: FloatArray) -> None:
    """The logarithm of a product of up to eight variances; where that leaves a double's range, of each."""
    for lane in range(lanes):
        product = work[_PRODUCT + lane]
        if 1 / _SAFE < product < _SAFE:
            sums[start + lane, 2] += log(product)
        else:
            for k in range(row - row % 8, row + 1):
                kind = out[-2, k, lane]
                if kind in (TAKEN, OPENING):
                    sums[start + lane, 2] += log(out[-1, k, lane])
        work[_PRODUCT + lane] = 1.0


@helper
def lay_out(
    out: FloatArray, start: int, first: int, lanes: int, mean: FloatArray, sd: FloatArray, innovation: FloatArray,
    nis: FloatArray, kinds: ByteArray,
) -> None:  # fmt: skip
    """What the lanes did in a span to the series' rows."""
    size, count = mean.shape[0], min(SPAN, mean.shape[2] - first)
    for lane in range(lanes):
        i = start + lane
        for c in range(size):
            for k in range(count):
                mean[c, i, first + k] = out[2 * c, k, lane]
            for k in range(count):
                sd[c, i, first + k] = out[2 * c + 1, k, lane]
        for k in range(count):
            innovation[i, first + k] = out[2 * size, k, lane]
        for k in range(count):
            nis[i, first + k] = out[2 * size + 1, k, lane]
        for k in range(count):
            kinds[i, first + k] = int(out[2 * size + 2, k, lane])
