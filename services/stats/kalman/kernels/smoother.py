"""The fixed-interval smoother of many series, compiled: the filter's way forth, then Durbin and Koopman's way back."""

import numpy as np

from services.stats.kalman.kernels import algebra as a
from services.stats.kalman.kernels.filter import GIVEN, count, present
from services.stats.kalman.kernels.step import (
    OPENING,
    TAKEN,
    ByteArray,
    FloatArray,
    IndexArray,
    State,
    pack,
    predicted,
    symmetric,
    unpacked,
    updated,
    vector,
    write_symmetric,
    write_vector,
)
from services.stats.kernels.compiled import compiled, helper

_KEPT = 24
"""Numbers of a step that the way back needs: 15 of the state, 6 of the predicted column, innovation, its variance, r"""


@helper
def keep_step(row: FloatArray, before: State, after: State, value: float, variance: float, r: float) -> None:
    write_vector(row, 0, after[0])
    write_symmetric(row, 3, after[1])
    write_symmetric(row, 9, after[2])
    row[15], row[16], row[17] = before[1][0], before[1][1], before[1][2]
    row[18], row[19], row[20] = before[2][0], before[2][1], before[2][2]
    row[21], row[22], row[23] = value, variance, r


@helper
def go_back(
    kept: FloatArray, f: FloatArray, at: IndexArray, kinds: ByteArray, open_until: int, mean: FloatArray,
    sd: FloatArray, i: int,
) -> None:  # fmt: skip
    """Durbin and Koopman's way back (4.4; 5.3 up to the step `open_until`): r0, N0 gather what later measurements say,
    and r1, N1, N2 what they say of the diffuse part."""
    r0, r1 = a.NONE, a.NONE
    n0, n1, n2 = a.EMPTY, a.BLANK, a.BLANK
    for k in range(len(kinds) - 1, -1, -1):
        row = kept[k]
        x, p, still = vector(row, 0), symmetric(row, 3), a.NONE
        if k > open_until:
            smoothed = a.plus(x, a.seen_by(p, r0))
            spread = less(p, n0)
        else:
            d = symmetric(row, 9)
            smoothed = a.plus(a.plus(x, a.seen_by(p, r0)), a.seen_by(d, r1))
            spread, still = less_while_open(p, d, n0, n1, n2)
        present(mean, sd, i, k, smoothed, spread, still)
        step = vector(f[at[k]], 0)
        if k <= open_until:
            r0, r1, n0, n1, n2 = told_while_open(row, kinds[k], r0, r1, n0, n1, n2)
            whole = a.triangular(step)
            r1, n1, n2 = a.backward(step, r1), a.within(whole, n1, whole), a.within(whole, n2, whole)
        elif kinds[k] == TAKEN:
            r0, n0 = told(row, r0, n0)
        r0, n0 = a.backward(step, r0), a.spread_backward(step, n0)


@helper
def less(p: a.Symmetric, n: a.Symmetric) -> a.Symmetric:
    """The diagonal of P - P N P, in its places."""
    c0, c1, c2 = (p[0], p[1], p[2]), (p[1], p[3], p[4]), (p[2], p[4], p[5])
    return (
        p[0] - a.dot(c0, a.seen_by(n, c0)),
        0.0,
        0.0,
        p[3] - a.dot(c1, a.seen_by(n, c1)),
        0.0,
        p[5] - a.dot(c2, a.seen_by(n, c2)),
    )


@helper
def less_while_open(
    p: a.Symmetric, d: a.Symmetric, n0: a.Symmetric, n1: a.Matrix, n2: a.Matrix
) -> tuple[a.Symmetric, a.Vector]:
    """The covariance given the whole series, and of its diffuse part what is still there, on the diagonal."""
    known, unknown = a.full(p), a.full(d)
    cross = a.times(a.times(unknown, n1), known)
    covariance = a.both(known, a.times(a.times(known, a.full(n0)), known), -1.0)
    covariance = a.both(a.both(covariance, cross, -1.0), a.turned(cross), -1.0)
    covariance = a.both(covariance, a.times(a.times(unknown, n2), unknown), -1.0)
    left = a.both(unknown, a.times(a.times(unknown, n1), unknown), -1.0)
    least = 1e-9 * max(d[0], d[3], d[5])
    still = (
        left[0] if abs(left[0]) > least else 0.0,
        left[4] if abs(left[4]) > least else 0.0,
        left[8] if abs(left[8]) > least else 0.0,
    )
    return a.upper(covariance), still


@helper
def told(row: FloatArray, r0: a.Vector, n0: a.Symmetric) -> tuple[a.Vector, a.Symmetric]:
    """With what the measurement of the step says: keep' r + h v / S, keep' N keep + h h' / S."""
    variance = row[22]
    gain = a.scaled(vector(row, 15), 1 / variance)
    w = a.seen_by(n0, gain)
    first = n0[0] - 2 * w[0] + a.dot(gain, w) + 1 / variance
    return (
        (r0[0] - a.dot(gain, r0) + row[21] / variance, r0[1], r0[2]),
        (first, n0[1] - w[1], n0[2] - w[2], n0[3], n0[4], n0[5]),
    )


@helper
def told_while_open(
    row: FloatArray, kind: int, r0: a.Vector, r1: a.Vector, n0: a.Symmetric, n1: a.Matrix, n2: a.Matrix
) -> tuple[a.Vector, a.Vector, a.Symmetric, a.Matrix, a.Matrix]:
    if kind == TAKEN:
        gain = a.scaled(vector(row, 15), 1 / row[22])
        r0, n0 = told(row, r0, n0)
        return r0, r1, n0, a.times(n1, a.keep(gain)), n2
    if kind != OPENING:
        return r0, r1, n0, n1, n2
    known, unknown = vector(row, 15), vector(row, 18)
    value, spread, finite = row[21], row[18], row[15] + row[23]
    l0 = a.keep(a.scaled(unknown, 1 / spread))
    l1 = a.column(a.plus(a.scaled(unknown, finite / spread**2), a.scaled(known, -1 / spread)))
    later = a.full(n0)
    crossed = a.within(l0, n1, l1)
    m2 = a.both(a.both(a.within(l0, n2, l0), crossed, 1.0), a.turned(crossed), 1.0)
    m2 = a.raised(a.both(m2, a.within(l1, later, l1), 1.0), -finite / spread**2)
    m1 = a.raised(a.both(a.within(l0, n1, l0), a.within(l1, later, l0), 1.0), 1 / spread)
    gain0, gain1 = (1 - l0[0], -l0[3], -l0[6]), (l1[0], l1[3], l1[6])
    s0 = r0[0] - a.dot(gain0, r0), r0[1], r0[2]
    s1 = r1[0] - a.dot(gain0, r1) + a.dot(gain1, r0) + value / spread, r1[1], r1[2]
    return s0, s1, a.upper(a.within(l0, later, l0)), m1, m2


@compiled(f"void({GIVEN}, f8[:,::1], f8[:,:,::1], f8[:,:,::1], f8[:,::1], f8[:,::1], u1[:,::1], f8[:,::1])")
def run_smoother(
    z: FloatArray, r: FloatArray, f: FloatArray, q: FloatArray, at: IndexArray, scale: FloatArray, gate: float,
    states: FloatArray, mean: FloatArray, sd: FloatArray, innovation: FloatArray, nis: FloatArray, kinds: ByteArray,
    sums: FloatArray,
) -> None:  # fmt: skip
    """As `run_filter`, but `mean` and `sd` are of the state given the whole series."""
    own, timed = r.shape[0] > 1, r.shape[1] > 1
    kept = np.empty((z.shape[1], _KEPT))
    for i in range(z.shape[0]):
        state = unpacked(states[i])
        open_until = -1  # the last step before which something is diffuse
        for k in range(z.shape[1]):
            before = predicted(state, vector(f[at[k]], 0), a.raised_by(symmetric(q[at[k]], 0), scale[i]))
            noise = r[i if own else 0, k if timed else 0]
            state, value, variance, norm, kind = updated(before, z[i, k], noise, gate)
            count(sums[i], variance, norm, kind)
            innovation[i, k], nis[i, k], kinds[i, k] = value, norm, kind
            if before[3] > 0:
                open_until = k
            keep_step(kept[k], before, state, value, variance, noise)
        pack(states[i], state)
        go_back(kept, f, at, kinds[i], open_until, mean, sd, i)
