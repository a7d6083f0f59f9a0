"""Least squares in exact rational arithmetic: every figure is rounded once, at the end.

A double in a JSON document was written as a decimal; its shortest decimal form is that decimal wherever the document
gave at most 15 digits. The normal equations of those decimals are formed and solved in integers, so their condition
costs digits of the integers and none of the answer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from services.stats.design import Design, FloatArray
from services.stats.leastsquares import Solution, condition_number
from shared.errors import FieldError, TooLarge

IntegerArray = np.ndarray[Any, Any]  # of Python's integers: no dtype says so

MAX_WORK = 30_000_000
"""Most work, as `check_work` counts it: some three seconds of one core."""
_BLOCK = 20_000  # integer multiplications between two chances for other threads to run


@dataclass(frozen=True)
class ExactFit:
    """The coefficients (p,) and (X'WX)^-1 (p, p) as integers over `pivot`, of a design whose column j is an integer
    times 10^`exponents`[j], y's integers times 10^`y_exponent`, weights' times 10^`w_exponent`."""

    columns: list[FloatArray]
    degree: int
    intercept: bool
    coef: IntegerArray
    inverse: IntegerArray
    pivot: int
    exponents: list[int]
    y_exponent: int
    w_exponent: int
    solution: Solution

    def mean(self, columns: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
        """The fit at other points and the square root of x' (X'WX)^-1 x there, both (m,), rounded once."""
        check_work(len(columns[0]), len(columns), self.degree, max(1, self.pivot.bit_length() // 2))
        integers = [decimal_integers(column) for column in columns]
        table, exponents = _design(integers, self.degree, len(columns[0]), intercept=self.intercept)
        apart = [there - here for there, here in zip(exponents, self.exponents, strict=True)]
        least = min(apart)
        table = table * np.array([10 ** (each - least) for each in apart], dtype=object)
        unit = _power(least)
        fits = table @ self.coef
        squares = (table @ self.inverse * table).sum(axis=1)
        scale, square_scale = unit * _power(self.y_exponent), unit**2 * _power(-self.w_exponent)
        y = np.array([_round(Fraction(int(each), self.pivot) * scale) for each in fits])
        return y, np.array([_root(Fraction(int(each), self.pivot) * square_scale) for each in squares])


def solve(design: Design, y: FloatArray, weights: FloatArray | None) -> ExactFit:
    """As `leastsquares.solve`, with no rounding before the end.

    Only a column that is exactly dependent on those before it is dropped. Raises TooLarge where the work, told by the
    points, the coefficients and the digits of the numbers, is beyond `MAX_WORK`.
    """
    columns, degree, intercept = list(design.columns), design.degree, design.intercept
    check_work(len(y), len(columns), degree, 1)
    integers = [decimal_integers(column) for column in columns]
    target, y_exponent = decimal_integers(y)
    weight, w_exponent = decimal_integers(np.ones(len(y)) if weights is None else weights)
    check_work(len(y), len(columns), degree, _bits(integers, degree, target, weight))

    table, exponents = _design(integers, degree, len(y), intercept=intercept)
    gram = _gram(np.column_stack([table, target]), weight)
    count = table.shape[1]
    numerators, inverse, pivot, kept = _eliminate(gram[:count, :count], gram[:count, count])
    tss = Fraction(gram[count, count])
    rss = tss - Fraction(int(sum(gram[j, count] * numerators[j] for j in kept)), pivot)
    if intercept:
        tss -= Fraction(gram[0, count] ** 2, gram[0, 0])
    coef, unit_se = np.full(count, np.nan), np.full(count, np.nan)
    for j in kept:
        coef[j] = _round(Fraction(numerators[j], pivot) * _power(y_exponent - exponents[j]))
        unit_se[j] = _root(Fraction(inverse[j, j], pivot) * _power(-2 * exponents[j] - w_exponent))
    scale = _power(2 * y_exponent + w_exponent)
    condition = condition_number(design.rows()[:, kept])
    solution = Solution(coef, unit_se, _round(rss * scale), _round(tss * scale), kept, condition, float(len(kept)))
    return ExactFit(columns, degree, intercept, numerators, inverse, pivot, exponents, y_exponent, w_exponent, solution)


def check_work(rows: int, columns: int, degree: int, bits: int) -> None:
    """Refuse what would take too long: `rows` points, powers of `columns`, entries of the design of `bits` bits.

    In units of 0.1 us, as measured: 4 us to read a number; a product slowed by its bits; an elimination whose numbers
    grow to the bits of a determinant.
    """
    count = columns * degree + 1
    reading = 40 * rows * (columns + 1)
    products = rows * (count + 1) ** 2 * (1 + (bits / 500) ** 1.3)
    elimination = 0.5 * count**3 * (count * bits / 72) ** 1.45
    if reading + products + elimination > MAX_WORK:
        raise TooLarge(
            f"precision high computes exactly, which {rows:,} points, {count} coefficients and numbers of "
            f"{bits // 3} digits make too long: use precision default",
            errors=[FieldError("/precision", "default is right for this size")],
        )


def _bits(integers: list[tuple[IntegerArray, int]], degree: int, target: IntegerArray, weight: IntegerArray) -> int:
    """The most that a product of two entries and a weight can have, halved."""
    longest = max(int(abs(column).max()).bit_length() for column, _ in integers) * degree
    return max(longest, int(abs(target).max()).bit_length()) + int(weight.max()).bit_length() // 2


def decimal_integers(values: FloatArray) -> tuple[IntegerArray, int]:
    """Integers k and an exponent e with values = k 10^e, each value read as its shortest decimal form."""
    decimals = [Decimal(repr(value)).normalize() for value in values.tolist()]
    exponent = min((int(d.as_tuple().exponent) for d in decimals if d), default=0)
    integers = np.empty(len(decimals), dtype=object)
    integers[:] = [int(d.scaleb(-exponent)) for d in decimals]
    return integers, exponent


def _design(
    integers: list[tuple[IntegerArray, int]], degree: int, rows: int, *, intercept: bool
) -> tuple[IntegerArray, list[int]]:
    ones = np.empty(rows, dtype=object)
    ones[:] = 1
    parts, exponents = ([ones], [0]) if intercept else ([], [])
    for column, exponent in integers:
        power = ones
        for k in range(1, degree + 1):
            power = power * column
            parts.append(power)
            exponents.append(k * exponent)
    return np.column_stack(parts), exponents


def _gram(table: IntegerArray, weight: IntegerArray) -> IntegerArray:
    """Z' W Z, a block of rows at a time."""
    width = table.shape[1]
    step = max(1, _BLOCK // width**2)
    total: Any = 0
    for start in range(0, len(table), step):
        block = table[start : start + step]
        total = total + block.T @ (block * weight[start : start + step, None])
    gram: IntegerArray = total
    return gram


def _eliminate(gram: IntegerArray, moment: IntegerArray) -> tuple[IntegerArray, IntegerArray, int, list[int]]:
    """Solve G b = g by fraction-free symmetric elimination (Bareiss 1968).

    Returns b and the inverse of G as numerators over one denominator, that denominator, and the
    columns that had a pivot. G is a Gram matrix, so a zero pivot says that the column depends on those before it, and
    needs no exchange of rows. Rows are [upper part of G | g | lower part of the inverse of the factor]; with pivots
    p_k and the last part's rows r_k, the inverse of G's first k rows is the sum of r_k' r_k / (p_(k-1) p_k).
    """
    count = len(gram)
    table = np.column_stack(
        [gram, moment, np.array([[int(i == j) for j in range(count)] for i in range(count)], object)]
    )
    pivot, kept = 1, []
    solution, inverse = np.zeros(count, object), np.zeros((count, count), object)
    for k in range(count):
        if table[k, k] == 0:
            continue
        previous, pivot = pivot, int(table[k, k])
        row = table[k, count + 1 :]
        solution = (solution * pivot + row * table[k, count]) // previous
        inverse = (inverse * pivot + np.outer(row, row)) // previous
        for i in range(k + 1, count):
            part = slice(i, count + i + 2)
            table[i, part] = (table[i, part] * pivot - table[k, i] * table[k, part]) // previous
        kept.append(k)
    return solution, inverse, pivot, kept


def _power(exponent: int) -> Fraction:
    return Fraction(10) ** exponent


def _round(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _root(value: Fraction) -> float:
    """The square root, to 70 bits before it is rounded to a double."""
    product = value.numerator * value.denominator
    shift = max(0, 70 - product.bit_length() // 2)
    return _round(Fraction(math.isqrt(product << 2 * shift), value.denominator << shift))
