from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stats import regression
from services.stats.regression_options import Method, Precision
from shared.errors import TooLarge, Unprocessable
from tests.services.stats.peers import sm, table


@pytest.mark.parametrize("precision", ["default", "high"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_agrees_with_statsmodels(precision: Precision, intercept: bool, weighted: bool) -> None:
    x, y, weights = table(3)
    x[0] = x[0] + 5  # away from the mean of 0, where an intercept matters
    matrix = np.column_stack([np.ones(40), *x] if intercept else x)
    peer = sm.WLS(y, matrix, weights=weights if weighted else 1.0, hasconst=intercept).fit()
    mine = regression.fit(
        x, y, intercept=intercept, weights=weights if weighted else None, precision=precision, confidence=0.9
    )
    for name, theirs in {
        "coef": peer.params, "se": peer.bse, "t": peer.tvalues, "p": peer.pvalues, "ci": peer.conf_int(0.1),
        "r2": peer.rsquared, "adj_r2": peer.rsquared_adj, "sigma": np.sqrt(peer.mse_resid), "f": peer.fvalue,
        "f_p": peer.f_pvalue, "df": peer.df_resid, "aic": peer.aic, "bic": peer.bic, "loglik": peer.llf, "n": peer.nobs,
    }.items():  # fmt: skip
        # statsmodels goes by a pseudoinverse: 1e-9 allows for its rounding, small p-values magnify it
        np.testing.assert_allclose(getattr(mine, name), theirs, rtol=1e-9, err_msg=name)
    assert mine.warnings == []
    assert mine.rank == len(mine.names) == matrix.shape[1]


def test_names_of_powers() -> None:
    x, y, _ = table(4, columns=2)
    assert regression.fit(x, y, names=["a", "b"], degree=2).names == ["intercept", "a", "a^2", "b", "b^2"]
    assert regression.fit(x[:1], y, degree=3, intercept=False).names == ["x", "x^2", "x^3"]
    assert regression.fit(x, y).names == ["intercept", "x1", "x2"]


@pytest.mark.parametrize("precision", ["default", "high"])
def test_a_dropped_column_is_named(precision: Precision) -> None:
    x, y, _ = table(5)
    columns = [np.round(x[0], 3), 2 * np.round(x[0], 3), x[1]]
    found = regression.fit(columns, y, precision=precision)
    assert found.dropped == ["x2"]
    assert found.rank == 3
    assert found.df == 37
    assert any("x2" in warning for warning in found.warnings)
    assert np.isnan([found.coef[2], found.se[2], found.t[2], found.p[2], *found.ci[2]]).all()
    without = regression.fit([columns[0], columns[2]], y, precision=precision)
    np.testing.assert_allclose(found.coef[[0, 1, 3]], without.coef, rtol=1e-12)


def test_near_dependence_warns_and_points_to_high_precision() -> None:
    x = np.linspace(100, 101, 30)
    found = regression.fit([x], np.cos(x), degree=5)
    assert any("precision high" in warning for warning in found.warnings)
    assert found.condition > 1e8
    assert regression.fit([x], np.cos(x), degree=5, precision="high").warnings == []


def test_as_many_points_as_coefficients() -> None:
    found = regression.fit([np.array([1.0, 2.0])], np.array([3.0, 5.0]))
    np.testing.assert_allclose(found.coef, [1, 2], rtol=1e-14)
    assert found.df == 0
    assert np.isnan([found.sigma, found.adj_r2, found.f, *found.se, *found.p]).all()
    assert any("as many coefficients as points" in warning for warning in found.warnings)


def test_perfect_fit_and_constant_response() -> None:
    x = np.arange(5.0)
    perfect = regression.fit([x], 2 * x + 1, precision="high")
    assert perfect.r2 == 1.0
    assert np.isnan([perfect.aic, perfect.f, *perfect.t]).all()
    assert any("no residual" in warning for warning in perfect.warnings)
    flat = regression.fit([x], np.full(5, 0.1))
    assert np.isnan(flat.r2)
    assert flat.coef[0] == pytest.approx(0.1, rel=1e-15)
    assert any("does not vary" in warning for warning in flat.warnings)


def test_too_few_points_and_too_much_work() -> None:
    with pytest.raises(Unprocessable, match="2 points do not determine 3 coefficients"):
        regression.fit([np.arange(2.0)], np.arange(2.0), degree=2)
    many = np.zeros(1_000_000)
    with pytest.raises(TooLarge, match="20,000,000 entries"):
        regression.fit([many], many, degree=20)
    with pytest.raises(TooLarge, match="use precision default"):
        regression.fit([many], many, precision="high")


@given(st.integers(0, 2**32), st.floats(-100, 100), st.floats(0.01, 100))
def test_shift_and_scale_of_the_response(seed: int, shift: float, scale: float) -> None:
    x, y, _ = table(seed, rows=12, columns=2)
    plain, moved = regression.fit(x, y), regression.fit(x, shift + scale * y)
    np.testing.assert_allclose(moved.coef[1:], scale * plain.coef[1:], rtol=1e-9, atol=1e-9 * scale)
    assert moved.r2 == pytest.approx(plain.r2, abs=1e-9)
    assert moved.f == pytest.approx(plain.f, rel=1e-6)


@given(st.integers(0, 2**32))
def test_a_weight_of_two_is_a_point_twice(seed: int) -> None:
    x, y, _ = table(seed, rows=10, columns=1)
    weights = np.where(np.arange(10) < 4, 2.0, 1.0)
    doubled = np.concatenate([np.arange(10), np.arange(4)])
    once = regression.fit(x, y, weights=weights)
    twice = regression.fit([x[0][doubled]], y[doubled])
    np.testing.assert_allclose(once.coef, twice.coef, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(once.se * np.sqrt(once.df), twice.se * np.sqrt(twice.df), rtol=1e-9)


@pytest.mark.parametrize("exponent", [-300, 300])
def test_powers_stay_within_range(exponent: int) -> None:
    x, y, _ = table(6, columns=1)
    plain = regression.fit([x[0]], y, degree=3)
    far = regression.fit([x[0] * 2.0**exponent], y, degree=3)  # the square of its third power is beyond a double
    assert far.dropped == []
    assert far.t.tolist() == plain.t.tolist()
    assert far.coef[1] == plain.coef[1] * 2.0**-exponent


@given(st.integers(-400, 400))
def test_only_the_ratios_of_weights_matter(exponent: int) -> None:
    x, y, weights = table(8)
    plain = regression.fit(x, y, weights=weights)
    scaled = regression.fit(x, y, weights=weights * 4.0**exponent)
    assert scaled.coef.tolist() == plain.coef.tolist()
    assert scaled.se.tolist() == plain.se.tolist()
    assert scaled.sigma == plain.sigma * 2.0**exponent


@pytest.mark.parametrize("n", [3, 7, 11, 49, 1000])
def test_a_constant_is_constant_for_any_number_of_points(n: int) -> None:
    weights = np.random.default_rng(n).uniform(0.5, 2, n)
    found = regression.fit([np.arange(float(n)), np.full(n, 0.1)], np.full(n, 1 / 3), weights=weights)
    assert found.dropped == ["x2"]
    assert np.isnan(found.r2)
    assert (found.coef[0], found.coef[1]) == (1 / 3, 0.0)


def test_ends_of_the_range() -> None:
    x = np.array([1.0, 2.0, 3.0, 4.0, 6.0])
    y = np.array([1.0, 3.0, 2.0, 5.0, 5.0])
    plain = regression.fit([x], y)
    for scale in (1e-150, 1e150):
        far = regression.fit([x], y * scale)
        assert far.coef == pytest.approx(plain.coef * scale, rel=1e-12)
        assert far.t == pytest.approx(plain.t, rel=1e-12)
        assert far.warnings == []
    beyond = regression.fit([x * 1e-150], y, degree=3)
    assert np.isinf(beyond.coef[3])
    assert any("beyond the range" in warning for warning in beyond.warnings)


@given(st.integers(0, 2**32), st.sampled_from(["ols", "ridge"]))
def test_the_order_of_points_does_not_matter(seed: int, method: Method) -> None:
    x, y, weights = table(seed, rows=14, columns=2)
    order = np.random.default_rng(seed).permutation(14)
    options = {"method": method, "alpha": 2.0 if method == "ridge" else None}
    plain = regression.fit(x, y, weights=weights, **options)
    turned = regression.fit([each[order] for each in x], y[order], weights=weights[order], **options)
    for name in ("coef", "se", "p", "r2", "sigma", "aic"):
        np.testing.assert_allclose(getattr(turned, name), getattr(plain, name), rtol=1e-9, err_msg=name)


@given(st.integers(0, 2**32), st.sampled_from([1e-6, 0.3, 1e7]), st.floats(-100, 100))
def test_shift_and_scale_of_a_column(seed: int, scale: float, shift: float) -> None:
    x, y, _ = table(seed, rows=12, columns=2)
    plain, moved = regression.fit(x, y), regression.fit([scale * x[0] + shift * scale, x[1]], y)
    np.testing.assert_allclose(moved.coef[1] * scale, plain.coef[1], rtol=1e-9)
    np.testing.assert_allclose(moved.t[1:], plain.t[1:], rtol=1e-8)
    for name in ("r2", "sigma", "f", "aic"):
        assert getattr(moved, name) == pytest.approx(getattr(plain, name), rel=1e-8, abs=1e-12)


@given(st.integers(0, 2**32))
def test_regression_on_its_own_columns(seed: int) -> None:
    """y + X b has coefficients b more, and the same errors."""
    x, y, weights = table(seed, rows=12, columns=2)
    plain = regression.fit(x, y, weights=weights, covariance="HC2")
    tilted = regression.fit(x, y + 4 - 3 * x[0] + 2 * x[1], weights=weights, covariance="HC2")
    np.testing.assert_allclose(tilted.coef, plain.coef + np.array([4, -3, 2]), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(tilted.se, plain.se, rtol=1e-9)


def test_unix_times_have_the_right_slope() -> None:
    """Prometheus's bug 2674: .001 a second at 15 s apart; raw sums of squares give .001009."""
    seconds = 1493712816.939 + 15 * np.arange(20.0)
    y = 0.001 * (seconds - seconds[0])
    assert regression.fit([seconds], y).coef[1] == pytest.approx(0.001, rel=1e-12)
    assert regression.fit([seconds], y, method="theil_sen").coef[1] == pytest.approx(0.001, rel=1e-12)
    raw = (20 * seconds @ y - seconds.sum() * y.sum()) / (20 * seconds @ seconds - seconds.sum() ** 2)
    assert abs(raw - 0.001) > 1e-6


@pytest.mark.parametrize("weighted", [True, False])
def test_ridge_is_scikit_learns(weighted: bool) -> None:
    from sklearn.linear_model import Ridge

    x, y, weights = table(9)
    x[2] = x[1] + 1e-3 * x[2]
    given_weights = weights if weighted else None
    for alpha in (1e-3, 1.0, 1e3):
        peer = Ridge(alpha=alpha).fit(np.column_stack(x), y, sample_weight=given_weights)
        mine = regression.fit(x, y, weights=given_weights, method="ridge", alpha=alpha)
        # the peer solves X'X + alpha I, which has twice the digits of condition
        np.testing.assert_allclose(mine.coef, [peer.intercept_, *peer.coef_], rtol=1e-8)
    assert mine.df > 36
    assert np.isnan(mine.f)


def test_ridge_without_a_penalty_is_least_squares_and_with_one_keeps_every_column() -> None:
    x, y, _ = table(10)
    plain, free = regression.fit(x, y), regression.fit(x, y, method="ridge", alpha=0.0)
    assert (free.coef.tolist(), free.se.tolist(), free.aic) == (plain.coef.tolist(), plain.se.tolist(), plain.aic)
    twice = regression.fit([x[0], x[0]], y, method="ridge", alpha=1.0)
    assert twice.dropped == []
    assert twice.coef[1] == pytest.approx(twice.coef[2], rel=1e-10)
    for value in (0.0, 7.3):
        constant = regression.fit([x[0], np.full(40, value)], y, method="ridge", alpha=1.0)
        assert (constant.dropped, constant.coef[2]) == ([], 0.0)
        assert any("x2 cannot vary" in warning for warning in constant.warnings)
    heavy = regression.fit(x, y, method="ridge", alpha=1e12)
    np.testing.assert_allclose(heavy.coef, [y.mean(), 0, 0, 0], atol=1e-9)
    heaviest = regression.fit(x, y, method="ridge", alpha=1e150)
    along = np.array([(each - each.mean()) @ y for each in x]) / 1e150
    np.testing.assert_allclose(heaviest.coef[1:], along, rtol=1e-10)
    robust = regression.fit(x, y, method="ridge", alpha=3.0, covariance="HC3")
    assert np.isfinite(robust.se).all()


def test_options_that_do_not_go_together() -> None:
    x, y, _ = table(11)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"method": "ridge"}, "/alpha"),
        ({"alpha": 1.0}, "/alpha"),
        ({"lag": 3}, "/lag"),
        ({"lag": 40, "covariance": "HAC"}, "/lag"),
        ({"method": "huber", "covariance": "HC0"}, "/covariance"),
        ({"method": "tukey", "precision": "high"}, "/precision"),
        ({"covariance": "HC0", "precision": "high"}, "/precision"),
        ({"method": "ridge", "alpha": 1.0, "influence": True}, "/influence"),
    ]
    for options, pointer in cases:
        with pytest.raises(Unprocessable) as caught:
            regression.fit(x, y, **options)
        assert [each.pointer for each in caught.value.errors] == [pointer]


def test_sums_of_squares_beyond_the_range_are_said_to_be() -> None:
    x = np.arange(5.0)
    found = regression.fit([x], np.array([1e100, 4, 6, 8, 10]), weights=np.array([1, 1, 1, 1e150, 1e150]))
    assert np.isfinite(found.coef).all()
    assert np.isnan([found.sigma, found.r2, *found.se, *found.t]).all()
    assert any("sums of squares are beyond" in warning for warning in found.warnings)
