"""The design of a regression: a constant and the powers of columns, made a block of rows at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
ExponentArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Design:
    """The constant (with `intercept`) and the powers 1..`degree` of each of `columns`, each of length n.

    Column j is 2^`exponents`[j] times what `rows` gives: each of `columns` is brought below 1 first, so that no power
    leaves a double's range.
    """

    columns: Sequence[FloatArray]
    degree: int
    intercept: bool
    exponents: ExponentArray

    @classmethod
    def of(cls, columns: Sequence[FloatArray], degree: int = 1, *, intercept: bool) -> "Design":
        powers = [exponent_of(column) * k for column in columns for k in range(1, degree + 1)]
        return cls(columns, degree, intercept, np.array([0, *powers] if intercept else powers, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.columns[0])

    @property
    def width(self) -> int:
        return len(self.exponents)

    def rows(self, part: slice = slice(None), columns: Sequence[FloatArray] | None = None) -> FloatArray:
        """The rows `part`, of these columns or of others on the same scale, (m, width) in Fortran's order."""
        given = [column[part] for column in columns or self.columns]
        table = np.empty((len(given[0]), self.width), order="F")
        first = int(self.intercept)
        table[:, :first] = 1.0
        for j, column in enumerate(given):
            place = first + j * self.degree
            np.ldexp(column, -self.exponents[place], out=table[:, place])
            for k in range(place + 1, place + self.degree):
                np.power(table[:, place], k - place + 1, out=table[:, k])
        return table


def exponent_of(column: FloatArray) -> int:
    """The least e with all of `column` below 2^e in size."""
    return int(np.frexp(max(column.max(initial=0.0), -column.min(initial=0.0)))[1])
