"""Rows of a regression reduced to their R factor, a block at a time.

The R factors of blocks, one below the other, have the R factor of all rows, by transformations as stable as those of
the whole (TSQR: Demmel, Grigori, Hoemmen and Langou, 2012); a block stays within the processor's cache.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from services.stats.design import Design, ExponentArray, FloatArray, exponent_of

BLOCK = 1 << 14


@dataclass(frozen=True)
class Factor:
    """`n` weighted rows of [X | y], reduced: `r` (p + 1, p + 1) is their R factor, its diagonal not below 0, of X less
    `centre` (p,) and y less `y_centre`, scaled: true columns are 2^`exponents` times as large, y 2^`y_exponent`,
    roots of weights 2^`w_exponent`. `q` (n, p + 1) is the orthonormal factor, where it was asked for."""

    n: int
    r: FloatArray
    centre: FloatArray
    y_centre: float
    exponents: ExponentArray
    y_exponent: int
    w_exponent: int
    intercept: bool
    q: FloatArray | None = None


def reduce_rows(design: Design, y: FloatArray, weights: FloatArray | None, *, with_q: bool = False) -> Factor:
    """Centring and scaling by powers of two change no digit that matters: a shift by one double is exact to the last
    place of the difference, the scaling is exact, and the constant column takes the shift back up."""
    root, w_exponent = _roots(weights)
    y_exponent = exponent_of(y)
    centre = np.zeros(design.width + 1)
    if design.intercept:
        centre[1:] = _centres(design, y, root, y_exponent)[1:]
    blocks = (
        (table - centre) * root[part, None] if root is not None else table - centre
        for part, table in _tables(design, y, y_exponent, len(y) if with_q else BLOCK)
    )
    q: FloatArray | None = None
    if with_q:
        q, r = _signed(*np.linalg.qr(next(blocks)))
    else:
        parts = [triangle(block) for block in blocks]
        r = parts[0] if len(parts) == 1 else triangle(np.vstack(parts))
    return Factor(
        n=len(y),
        r=upright(r),
        centre=centre[:-1],
        y_centre=float(centre[-1]),
        exponents=design.exponents,
        y_exponent=y_exponent,
        w_exponent=w_exponent,
        intercept=design.intercept,
        q=q,
    )


def triangle(table: FloatArray) -> FloatArray:
    r: FloatArray = np.asarray(np.linalg.qr(table, mode="r"))
    return r


def upright(r: FloatArray) -> FloatArray:
    """An R factor as a square one with no number below 0 on its diagonal."""
    square = np.zeros((r.shape[1], r.shape[1]))
    square[: len(r)] = r * np.where(np.diagonal(r) < 0, -1.0, 1.0)[:, None]
    return square + 0.0  # no negative zero


def _tables(design: Design, y: FloatArray, y_exponent: int, block: int) -> Iterator[tuple[slice, FloatArray]]:
    """[X | y], scaled, a block of rows at a time."""
    for start in range(0, len(y), block):
        part = slice(start, start + block)
        yield part, np.column_stack([design.rows(part), np.ldexp(y[part], -y_exponent)])


def _centres(design: Design, y: FloatArray, root: FloatArray | None, y_exponent: int) -> FloatArray:
    """Near the weighted mean of each column; exactly the value of a column that is constant."""
    first, total, weight = None, np.zeros(design.width + 1), 0.0
    for part, table in _tables(design, y, y_exponent, BLOCK):
        first = table[0].copy() if first is None else first
        weights = np.ones(len(table)) if root is None else root[part] ** 2
        total += weights @ (table - first)
        weight += float(weights.sum())
    assert first is not None
    centres: FloatArray = first + total / weight
    return centres


def _roots(weights: FloatArray | None) -> tuple[FloatArray | None, int]:
    """The square roots of the weights less a power of two, and that power: the largest root is below 1."""
    if weights is None:
        return None, 0
    exponent = (int(np.frexp(weights.max())[1]) + 1) // 2
    return np.sqrt(np.ldexp(weights, -2 * exponent)), exponent


def _signed(q: FloatArray, r: FloatArray) -> tuple[FloatArray, FloatArray]:
    sign = np.where(np.diagonal(r) < 0, -1.0, 1.0)
    wide = np.zeros((len(q), r.shape[1]))
    wide[:, : len(r)] = q * sign
    return wide, r
