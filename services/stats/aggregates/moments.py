"""Central moments to the fourth, and their merge: Pebay, "Formulas for Robust, One-Pass Parallel Computation of
Covariances and Arbitrary-Order Statistical Moments" (SAND2008-6212), after Chan, Golub and LeVeque (1983).

A summary is about its own first value (the shift): the mean is kept as its distance from that, so that values that
differ in their last digits only do not lose them. In one piece or in shuffled parts, the standard deviation of NIST's
NumAcc3 keeps 9.4 digits: as many as its values have as doubles.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from services.stats.aggregates.aggregator import Document, array_of, count_of, list_of, number_of
from services.stats.leastsquares import FloatArray

LARGEST = 1e80
"""What a shift or a mean may be."""


class Moments(NamedTuple):
    """`mean` is that of x - shift, `m2` to `m4` the sums of (x - mean of x)^k."""

    n: int
    shift: float
    mean: float
    m2: float
    m3: float = 0.0
    m4: float = 0.0


ZERO = Moments(0, 0.0, 0.0, 0.0)


def moments(values: FloatArray) -> Moments:
    n = len(values)
    if not n:
        return ZERO
    shift = float(values[0])
    distances = values - shift
    mean = float(distances.mean())
    mean += float((distances - mean).mean())
    rest = distances - mean
    squares = rest * rest
    m2 = float(squares.sum()) - float(rest.sum()) ** 2 / n
    return Moments(n, shift, mean, max(0.0, m2), float((squares * rest).sum()), float((squares * squares).sum()))


def difference(a_shift: Any, a_mean: Any, b_shift: Any, b_mean: Any) -> Any:
    """(b_shift + b_mean) - (a_shift + a_mean), the shifts subtracted without error (Knuth's TwoSum)."""
    apart = b_shift - a_shift
    back = apart - b_shift
    error = (b_shift - (apart - back)) - (a_shift + back)
    return apart + (error + (b_mean - a_mean))


def merged(a: Moments, b: Moments) -> Moments:
    """About the shift of `a`."""
    if not a.n or not b.n:
        return a if a.n else b
    n = a.n + b.n
    p, q = a.n / n, b.n / n
    d = difference(a.shift, a.mean, b.shift, b.mean)
    m2 = a.m2 + b.m2 + d * d * a.n * q
    m3 = a.m3 + b.m3 + d * d * d * a.n * q * (p - q) + 3 * d * (p * b.m2 - q * a.m2)
    m4 = (
        a.m4
        + b.m4
        + d * d * d * d * a.n * q * (p * p - p * q + q * q)
        + 6 * d * d * (p * p * b.m2 + q * q * a.m2)
        + 4 * d * (p * b.m3 - q * a.m3)
    )
    return Moments(n, a.shift, a.mean + d * q, m2, m3, max(0.0, m4))


class Variance:
    """Mean, variance and standard deviation, of the sample (over n - 1) and of the population (over n)."""

    zero = ZERO

    def prepare(self, values: FloatArray) -> Moments:
        return moments(values)._replace(m3=0.0, m4=0.0)

    def merge(self, a: Moments, b: Moments) -> Moments:
        return merged(a, b)._replace(m3=0.0, m4=0.0)

    def present(self, summary: Moments) -> dict[str, Any]:
        return _spread(summary)

    def dump(self, summary: Moments) -> Document:
        return list(summary[:4])

    def load(self, document: Document) -> Moments:
        n, shift, mean, m2 = list_of(document, 4)
        return Moments(count_of(n), *_centre(shift, mean), number_of(m2, least=0))


class FourMoments:
    """Beside the variance the skewness g1 = sqrt(n) m3 / m2^1.5 and the excess kurtosis g2 = n m4 / m2^2 - 3."""

    zero = ZERO

    def prepare(self, values: FloatArray) -> Moments:
        return moments(values)

    def merge(self, a: Moments, b: Moments) -> Moments:
        return merged(a, b)

    def present(self, summary: Moments) -> dict[str, Any]:
        n, _, _, m2, m3, m4 = summary
        shape: dict[str, float | None] = {"skewness": None, "kurtosis": None}
        if m2 * m2 > 0 and m4 > 0:
            shape = {"skewness": math.sqrt(n) * (m3 / m2) / math.sqrt(m2), "kurtosis": n * (m4 / m2) / m2 - 3}
        return {**_spread(summary), **shape}

    def dump(self, summary: Moments) -> Document:
        return list(summary)

    def load(self, document: Document) -> Moments:
        n, shift, mean, m2, m3, m4 = list_of(document, 6)
        sums = number_of(m2, least=0), number_of(m3), number_of(m4, least=0)
        return Moments(count_of(n), *_centre(shift, mean), *sums)


def _centre(shift: Document, mean: Document) -> tuple[float, float]:
    return number_of(shift, most=LARGEST), number_of(mean, most=LARGEST)


def _spread(summary: Moments) -> dict[str, Any]:
    n, shift, mean, m2 = summary[:4]
    if not n:
        return dict.fromkeys(("mean", "variance", "sd", "population_variance", "population_sd"), None) | {"n": 0}
    sample = m2 / (n - 1) if n > 1 else None
    return {
        "n": n,
        "mean": shift + mean,
        "variance": sample,
        "sd": None if sample is None else math.sqrt(sample),
        "population_variance": m2 / n,
        "population_sd": math.sqrt(m2 / n),
    }


class Scatter(NamedTuple):
    """Of `n` rows: `mean` is that of the rows less `shift` (p,), `products` (p, p) the sums of products about it."""

    n: int
    shift: FloatArray
    mean: FloatArray
    products: FloatArray


class Covariance:
    """Of every column with every other, over the rows where none is missing."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self.columns = columns

    @property
    def zero(self) -> Scatter:
        count = len(self.columns)
        return Scatter(0, np.zeros(count), np.zeros(count), np.zeros((count, count)))

    def prepare(self, values: FloatArray) -> Scatter:
        rows = values[~np.isnan(values).any(axis=1)]
        if not len(rows):
            return self.zero
        distances = rows - rows[0]
        mean = distances.mean(axis=0)
        mean += (distances - mean).mean(axis=0)
        rest = distances - mean
        return Scatter(len(rows), rows[0].copy(), mean, rest.T @ rest)

    def merge(self, a: Scatter, b: Scatter) -> Scatter:
        if not a.n or not b.n:
            return a if a.n else b
        n = a.n + b.n
        d = difference(a.shift, a.mean, b.shift, b.mean)
        products = a.products + b.products + np.outer(d, d) * (a.n * (b.n / n))
        return Scatter(n, a.shift, a.mean + d * (b.n / n), products)

    def present(self, summary: Scatter) -> dict[str, Any]:
        n, _, _, products = summary
        means = (summary.shift + summary.mean).tolist() if n else [None] * len(self.columns)
        matrix: list[list[float | None]] = [[None] * len(self.columns)] * len(self.columns)
        correlation = matrix
        if n > 1:
            matrix = (products / (n - 1)).tolist()
            correlation = _correlation(products)
        return {"n": n, "names": list(self.columns), "mean": means, "matrix": matrix, "correlation": correlation}

    def dump(self, summary: Scatter) -> Document:
        return [summary.n, *(each.tolist() for each in summary[1:])]

    def load(self, document: Document) -> Scatter:
        count = len(self.columns)
        n, shift, mean, products = list_of(document, 4)
        centre = array_of(shift, count, most=LARGEST), array_of(mean, count, most=LARGEST)
        return Scatter(count_of(n), *centre, array_of(products, count, count, most=LARGEST * LARGEST))


def _correlation(products: FloatArray) -> list[list[float | None]]:
    """1 on the diagonal; None for a column that does not vary."""
    roots = np.sqrt(np.maximum(np.diagonal(products), 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        matrix = np.clip(products / roots / roots[:, None], -1.0, 1.0)
    np.fill_diagonal(matrix, np.where(roots > 0, 1.0, np.nan))
    return [[None if math.isnan(each) else each for each in row] for row in matrix.tolist()]
