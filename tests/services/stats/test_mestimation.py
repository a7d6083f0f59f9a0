import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stats import mestimation, regression
from tests.services.stats.peers import sm, table

METHODS: list[mestimation.Method] = ["huber", "tukey"]
NORMS = {"huber": sm.robust.norms.HuberT(), "tukey": sm.robust.norms.TukeyBiweight()}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("weighted", [True, False])
def test_agrees_with_statsmodels(method: mestimation.Method, weighted: bool) -> None:
    x, y, weights = table(4, rows=80, heavy=True)
    root = np.sqrt(weights) if weighted else np.ones(80)
    peer = sm.RLM(y * root, sm.add_constant(np.column_stack(x)) * root[:, None], M=NORMS[method])
    found = peer.fit(maxiter=500, tol=1e-13)
    mine = regression.fit(x, y, method=method, weights=weights if weighted else None)
    # both stop where another step would change the eleventh digit
    np.testing.assert_allclose(mine.coef, found.params, rtol=1e-8)
    np.testing.assert_allclose(mine.sigma, found.scale, rtol=1e-8)
    np.testing.assert_allclose(mine.se, found.bse, rtol=1e-8)
    np.testing.assert_allclose(mine.t, found.tvalues, rtol=1e-8)
    assert (mine.df, mine.warnings) == (76, [])
    assert np.isnan([mine.r2, mine.aic, mine.loglik]).all()


def test_an_outlier_moves_tukey_by_nothing_and_huber_by_a_bound() -> None:
    x = np.arange(20.0)
    y = 3 + 2 * x + np.sin(7 * x)
    far, farther = (np.where(x == 17, outlier, y) for outlier in (1e3, 1e6))
    tukey = [regression.fit([x], each, method="tukey").coef for each in (far, farther)]
    np.testing.assert_allclose(tukey[0], tukey[1], rtol=1e-9)
    huber = [regression.fit([x], each, method="huber").coef for each in (far, farther)]
    np.testing.assert_allclose(huber[0], huber[1], rtol=1e-6)
    assert abs(huber[0][1] - 2) < 0.1
    assert abs(regression.fit([x], far).coef[1] - 2) > 5


@given(st.integers(0, 2**32), st.sampled_from(METHODS), st.sampled_from([1e-4, 3.0, 1e5]))
def test_equivariance(seed: int, method: mestimation.Method, scale: float) -> None:
    """Of the response, its regression on the columns, their units, and the order of the points (what remains is where
    the steps end: the eleventh digit of the scale)."""
    x, y, _ = table(seed, rows=40, columns=2, heavy=True)
    plain = regression.fit(x, y, method=method)
    if plain.warnings:
        return
    order = np.random.default_rng(seed).permutation(40)
    turned = regression.fit([scale * x[0][order], x[1][order]], (5 - 2 * x[0] + 3 * y)[order], method=method)
    expected = np.array([5, -2 / scale, 0]) + np.array([3, 3 / scale, 3]) * plain.coef
    np.testing.assert_allclose(turned.coef * [1, scale, 1], expected * [1, scale, 1], rtol=0, atol=1e-8 * plain.sigma)
    assert turned.sigma == pytest.approx(3 * plain.sigma, rel=1e-8)


def test_most_points_on_a_line() -> None:
    x = np.arange(12.0)
    found = regression.fit([x], 1 + 2 * x + np.where(x > 8, (x - 8) ** 3, 0), method="tukey")
    np.testing.assert_allclose(found.coef, [1, 2], rtol=1e-8)
    assert any("scale of the others is 0" in warning for warning in found.warnings)
    assert np.isnan(found.se).all()
    assert np.isnan(found.f)


@pytest.mark.parametrize("method", METHODS)
def test_a_constant(method: mestimation.Method) -> None:
    constant = regression.fit([np.arange(12.0)], np.full(12, 0.1), method=method)
    assert constant.coef == pytest.approx([0.1, 0])
    assert np.isnan(constant.t).all()


def test_each_step_may_end_it() -> None:
    x, y, _ = table(5, heavy=True)

    def check() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        regression.fit(x, y, method="huber", check=check)
