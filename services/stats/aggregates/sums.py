"""Count, sum and mean, without rounding before the end: whatever the order and the partition, the same bits."""

from typing import Any, NamedTuple

import numpy as np

from services.stats.aggregates.aggregator import Document, StateFault, count_of, list_of, number_of
from services.stats.leastsquares import FloatArray

DIGITS = 53
"""Bits of a double's significand."""
_LOW = 26
_MOST_BITS = 1_000
"""Of what a summary adds up to, before and after the point."""


class Exact(NamedTuple):
    """The number mantissa 2^exponent; the mantissa is odd, or both are 0, so that equal numbers are equal pairs."""

    mantissa: int
    exponent: int

    @classmethod
    def of(cls, mantissa: int, exponent: int) -> "Exact":
        if mantissa == 0:
            return cls(0, 0)
        zeros = (mantissa & -mantissa).bit_length() - 1
        return cls(mantissa >> zeros, exponent + zeros)

    def plus(self, other: "Exact") -> "Exact":
        least = min(self.exponent, other.exponent)
        total = (self.mantissa << (self.exponent - least)) + (other.mantissa << (other.exponent - least))
        return Exact.of(total, least)

    def over(self, divisor: int) -> float:
        """Rounded once: Python divides integers so."""
        if self.exponent >= 0:
            return (self.mantissa << self.exponent) / divisor
        return self.mantissa / (divisor << -self.exponent)


ZERO = Exact(0, 0)


def exact_sum(values: FloatArray) -> Exact:
    """Of up to 2^26 finite numbers. Significands are added up as integers, by exponent, in two halves whose sums a
    double holds exactly."""
    if not len(values):
        return ZERO
    fractions, exponents = np.frexp(values)
    integers = np.ldexp(fractions, DIGITS).astype(np.int64)
    least = int(exponents.min())
    places = exponents - least
    high = np.bincount(places, integers >> _LOW)
    low = np.bincount(places, integers & ((1 << _LOW) - 1))
    total = 0
    for place in np.flatnonzero((high != 0) | (low != 0)).tolist():
        total += ((int(high[place]) << _LOW) + int(low[place])) << place
    return Exact.of(total, least - DIGITS)


class Count:
    """How many values are there."""

    zero = 0

    def prepare(self, values: FloatArray) -> int:
        return len(values)

    def merge(self, a: int, b: int) -> int:
        return a + b

    def present(self, summary: int) -> int:
        return summary

    def dump(self, summary: int) -> Document:
        return summary

    def load(self, document: Document) -> int:
        return count_of(document)


class Sum:
    """The sum, rounded once to the nearest double when it is presented."""

    zero = ZERO

    def prepare(self, values: FloatArray) -> Exact:
        return exact_sum(values)

    def merge(self, a: Exact, b: Exact) -> Exact:
        return a.plus(b)

    def present(self, summary: Exact) -> float:
        return summary.over(1)

    def dump(self, summary: Exact) -> Document:
        """The mantissa in hexadecimal, since JSON's readers round large integers."""
        return [f"{summary.mantissa:x}", summary.exponent]

    def load(self, document: Document) -> Exact:
        text, exponent = list_of(document, 2)
        if type(exponent) is not int or abs(exponent) > _MOST_BITS:
            raise StateFault(f"must be a whole number within {_MOST_BITS:,} of 0", "/1")
        if not isinstance(text, str) or len(text) > _MOST_BITS // 2:
            raise StateFault("must be a number in hexadecimal, as text", "/0")
        try:
            found = Exact(int(text, 16), exponent)
        except ValueError:
            raise StateFault("must be a number in hexadecimal, as text", "/0") from None
        if found != Exact.of(*found) or found.mantissa.bit_length() + exponent > _MOST_BITS:
            raise StateFault("must be an odd number in hexadecimal and an exponent of 2, or 0 and 0")
        return found


class Mean:
    """The product of count and sum, presented as their quotient, rounded once."""

    zero = (0, ZERO)

    def prepare(self, values: FloatArray) -> tuple[int, Exact]:
        return len(values), exact_sum(values)

    def merge(self, a: tuple[int, Exact], b: tuple[int, Exact]) -> tuple[int, Exact]:
        return a[0] + b[0], a[1].plus(b[1])

    def present(self, summary: tuple[int, Exact]) -> float | None:
        count, total = summary
        return total.over(count) if count else None

    def dump(self, summary: tuple[int, Exact]) -> Document:
        return [summary[0], *Sum().dump(summary[1])]

    def load(self, document: Document) -> tuple[int, Exact]:
        count, *total = list_of(document, 3)
        return count_of(count), Sum().load(total)


class Extreme:
    """The least value, or the greatest: a semilattice, so that counting a value twice does no harm."""

    zero = None

    def __init__(self, *, greatest: bool) -> None:
        self._of: Any = max if greatest else min

    def prepare(self, values: FloatArray) -> float | None:
        return float(self._of(values.min(), values.max())) + 0.0 if len(values) else None

    def merge(self, a: float | None, b: float | None) -> float | None:
        there = [each for each in (a, b) if each is not None]
        return self._of(there) if there else None

    def present(self, summary: float | None) -> float | None:
        return summary

    def dump(self, summary: float | None) -> Document:
        return summary

    def load(self, document: Document) -> float | None:
        return None if document is None else number_of(document)
