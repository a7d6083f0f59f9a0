"""The filter of many series, compiled."""

from math import inf, log, nan, sqrt

from services.stats.kalman.kernels import algebra as a
from services.stats.kalman.kernels.lanes import LANES, room, run_lanes
from services.stats.kalman.kernels.step import (
    OPENING,
    TAKEN,
    ByteArray,
    FloatArray,
    IndexArray,
    pack,
    predicted,
    symmetric,
    unpacked,
    updated,
    vector,
)
from services.stats.kernels.compiled import compiled, helper

GIVEN = "f8[:,::1], f8[:,::1], f8[:,::1], f8[:,::1], i8[::1], f8[::1], f8"
"""z, r, f, q, at, scale and gate, as numba has their types."""
_FEW = 8
"""Fewer series than these are run one by one."""


@helper
def count(sums: FloatArray, variance: float, nis: float, kind: int) -> None:
    """Adds a measurement to the sums of its series."""
    if kind == TAKEN:
        sums[0] += 1
        sums[2] += log(variance)
        sums[3] += nis
    elif kind == OPENING:
        sums[0] += 1
        sums[1] += 1
        sums[2] += log(variance)


@helper
def present(mean: FloatArray, sd: FloatArray, i: int, k: int, x: a.Vector, p: a.Symmetric, d: a.Vector) -> None:
    """Writes a state's components, those whose diffuse variance `d` is above 0 as unknown."""
    variances = p[0], p[3], p[5]
    for c in range(mean.shape[0]):
        unknown = d[c] > 0
        mean[c, i, k] = nan if unknown else x[c]
        sd[c, i, k] = inf if unknown else sqrt(max(variances[c], 0.0))


@compiled(f"void({GIVEN}, f8[:,::1], f8[:,:,::1], f8[:,:,::1], f8[:,::1], f8[:,::1], u1[:,::1], f8[:,::1])")
def run_filter(
    z: FloatArray, r: FloatArray, f: FloatArray, q: FloatArray, at: IndexArray, scale: FloatArray, gate: float,
    states: FloatArray, mean: FloatArray, sd: FloatArray, innovation: FloatArray, nis: FloatArray, kinds: ByteArray,
    sums: FloatArray,
) -> None:  # fmt: skip
    """Filters `z` [m, T], whose NaN are missing, with variances `r` [m or 1, T or 1].

    Step k goes by the transition f[at[k]] and the noise q[at[k]] times scale[i]. `states` [m, STATE] is where each
    series starts and, afterwards, where it ends. Written: `mean` and `sd` [n, m, T], `innovation`, `nis` and `kinds`
    [m, T], `sums` [m, SUMS]. Where `kinds` is empty only the ends and the sums are.
    """
    start, out = 0, room(mean.shape[0])
    while z.shape[0] - start >= _FEW:
        run_lanes(start, out, z, r, f, q, at, scale, gate, states, mean, sd, innovation, nis, kinds, sums)
        start += LANES
    own, timed = r.shape[0] > 1, r.shape[1] > 1
    for i in range(start, z.shape[0]):
        state = unpacked(states[i])
        for k in range(z.shape[1]):
            before = predicted(state, vector(f[at[k]], 0), a.raised_by(symmetric(q[at[k]], 0), scale[i]))
            state, value, variance, norm, kind = updated(before, z[i, k], r[i if own else 0, k if timed else 0], gate)
            count(sums[i], variance, norm, kind)
            if len(kinds) == 0:
                continue
            innovation[i, k], nis[i, k], kinds[i, k] = value, norm, kind
            diffuse = state[2]
            present(mean, sd, i, k, state[0], state[1], (diffuse[0], diffuse[3], diffuse[5]))
        pack(states[i], state)
