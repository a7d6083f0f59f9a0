"""Chroma from luma, as AV1 predicts it: what a block's colour owes to its brightness, as one number a block.

AV1 Bitstream & Decoding Process Specification, section 7.11.5; Trudeau, Egge & Barr (2018). A block's prediction is
clip(DC + Round2Signed(alpha_q3 L_AC_q3, 6)): L_AC are the luma samples that lie under each chroma sample, averaged, in
eighths and less their mean, alpha a whole number of eighths from -2 to 2, and DC what intra prediction makes of the
chroma samples above and to the left.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from services.stats.leastsquares import FloatArray

S = TypeVar("S", bound=np.generic)
IntArray = npt.NDArray[np.int32]
Subsampling = Literal["4:2:0", "4:2:2", "4:4:4"]
Dc = Literal["neighbours", "mean"]

STEPS: dict[Subsampling, tuple[int, int]] = {"4:2:0": (2, 2), "4:2:2": (1, 2), "4:4:4": (1, 1)}
"""Luma samples a chroma sample, down and across."""
LARGEST = 16
"""Of |alpha_q3|: a bitstream has words for 16 magnitudes and their signs."""
_CANDIDATES = np.array(sorted(range(-LARGEST, LARGEST + 1), key=lambda q: (abs(q), -q)), dtype=np.int32)
"""The nearest to 0 first, which wins where two predict equally well."""
_STRIP = 1 << 16


@dataclass(frozen=True)
class Fit:
    """One entry a block, (rows, columns): `alpha_q3` in eighths and `dc`; `sse`, the squared error over the block's
    samples within the picture, and `sse_dc`, that of DC alone; `alpha_exact` by least squares, before it is rounded and
    clamped, NaN where the luma is flat. `prediction` (h, w) is of the whole plane.
    """

    alpha_q3: IntArray
    alpha_exact: FloatArray
    dc: IntArray
    sse: npt.NDArray[np.int64]
    sse_dc: npt.NDArray[np.int64]
    prediction: IntArray


def chroma_shape(luma: tuple[int, int], subsampling: Subsampling) -> tuple[int, int]:
    """Rows and columns of the chroma planes beside a luma plane of that shape."""
    down, across = STEPS[subsampling]
    return -(-luma[0] // down), -(-luma[1] // across)


def fit(
    luma: IntArray,
    chroma: IntArray,
    *,
    subsampling: Subsampling = "4:2:0",
    block: int = 16,
    bit_depth: int = 8,
    dc: Dc = "neighbours",
    check: Callable[[], None] = lambda: None,
) -> Fit:
    """Of planes of samples 0 to 2^bit_depth - 1, that of `chroma` as `chroma_shape` has it; `block` is the side of a
    block in luma samples (8, 16 or 32, with 4:4:4 also 4), such that the chroma block is at least 4 x 4.

    Every block takes the alpha of 33 that predicts its samples best. Blocks that reach beyond the picture are filled
    with its last column and row, as AV1 does. `dc` neighbours is AV1's DC_PRED from the plane itself; mean is the mean
    of the block.
    """
    down, across = STEPS[subsampling]
    high, wide = block // down, block // across
    rows, columns = -(-chroma.shape[0] // high), -(-chroma.shape[1] // wide)
    padded = _filled(chroma, rows * high, columns * wide)
    within = np.zeros(padded.shape, dtype=bool)
    within[: chroma.shape[0], : chroma.shape[1]] = True
    ac = _without_mean(_blocks(_filled(in_eighths(luma, subsampling), *padded.shape), high, wide))
    samples, counted = _blocks(padded, high, wide), _blocks(within, high, wide)
    levels = _neighbours(padded, high, wide, bit_depth) if dc == "neighbours" else _means(samples, counted)
    alpha, exact = np.zeros((rows, columns), dtype=np.int32), np.zeros((rows, columns))
    sse = np.zeros((2, rows, columns), dtype=np.int64)
    predicted = np.empty_like(samples)
    for strip in _strips(rows, columns * high * wide):
        check()
        found = _best(ac[strip], samples[strip], counted[strip], levels[strip], (1 << bit_depth) - 1)
        alpha[strip], predicted[strip], sse[0, strip], sse[1, strip] = found
        exact[strip] = _least_squares(ac[strip], samples[strip], counted[strip])
    plane = predicted.swapaxes(1, 2).reshape(padded.shape)[: chroma.shape[0], : chroma.shape[1]]
    return Fit(alpha, exact, levels, sse[0], sse[1], np.ascontiguousarray(plane))


def in_eighths(luma: IntArray, subsampling: Subsampling) -> IntArray:
    """Eight times the mean of the luma samples under each chroma sample, exactly: Q3."""
    down, across = STEPS[subsampling]
    shape = chroma_shape((luma.shape[0], luma.shape[1]), subsampling)
    even = _filled(luma, shape[0] * down, shape[1] * across)
    sums: IntArray = even.reshape(shape[0], down, shape[1], across).sum(axis=(1, 3), dtype=np.int32)
    return sums * (8 // (down * across))


def round2_signed(value: IntArray, bits: int) -> IntArray:
    """Value / 2^bits to the nearest whole number, halves away from 0."""
    rounded: IntArray = np.sign(value) * ((np.abs(value) + (1 << bits >> 1)) >> bits)
    return rounded


def psnr(sse: int, samples: int, bit_depth: int) -> float:
    """Peak signal-to-noise ratio in decibels; infinite where there is no error."""
    return math.inf if sse == 0 else 10 * math.log10(((1 << bit_depth) - 1) ** 2 * samples / sse)


def _filled(plane: npt.NDArray[np.int32], height: int, width: int) -> IntArray:
    return np.pad(plane, ((0, height - plane.shape[0]), (0, width - plane.shape[1])), mode="edge")


def _blocks(plane: npt.NDArray[S], high: int, wide: int) -> npt.NDArray[S]:
    """(rows, columns, high, wide)"""
    height, width = plane.shape
    return plane.reshape(height // high, high, width // wide, wide).swapaxes(1, 2)


def _without_mean(q3: IntArray) -> IntArray:
    """Less the rounded mean of each block, whose number of samples is a power of two."""
    bits = (q3.shape[2] * q3.shape[3]).bit_length() - 1
    mean = (q3.sum(axis=(2, 3), keepdims=True, dtype=np.int32) + (1 << bits >> 1)) >> bits
    rest: IntArray = q3 - mean
    return rest


def _neighbours(plane: IntArray, high: int, wide: int, bit_depth: int) -> IntArray:
    """DC_PRED (7.11.2.5): the mean of the row above and the column to the left, of one where there is but one, and
    without either the middle of the range."""
    rows, columns = plane.shape[0] // high, plane.shape[1] // wide
    above, left = np.zeros((rows, columns), dtype=np.int32), np.zeros((rows, columns), dtype=np.int32)
    above[1:] = plane[high - 1 : -1 : high].reshape(rows - 1, columns, wide).sum(axis=2)
    left[:, 1:] = plane[:, wide - 1 : -1 : wide].reshape(rows, high, columns - 1).sum(axis=1)
    count = np.zeros((rows, columns), dtype=np.int32)
    count[1:] += wide
    count[:, 1:] += high
    level: IntArray = (above + left + count // 2) // np.maximum(count, 1)
    level[0, 0] = 1 << (bit_depth - 1)
    return level


def _means(samples: IntArray, counted: npt.NDArray[np.bool_]) -> IntArray:
    count = counted.sum(axis=(2, 3))
    level: IntArray = (((samples * counted).sum(axis=(2, 3)) + count // 2) // count).astype(np.int32)
    return level


def _strips(rows: int, samples: int) -> Iterator[slice]:
    step = max(1, _STRIP // samples)
    for start in range(0, rows, step):
        yield slice(start, start + step)


def _best(
    ac: IntArray, samples: IntArray, counted: npt.NDArray[np.bool_], levels: IntArray, top: int
) -> tuple[IntArray, IntArray, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The best alpha of each block, what it predicts, its error and that of alpha 0."""
    alpha = np.zeros(levels.shape, dtype=np.int32)
    best = alone = np.zeros(levels.shape, dtype=np.int64)
    chosen = samples
    for candidate in _CANDIDATES:
        predicted = np.clip(levels[:, :, None, None] + round2_signed(candidate * ac, 6), 0, top)
        errors = np.where(counted, predicted - samples, 0)
        sse = np.einsum("rcij,rcij->rc", errors, errors, dtype=np.int64)
        if candidate == 0:
            alone, best, chosen = sse, sse.copy(), predicted
            continue
        better = sse < best
        alpha[better], best[better], chosen[better] = candidate, sse[better], predicted[better]
    return alpha, chosen, best, alone


def _least_squares(ac: IntArray, samples: IntArray, counted: npt.NDArray[np.bool_]) -> FloatArray:
    luma = np.where(counted, ac / 8.0, 0.0)
    count = counted.sum(axis=(2, 3), keepdims=True)
    luma = np.where(counted, luma - luma.sum(axis=(2, 3), keepdims=True) / count, 0.0)
    squares = (luma**2).sum(axis=(2, 3))
    with np.errstate(invalid="ignore", divide="ignore"):
        slope: FloatArray = (luma * samples).sum(axis=(2, 3)) / squares
    return np.where(squares > 0, slope, np.nan)
