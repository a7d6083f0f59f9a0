"""Single ranks among the slopes of all pairs of points whose x may repeat, in O(n^2) time and little memory."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from services.stats.design import FloatArray

_SAMPLE = 1 << 18
_SPREAD = 5.0
"""Standard deviations of a sample's quantile that are taken on both sides of it: it is missed once in two millions."""


def select_slopes(
    x: FloatArray, y: FloatArray, ranks: Sequence[int], *, check: Callable[[], None] = lambda: None
) -> list[float]:
    """The slopes of these ranks, from 0, among those of pairs of different `x`, which does not fall.

    A sample brackets each, then all slopes are gone through, and those in the brackets are kept and sorted. Slopes
    that are equal to an end of a bracket are counted only, so that many equal ones take no memory.
    """
    sample = _sample(x, y)
    pairs = count_slopes(x)
    spread = _SPREAD * math.sqrt(len(sample)) / 2
    while True:
        brackets = [_bracket(sample, rank / pairs * len(sample), spread) for rank in ranks]
        found = [each.at(rank) for each, rank in zip(_counted(x, y, brackets, check), ranks, strict=True)]
        if all(each is not None for each in found):
            return [each for each in found if each is not None]
        spread *= 8


def count_slopes(x: FloatArray) -> int:
    """Pairs of different values."""
    k = np.unique(x, return_counts=True)[1]
    return (len(x) ** 2 - int((k * k).sum())) // 2


class _Bracket:
    """What is known of the slopes about `low` and `high`."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high
        self.below = self.at_low = self.at_high = 0
        self.inside: list[FloatArray] = []

    def count(self, slopes: FloatArray) -> None:
        self.below += int(np.count_nonzero(slopes < self.low))
        self.at_low += int(np.count_nonzero(slopes == self.low))
        if self.high > self.low:
            self.inside.append(slopes[(slopes > self.low) & (slopes < self.high)])
            self.at_high += int(np.count_nonzero(slopes == self.high))

    def at(self, rank: int) -> float | None:
        """None where it is not in the bracket."""
        place = rank - self.below
        if 0 <= place < self.at_low:
            return self.low
        inside = np.concatenate([np.empty(0), *self.inside])
        place -= self.at_low
        if 0 <= place < len(inside):
            return float(np.partition(inside, place)[place])
        return self.high if 0 <= place - len(inside) < self.at_high else None


def _bracket(sample: FloatArray, place: float, spread: float) -> _Bracket:
    low, high = math.floor(place - spread), math.ceil(place + spread)
    return _Bracket(
        float(sample[low]) if low >= 0 else -math.inf, float(sample[high]) if high < len(sample) else math.inf
    )


def _counted(x: FloatArray, y: FloatArray, brackets: list[_Bracket], check: Callable[[], None]) -> list[_Bracket]:
    for lag in range(1, len(x)):
        if lag % 256 == 0:
            check()
        run = x[lag:] - x[:-lag]
        some = run > 0
        slopes = (y[lag:] - y[:-lag])[some] / run[some]
        for each in brackets:
            each.count(slopes)
    return brackets


def _sample(x: FloatArray, y: FloatArray) -> FloatArray:
    """Slopes of pairs drawn by chance among those of different x."""
    rng = np.random.default_rng(0)
    starts, counts = np.unique(x, return_index=True, return_counts=True)[1:]
    others = len(x) - counts
    i = rng.choice(len(x), _SAMPLE, p=np.repeat(others, counts) / (others @ counts))
    group = np.searchsorted(starts, i, side="right") - 1
    j = rng.integers(0, others[group])
    j += np.where(j >= starts[group], counts[group], 0)
    slopes: FloatArray = np.sort((y[j] - y[i]) / (x[j] - x[i])) + 0.0
    return slopes
