"""A step of the filter of `shared.kalman` once more, compiled.

It is written twice because a step there is some forty calls of NumPy on 2 x 2 matrices, 30 us of Python, and the speed
service, which runs it, has no compiler; here it takes some nanoseconds. The models of motion are written once, there;
tests hold both to the same numbers. Every model is one of three components here: what it has not is known to be 0, and
stays so.
"""

from math import isnan, nan

import numpy as np
from numpy.typing import NDArray

from services.stats.kalman.kernels import algebra as a
from services.stats.kernels.compiled import helper

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]
ByteArray = NDArray[np.uint8]

MISSED, TAKEN, OPENING, GATED = 0, 1, 2, 3
"""What became of a measurement: there was none; it was taken; it was, while the prediction was diffuse; it was not."""
STATE = 16
"""Numbers of a state: 3 of its mean, 6 of its covariance, 6 of the diffuse part, and how many are still unknown."""
SUMS = 4
"""Of a series: measurements taken, those of them while diffuse, and the sums of log variance and of NIS."""

State = tuple[a.Vector, a.Symmetric, a.Symmetric, int]
"""Mean, covariance, diffuse part, components unknown."""


@helper
def predicted(state: State, f: a.Vector, q: a.Symmetric) -> State:
    mean, p, d, unknown = state
    if unknown > 0:
        d = a.spread_onward(f, d)
    return a.onward(f, mean), a.summed(a.spread_onward(f, p), q), d, unknown


@helper
def corrected(p: a.Symmetric, gain: a.Vector, r: float) -> a.Symmetric:
    """Joseph's form."""
    return a.summed(a.kept(gain, p), a.squared(gain, r))


@helper
def updated(state: State, z: float, r: float, gate: float) -> tuple[State, float, float, float, int]:
    """The state with `z` taken in, the innovation, its variance (while diffuse that of its diffuse part), its NIS (NaN
    while diffuse) and what became of it."""
    mean, p, d, unknown = state
    if isnan(z):
        return (mean, p, d, unknown), nan, nan, nan, MISSED
    value = z - mean[0]
    if unknown > 0 and d[0] > 0:
        before = d[0]
        gain = 1.0, d[1] / before, d[2] / before
        mean, p = a.plus(mean, a.scaled(gain, value)), corrected(p, gain, r)
        d = a.kept(gain, d) if unknown > 1 else a.EMPTY
        return (mean, p, d, unknown - 1), value, before, nan, OPENING
    variance = p[0] + r
    precision = 1 / variance
    nis = value * value * precision
    if nis > gate:
        return (mean, p, d, unknown), value, variance, nis, GATED
    gain = a.scaled((p[0], p[1], p[2]), precision)
    return (a.plus(mean, a.scaled(gain, value)), corrected(p, gain, r), d, unknown), value, variance, nis, TAKEN


@helper
def symmetric(row: FloatArray, at: int) -> a.Symmetric:
    return row[at], row[at + 1], row[at + 2], row[at + 3], row[at + 4], row[at + 5]


@helper
def vector(row: FloatArray, at: int) -> a.Vector:
    return row[at], row[at + 1], row[at + 2]


@helper
def write_symmetric(row: FloatArray, at: int, p: a.Symmetric) -> None:
    row[at], row[at + 1], row[at + 2], row[at + 3], row[at + 4], row[at + 5] = p


@helper
def write_vector(row: FloatArray, at: int, v: a.Vector) -> None:
    row[at], row[at + 1], row[at + 2] = v


@helper
def unpacked(row: FloatArray) -> State:
    return vector(row, 0), symmetric(row, 3), symmetric(row, 9), int(row[15])


@helper
def pack(row: FloatArray, state: State) -> None:
    write_vector(row, 0, state[0])
    write_symmetric(row, 3, state[1])
    write_symmetric(row, 9, state[2])
    row[15] = state[3]
