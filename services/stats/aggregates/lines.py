"""Linear regression from R factors: those of the parts, one below the other, have the R factor of all rows.

The factor of [1 | X | y] is as good as the rows for least squares, and unlike the sums X'X it does not square the
condition (TSQR: Demmel, Grigori, Hoemmen and Langou, 2012). Rows are taken less the first one, so that columns like
Unix times do not lose their digits to the constant; the factor of one shift becomes that of another by adding multiples
of its first column to the others.
"""

from typing import Any, NamedTuple

import numpy as np

from services.stats import leastsquares, reduction
from services.stats.aggregates.aggregator import Document, StateFault, array_of, count_of, list_of
from services.stats.inference import infer
from services.stats.leastsquares import FloatArray, Solution

LARGEST = 1e80
"""What an entry of a factor may be: a value of 1e70 in as many rows as can be counted."""


class Factor(NamedTuple):
    """Of `n` rows less `shift` (p + 1,): the upper triangular `r` (p + 2, p + 2), its diagonal not below 0."""

    n: int
    shift: FloatArray
    r: FloatArray


class Lines:
    """The regression of the column `response` on all the others, over the rows where none is missing."""

    def __init__(self, columns: tuple[str, ...], response: str) -> None:
        self.names = [name for name in columns if name != response]
        self.response = response
        self._order = [columns.index(name) for name in (*self.names, response)]

    @property
    def zero(self) -> Factor:
        count = len(self._order)
        return Factor(0, np.zeros(count), np.zeros((count + 1, count + 1)))

    def prepare(self, values: FloatArray) -> Factor:
        rows = values[~np.isnan(values).any(axis=1)][:, self._order]
        if not len(rows):
            return self.zero
        shift = rows[0].copy()
        return Factor(len(rows), shift, _factor(np.column_stack([np.ones(len(rows)), rows - shift])))

    def merge(self, a: Factor, b: Factor) -> Factor:
        if not a.n or not b.n:
            return a if a.n else b
        other = b.r.copy()
        other[0, 1:] += (b.shift - a.shift) * other[0, 0]
        return Factor(a.n + b.n, a.shift, _factor(np.vstack([a.r, other])))

    def present(self, summary: Factor) -> dict[str, Any]:
        facts: dict[str, Any] = {"y": self.response, "names": ["intercept", *self.names]}
        if not summary.n:
            return {**facts, "n": 0, "coef": [None] * (len(self.names) + 1), "warnings": ["no row is complete yet"]}
        found = infer(_solution(summary), facts["names"], summary.n)
        columns = {name: _plain(getattr(found, name)) for name in ("coef", "se", "t", "p", "ci", "dropped", "warnings")}
        single = ("r2", "adj_r2", "sigma", "f", "f_p", "df", "rank", "condition", "n")
        return {**facts, **columns, **{name: _plain(getattr(found, name)) for name in single}}

    def dump(self, summary: Factor) -> Document:
        return [summary.n, summary.shift.tolist(), [row[i:] for i, row in enumerate(summary.r.tolist())]]

    def load(self, document: Document) -> Factor:
        n, shift, rows = list_of(document, 3)
        count = len(self._order)
        r = np.zeros((count + 1, count + 1))
        for i, row in enumerate(list_of(rows, count + 1)):
            r[i, i:] = array_of(row, count + 1 - i, most=LARGEST)
        if (np.diagonal(r) < 0).any():
            raise StateFault("must have no number below 0 on its diagonal", "/2")
        return Factor(count_of(n), array_of(shift, count, most=LARGEST), r)


def _factor(rows: FloatArray) -> FloatArray:
    """The upright R factor, columns scaled to the same size on the way."""
    exponents = np.frexp(np.abs(rows).max(axis=0))[1]
    r = reduction.upright(reduction.triangle(np.ldexp(rows, -exponents)))
    return np.asarray(np.ldexp(r, exponents))


def _solution(summary: Factor) -> Solution:
    exponents = np.frexp(np.abs(summary.r).max(axis=0))[1].astype(np.int64)
    exponents[0] = 0
    shift = np.ldexp(summary.shift, -exponents[1:])
    return leastsquares.solve_factor(
        reduction.Factor(
            n=summary.n,
            r=np.ldexp(summary.r, -exponents),
            centre=np.array([0.0, *shift[:-1]]),
            y_centre=float(shift[-1]),
            exponents=exponents[:-1],
            y_exponent=int(exponents[-1]),
            w_exponent=0,
            intercept=True,
        )
    )


def _plain(value: Any) -> Any:
    """Lists for arrays, None for what is no finite number."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
