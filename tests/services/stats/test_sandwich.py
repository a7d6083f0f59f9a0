import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stats import regression
from services.stats.sandwich import Covariance, default_lag
from tests.services.stats.peers import sm, table

KINDS: list[Covariance] = ["HC0", "HC1", "HC2", "HC3", "HAC"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("intercept", [True, False])
def test_agrees_with_statsmodels(kind: Covariance, weighted: bool, intercept: bool) -> None:
    x, y, weights = table(1, heavy=True)
    x[0] = x[0] + 50
    matrix = np.column_stack([np.ones(40), *x] if intercept else x)
    options = {"cov_kwds": {"maxlags": 4}} if kind == "HAC" else {}
    model = sm.WLS(y, matrix, weights=weights if weighted else 1.0, hasconst=intercept)
    peer = model.fit(cov_type=kind, use_t=True, **options)
    mine = regression.fit(
        x,
        y,
        weights=weights if weighted else None,
        intercept=intercept,
        covariance=kind,
        lag=4 if kind == "HAC" else None,
        confidence=0.9,
    )
    # statsmodels goes by a pseudoinverse of columns that are not centred
    for name, theirs in {
        "se": peer.bse, "t": peer.tvalues, "p": peer.pvalues, "ci": peer.conf_int(0.1), "f": peer.fvalue,
        "f_p": peer.f_pvalue, "sigma": np.sqrt(peer.mse_resid), "r2": peer.rsquared,
    }.items():  # fmt: skip
        np.testing.assert_allclose(getattr(mine, name), np.squeeze(theirs), rtol=1e-9, err_msg=name)
    assert mine.lag == (4 if kind == "HAC" else None)


def test_the_lag_by_default() -> None:
    assert [default_lag(n) for n in (20, 100, 1_000, 10_000)] == [2, 4, 6, 11]
    x, y, _ = table(2, rows=100, columns=1)
    peer = sm.OLS(y, sm.add_constant(x[0])).fit(cov_type="HAC", cov_kwds={"maxlags": 4})
    mine = regression.fit(x, y, covariance="HAC")
    assert mine.lag == 4
    np.testing.assert_allclose(mine.se, peer.bse, rtol=1e-11)


def test_no_lag_is_white() -> None:
    x, y, _ = table(3)
    white, none = (regression.fit(x, y, covariance=kind, **given) for kind, given in [("HC0", {}), ("HAC", {"lag": 0})])
    assert white.se.tolist() == none.se.tolist()


def test_a_point_that_alone_determines_a_coefficient() -> None:
    alone = np.array([0.0, 0, 0, 0, 1])
    found = regression.fit([np.arange(5.0), alone], np.array([1.0, 2, 2, 4, 9]), covariance="HC3")
    assert np.isnan(found.se).all()
    assert any("alone" in warning for warning in found.warnings)
    assert np.isfinite(regression.fit([np.arange(5.0), alone], np.array([1.0, 2, 2, 4, 9]), covariance="HC0").se).all()


@given(st.integers(0, 2**32), st.sampled_from(KINDS[:4]), st.floats(-1e3, 1e3), st.sampled_from([1e-3, 7.0, 1e4]))
def test_units_and_order_do_not_matter(seed: int, kind: Covariance, shift: float, scale: float) -> None:
    x, y, weights = table(seed, rows=15, columns=2, heavy=True)
    plain = regression.fit(x, y, weights=weights, covariance=kind)
    order = np.random.default_rng(seed).permutation(15)
    moved = regression.fit(
        [shift + scale * x[0][order], x[1][order]], -3 * y[order], weights=weights[order], covariance=kind
    )
    # a shift by 1e3 takes three of sixteen digits
    np.testing.assert_allclose(moved.se[1:] * [scale, 1], 3 * plain.se[1:], rtol=1e-8)
    np.testing.assert_allclose(moved.f, plain.f, rtol=1e-7)


def test_each_distance_may_end_it() -> None:
    x, y, _ = table(5)

    def check() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        regression.fit(x, y, covariance="HAC", check=check)
