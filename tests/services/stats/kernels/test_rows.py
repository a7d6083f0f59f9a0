from collections.abc import Callable

import numpy as np
import pytest

from services.stats import scores, sen
from services.stats.leastsquares import FloatArray

Make = Callable[[np.random.Generator, int], FloatArray]
KINDS: dict[str, Make] = {
    "noise": lambda rng, n: rng.normal(size=n),
    "few integers": lambda rng, n: rng.integers(0, 5, n).astype(float),
    "integers on a trend": lambda rng, n: np.round(0.01 * np.arange(n) + rng.normal(size=n)),
    "rounded trend": lambda rng, n: np.round(0.01 * np.arange(n) + rng.normal(size=n), 1),
    "walk": lambda rng, n: np.cumsum(rng.normal(size=n)),
    "integer walk": lambda rng, n: np.cumsum(rng.integers(-1, 2, n)).astype(float),
    "line": lambda _, n: 0.1 * np.arange(float(n)),
    "steps": lambda _, n: np.arange(float(n)) // 50 * 3,
    "outliers": lambda rng, n: rng.standard_cauchy(n) ** 3,
    "large level": lambda rng, n: 1e9 + 1e-3 * np.arange(n) + 1e-6 * rng.normal(size=n),
    "half zeros": lambda rng, n: np.where(rng.random(n) < 0.5, 0, rng.exponential(size=n)),
    "season": lambda rng, n: np.sin(np.arange(n) / 2) + 0.1 * rng.normal(size=n),
}
TIMES: dict[str, Make] = {
    "steps": lambda _, n: np.arange(float(n)),
    "irregular": lambda rng, n: 1.5e9 + np.cumsum(rng.exponential(size=n)),
}


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [3, 30, 46, 47, 100, 310, 1200, 2600])
def test_score_ties_slope_and_limits_are_those_of_all_pairs(kind: str, times: str, n: int) -> None:
    rng = np.random.default_rng(n)
    x = np.stack([KINDS[kind](rng, n) for _ in range(5 if n < 1000 else 1)])
    t = TIMES[times](rng, n)
    found = scores.kendall_scores(x, t[None, :], 0.05)
    for k, row in enumerate(x):
        slopes = np.sort(sen.all_slopes([(row, t)]))
        counts = np.unique(row, return_counts=True)[1]
        ties = int(np.sum(counts * (counts - 1) * (2 * counts + 5)))
        assert found.s[k] == np.sum(np.sign(slopes))
        assert found.tied[k] == np.sum(slopes == 0)
        assert found.ties[k] == ties
        low, high = scores.limit_ranks(len(slopes), float(scores.score_variance(n, ties)), 0.05)
        assert found.slope[k] == np.median(slopes)
        assert found.slope_ci[k].tolist() == [slopes[low], slopes[high]]
        assert found.x_mid[k] == np.median(row)


@pytest.mark.parametrize("alpha", [1e-12, 0.5, 0.999])
def test_any_level(alpha: float) -> None:
    x = np.random.default_rng(1).normal(size=(20, 100))
    t = np.arange(100.0)
    found = scores.kendall_scores(x, t[None, :], alpha)
    low, high = scores.limit_ranks(4950, float(scores.score_variance(100, 0)), alpha)
    for row, limits in zip(x, found.slope_ci, strict=True):
        slopes = np.sort(sen.all_slopes([(row, t)]))
        assert limits.tolist() == [slopes[low], slopes[high]]


def test_the_kernel_itself_finds_nearly_all() -> None:
    """What it leaves to the slow way costs a hundred times as much."""
    x = np.random.default_rng(2).normal(size=(2000, 100))
    slow: list[int] = []
    scores.kendall_scores(x, np.arange(100.0)[None, :], 0.05, check=lambda: slow.append(1))
    assert len(slow) < 5
