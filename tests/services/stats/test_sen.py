from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from services.stats import sen
from services.stats.kernels.ordering import count_inversions
from services.stats.scores import kendall_scores, limit_ranks, score_variance

Make = Callable[[np.random.Generator, np.ndarray], np.ndarray]

SERIES: dict[str, Make] = {
    "noise": lambda rng, t: rng.normal(size=len(t)),
    "few integers": lambda rng, t: rng.integers(0, 10, len(t)).astype(float),
    "rounded trend": lambda rng, t: np.round(0.01 * t + rng.normal(size=len(t))),
    "line with rounding": lambda _, t: 0.1 * t,
    "exact line": lambda _, t: 2.0 * t + 1,
    "falling line": lambda _, t: -2.0 * t,
    "walk": lambda rng, t: np.cumsum(rng.normal(size=len(t))),
    "small change on a large level": lambda rng, t: 1e9 + 1e-3 * t + 1e-6 * rng.normal(size=len(t)),
    "constant": lambda _, t: np.full(len(t), 3.0),
}
TIMES: dict[str, Make] = {
    "steps": lambda _, t: t,
    "seconds since 1970": lambda _, t: 1.5e9 + 15 * t,
    "irregular": lambda rng, t: np.cumsum(rng.exponential(size=len(t))),
}


@pytest.mark.parametrize("series", SERIES)
@pytest.mark.parametrize("times", TIMES)
def test_every_rank_is_that_of_the_sorted_slopes(series: str, times: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sen, "LISTED_PAIRS", 2000)  # so that 300 points take the way of 100,000
    rng = np.random.default_rng(1)
    t = TIMES[times](rng, np.arange(300.0))
    x = SERIES[series](rng, t)
    ordered = np.sort(sen.all_slopes([(x, t)]))
    pairs = len(ordered)
    slopes = sen.Slopes([(x, t)])
    ranks = [0, 5, pairs // 3, (pairs - 1) // 2, pairs - 3, pairs - 2]
    found = [slopes.at(rank, rank + 1) for rank in ranks]
    assert found == [(ordered[rank], ordered[rank + 1]) for rank in ranks]


def test_counts_are_exact_at_a_slope() -> None:
    t = np.arange(200.0)
    x = np.round(0.3 * t)
    slopes = sen.all_slopes([(x, t)])
    long = sen.Slopes([(x, t)])
    for theta in (0.0, 0.25, 1 / 3, 0.5, 1.0):
        assert long.count(theta, or_equal=False) == np.count_nonzero(slopes < theta)
    for theta in (0.0, 0.25, 0.5, 1.0):  # 1/3 as a double is not the slope 1/3
        assert long.count(theta, or_equal=True) == np.count_nonzero(slopes <= theta)


def test_zero_has_no_sign() -> None:
    x = np.tile([1.0, 2.0], 1000)
    assert str(sen.Slopes([(x, np.arange(2000.0))]).at(1_000_000, 1_000_001)[0]) == "0.0"


def test_slopes_are_lag_by_lag() -> None:
    x = np.array([1.0, 3.0, 7.0, 8.0])
    assert sen.all_slopes([(x, np.arange(4.0))]).tolist() == [2.0, 4.0, 1.0, 3.0, 2.5, 7 / 3]


@pytest.mark.parametrize("scale", [1, 10])
@pytest.mark.parametrize("noise", [1.0, 10.0])
def test_a_hundred_thousand_points_to_the_rank(scale: int, noise: float) -> None:
    """Of whole numbers, whose slopes come in ties of millions: as fractions they are counted in whole numbers."""
    t = np.arange(100_000)
    x = np.round(scale * (0.01 * t + noise * np.random.default_rng(scale).normal(size=len(t)))).astype(np.int64)
    found = kendall_scores(x[None, :].astype(float), t[None, :].astype(float), 0.05)
    pairs = len(t) * (len(t) - 1) // 2
    low, high = limit_ranks(pairs, float(score_variance(len(t), found.ties[0])), 0.05)
    middle = (pairs - 1) // 2
    for slope, rank in zip((found.slope[0], *found.slope_ci[0]), (middle, low, high), strict=True):
        fraction = Fraction(float(slope)).limit_denominator(len(t))
        assert float(fraction) == slope
        level = fraction.denominator * x - fraction.numerator * t
        ranks = np.unique(level, return_inverse=True)[1]
        below, above = count_inversions(ranks), count_inversions(ranks.max() - ranks)
        assert below <= rank < pairs - above
