"""Least squares by Householder QR of centred columns scaled by powers of two."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Solution:
    """What a solver hands on: everything inference needs, and nothing of how it was found.

    `coef` and `unit_se` (the square roots of the diagonal of (X'WX)^-1) have one entry a column of the design, NaN
    where the column was dropped; `rss` is the weighted residual sum of squares, `tss` the weighted total sum of
    squares (about the weighted mean when there is an intercept, about zero else); `kept` are the columns used;
    `condition` is the ratio of the extreme singular values of the kept columns, each scaled to unit length.
    """

    coef: FloatArray
    unit_se: FloatArray
    rss: float
    tss: float
    kept: list[int]
    condition: float


@np.errstate(over="ignore")
def solve(design: FloatArray, y: FloatArray, weights: FloatArray | None, *, intercept: bool) -> Solution:
    """Minimise sum(w (y - X b)^2) for an n x p `design` whose first column is the constant when `intercept`.

    Centring and scaling by powers of two change no digit that matters: a shift by one double is exact to the last
    place of the difference, the scaling is exact, and the constant column takes the shift back up.
    """
    root, w_exponent = _roots(weights, len(y))
    centre, y_centre = np.zeros(design.shape[1]), 0.0
    if intercept:
        centre[1:], y_centre = _centres(design[:, 1:], root), float(_centres(y[:, None], root)[0])
    columns = (design - centre) * root[:, None]
    target = (y - y_centre) * root
    exponent, y_exponent = _exponents(columns), int(_exponents(target[:, None])[0])
    columns, target = np.ldexp(columns, -exponent), np.ldexp(target, -y_exponent)
    lengths = np.linalg.norm(np.ldexp(design * root[:, None], -exponent), axis=0)

    kept = independent_columns(columns, lengths)
    q, r = np.linalg.qr(columns[:, kept])
    projection = q.T @ target
    residual = target - q @ projection
    inverse = solve_triangular(r, np.eye(len(kept)))
    coef = np.ldexp(inverse @ projection, y_exponent - exponent[kept])
    unit = np.ldexp(inverse, -exponent[kept][:, None] - w_exponent)
    if intercept:
        coef[0] = uncentred(coef, y_centre, centre[kept])
        unit[0] -= centre[kept][1:] @ unit[1:]
    factor = np.ldexp(r, exponent[kept])
    scale = np.ldexp(1.0, 2 * (y_exponent + w_exponent))
    return Solution(
        coef=_spread(coef, kept, design.shape[1]),
        unit_se=_spread(np.linalg.norm(unit, axis=1), kept, design.shape[1]),
        rss=float(residual @ residual * scale),
        tss=float((_about_mean(target, root) if intercept else target @ target) * scale),
        kept=kept,
        condition=condition_number(factor + np.outer(factor[:, 0], centre[kept]) if intercept else factor),
    )


def power_design(
    columns: Sequence[FloatArray], degree: int, *, intercept: bool
) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """The constant (with `intercept`) and the powers 1..`degree` of each column, and an exponent e a column of it.

    Column j of the design is 2^e[j] times what is returned: each of `columns` is brought below 1 first, so that no
    power leaves a double's range.
    """
    parts = [np.ones(len(columns[0]))] if intercept else []
    exponents = [0] * len(parts)
    for column in columns:
        exponent = int(_exponents(column[:, None])[0])
        unit = np.ldexp(column, -exponent)
        parts += [unit**k for k in range(1, degree + 1)]
        exponents += [exponent * k for k in range(1, degree + 1)]
    return np.column_stack(parts), np.array(exponents)


def independent_columns(columns: FloatArray, lengths: FloatArray) -> list[int]:
    """The columns that add a direction to those before them, first come first kept.

    A column is dependent when what is left of it outside their span is below the rounding of its own entries:
    4 eps sqrt(n) times `lengths`, the length it had before it was centred.
    """
    rows, count = columns.shape
    tolerance = 4.0 * np.finfo(float).eps * np.sqrt(max(rows, count)) * lengths
    if rows >= count:
        diagonal = np.abs(np.diagonal(np.linalg.qr(columns, mode="r")))
        if np.all(diagonal > tolerance):
            return list(range(count))
    kept: list[int] = []
    basis = np.zeros((rows, min(rows, count)))
    for j in range(count):
        span = basis[:, : len(kept)]
        rest = columns[:, j]
        for _ in range(2):  # Gram-Schmidt twice is as orthogonal as Householder (Giraud, Langou, Rozloznik 2005)
            rest = rest - span @ (span.T @ rest)
        length = np.linalg.norm(rest)
        if length > tolerance[j] and len(kept) < rows:
            basis[:, len(kept)] = rest / length
            kept.append(j)
    return kept


def condition_number(factor: FloatArray) -> float:
    """The 2-norm condition number of `factor` (a matrix, or its R factor) with its columns at unit length."""
    if factor.shape[1] == 0:
        return 1.0
    singular = np.linalg.svd(factor / np.linalg.norm(factor, axis=0), compute_uv=False)
    return float(singular[0] / singular[-1]) if singular[-1] > 0 else float("inf")


def _centres(table: FloatArray, root: FloatArray) -> FloatArray:
    """Near the weighted mean of each column; exactly the value of a column that is constant."""
    centres: FloatArray = table[0] + np.average(table - table[0], axis=0, weights=root * root)
    return centres


def _roots(weights: FloatArray | None, rows: int) -> tuple[FloatArray, int]:
    """The square roots of the weights less a power of two, and that power: the largest root is below 1."""
    if weights is None:
        return np.ones(rows), 0
    exponent = (int(np.frexp(weights.max())[1]) + 1) // 2
    return np.sqrt(np.ldexp(weights, -2 * exponent)), exponent


def _exponents(columns: FloatArray) -> npt.NDArray[np.intc]:
    exponents: npt.NDArray[np.intc] = np.frexp(np.max(np.abs(columns), axis=0, initial=0.0))[1]
    return exponents


def uncentred(coef: FloatArray, y_centre: float, centre: FloatArray) -> float:
    """c0 + y_centre - sum(b_j centre_j), rounded once: the terms can be far larger than their sum."""
    terms = (Fraction(float(b)) * Fraction(float(m)) for b, m in zip(coef[1:], centre[1:], strict=True))
    return float(Fraction(float(coef[0])) + Fraction(y_centre) - sum(terms))


def _about_mean(target: FloatArray, root: FloatArray) -> float:
    """The sum of squares of `target` (already times sqrt(w)) about the weighted mean."""
    rest = target - root * (root @ target / (root @ root))
    return float(rest @ rest)


def _spread(values: FloatArray, kept: list[int], count: int) -> FloatArray:
    spread = np.full(count, np.nan)
    spread[kept] = values
    return spread
