from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from services.stats import regression, theilsen
from services.stats.regression_options import Method
from shared.errors import TooLarge, Unprocessable

FEW = st.lists(st.tuples(st.integers(-6, 6), st.integers(-20, 20)), min_size=3, max_size=30).filter(
    lambda points: len({x for x, _ in points}) > 1
)


@given(FEW, st.sampled_from([0.8, 0.95]))
def test_theil_sen_is_scipys(points: list[tuple[int, int]], confidence: float) -> None:
    x, y = np.array(points, dtype=float).T
    mine = theilsen.theil_sen(x, y, confidence)
    with np.errstate(invalid="ignore"):  # it takes the root of a variance that ties make negative
        peer = stats.theilslopes(y, x, confidence)
    assert (mine.slope, mine.intercept) == pytest.approx(tuple(peer)[:2], rel=1e-12, abs=1e-12)
    if not np.isnan(peer.low_slope):
        assert mine.slope_ci == pytest.approx(tuple(peer)[2:], rel=1e-12, abs=1e-12)


@given(FEW)
def test_siegel_is_scipys(points: list[tuple[int, int]]) -> None:
    x, y = np.array(points, dtype=float).T
    mine = theilsen.siegel(x, y)
    assert (mine.slope, mine.intercept) == pytest.approx(tuple(stats.siegelslopes(y, x)), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("n", [1_500, 4_101])
def test_many_points(n: int) -> None:
    rng = np.random.default_rng(n)
    x = rng.permutation(n) + rng.uniform(0, 0.5, n)
    y = 0.25 * x + rng.standard_cauchy(n)
    run, rise = x[:, None] - x, y[:, None] - y
    slopes = np.sort(rise[run > 0] / run[run > 0])
    mine = theilsen.theil_sen(x, y, 0.95)
    assert mine.slope == (slopes[(len(slopes) - 1) // 2] + slopes[len(slopes) // 2]) / 2
    reach = stats.norm.ppf(0.975) * np.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    assert mine.slope_ci.tolist() == [
        slopes[round((len(slopes) - reach) / 2) - 1],
        slopes[round((len(slopes) + reach) / 2)],
    ]


@pytest.mark.parametrize("whole", [False, True])
def test_many_points_some_of_the_same_x(whole: bool) -> None:
    """Whole numbers make most slopes equal to others, and many 0."""
    rng = np.random.default_rng(6)
    x = rng.integers(0, 60, 4_200).astype(float)
    y = np.round(x / 40 + rng.normal(size=4_200)) if whole else 0.3 * x + rng.standard_t(2, 4_200)
    mine = theilsen.theil_sen(x, y, 0.95)
    peer = stats.theilslopes(y, x, 0.95)
    assert (mine.slope, mine.intercept, *mine.slope_ci) == tuple(peer)


def test_one_point_apart_from_all_others() -> None:
    x, y = np.zeros(4_200), np.arange(4_200.0)
    x[7] = 2.0
    mine = theilsen.theil_sen(x, y, 0.95)
    assert mine.slope == np.median((y[7] - np.delete(y, 7)) / 2)


def test_what_would_take_too_long() -> None:
    with pytest.raises(TooLarge, match="20,000 points"):
        theilsen.theil_sen(np.arange(20_001.0) // 2, np.arange(20_001.0), 0.95)
    with pytest.raises(TooLarge, match="200,000 points"):
        theilsen.theil_sen(np.arange(200_001.0), np.arange(200_001.0), 0.95)


@given(st.integers(0, 2**32), st.sampled_from(["theil_sen", "siegel"]), st.integers(-30, 30))
def test_equivariance(seed: int, method: Method, exponent: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 25))
    order = rng.permutation(25)
    plain = regression.fit([x], y, method=method)
    turned = regression.fit([x[order] * 2.0**exponent], -4 * y[order], method=method)
    np.testing.assert_allclose(turned.coef, -4 * plain.coef * [1, 2.0**-exponent], rtol=1e-13, atol=1e-15)
    tilted = regression.fit([x], y + 3 * x, method=method)
    assert tilted.coef[1] == pytest.approx(plain.coef[1] + 3, rel=1e-12)
    np.testing.assert_allclose(tilted.ci[1], plain.ci[1] + 3, rtol=1e-12)


def test_three_in_ten_points_may_be_anywhere() -> None:
    x = np.arange(30.0)
    y = np.where(x % 10 < 3, 1e9, 7 - 0.5 * x)
    assert regression.fit([x], y, method="siegel").coef.tolist() == [7.0, -0.5]


def test_what_is_no_line_is_refused() -> None:
    x = np.arange(4.0)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"degree": 2}, "/degree"),
        ({"intercept": False}, "/intercept"),
        ({"weights": np.ones(4)}, "/weights"),
        ({"covariance": "HC1"}, "/covariance"),
        ({"precision": "high"}, "/precision"),
        ({"influence": True}, "/influence"),
    ]
    for options, pointer in cases:
        with pytest.raises(Unprocessable) as caught:
            regression.fit([x], x, method="siegel", **options)
        assert caught.value.errors[0].pointer == pointer
    with pytest.raises(Unprocessable, match="2 columns"):
        regression.fit([x, x], x, method="theil_sen")
    with pytest.raises(Unprocessable, match="does not vary"):
        regression.fit([np.ones(4)], x, method="theil_sen")
    with pytest.raises(TooLarge, match="20,000 points"):
        theilsen.siegel(np.arange(20_001.0), np.arange(20_001.0))
