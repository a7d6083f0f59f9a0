import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stats import regression
from services.stats.prediction import predict
from services.stats.regression_options import Precision
from services.stats.sandwich import Covariance
from tests.services.stats import nist
from tests.services.stats.peers import sm, table


@pytest.mark.parametrize(
    ("covariance", "precision"), [("nonrobust", "default"), ("nonrobust", "high"), ("HC1", "default")]
)
@pytest.mark.parametrize("weighted", [True, False])
def test_agrees_with_statsmodels(covariance: Covariance, precision: Precision, weighted: bool) -> None:
    x, y, weights = table(6)
    at = [column[:5] * 1.5 + 0.25 for column in x]
    model = sm.WLS(y, sm.add_constant(np.column_stack(x)), weights=weights if weighted else 1.0)
    peer = model.fit(cov_type=covariance, use_t=True).get_prediction(np.column_stack([np.ones(5), *at]))
    frame = peer.summary_frame(alpha=0.2)
    fitted = regression.fit(x, y, weights=weights if weighted else None, covariance=covariance, precision=precision)
    mine = predict(fitted, at, 0.8)
    np.testing.assert_allclose(mine.y, frame["mean"], rtol=1e-11)
    np.testing.assert_allclose(mine.se, frame["mean_se"], rtol=1e-11)
    np.testing.assert_allclose(mine.ci, frame[["mean_ci_lower", "mean_ci_upper"]], rtol=1e-11)
    np.testing.assert_allclose(mine.pi, frame[["obs_ci_lower", "obs_ci_upper"]], rtol=1e-11)


def test_exactly_where_doubles_have_no_digits_left() -> None:
    """At the points of Filip: the coefficients' terms are a million times as large as their sum."""
    known = nist.FILIP
    at = [known.columns[0][:20]]
    exact = predict(regression.fit(known.columns, known.y, degree=10, precision="high"), at)
    chebyshev = np.polynomial.Chebyshev.fit(known.columns[0], known.y, 10)
    np.testing.assert_allclose(exact.y, chebyshev(at[0]), rtol=1e-10)
    default = predict(regression.fit(known.columns, known.y, degree=10), at)
    np.testing.assert_allclose(default.y, exact.y, rtol=1e-7)
    np.testing.assert_allclose(default.pi, exact.pi, rtol=1e-6)


def test_far_from_zero() -> None:
    seconds = 1493712816.939 + 15 * np.arange(20.0)
    y = 0.001 * (seconds - seconds[0]) + 0.01 * np.sin(np.arange(20))
    here = predict(regression.fit([seconds - seconds[0]], y), [np.array([300.0])])
    there = predict(regression.fit([seconds], y), [np.array([seconds[0] + 300.0])])
    np.testing.assert_allclose(there.y, here.y, rtol=1e-9)  # the times themselves are rounded to 2e-7 s
    np.testing.assert_allclose(there.pi, here.pi, rtol=1e-8)


def test_robust_fits_and_lines() -> None:
    x, y, _ = table(7, columns=1, heavy=True)
    at = [np.array([-1.0, 0.0, 2.0])]
    for method in ("huber", "tukey", "theil_sen", "siegel"):
        found = regression.fit(x, y, method=method)
        mine = predict(found, at)
        np.testing.assert_allclose(mine.y, found.coef[0] + found.coef[1] * at[0], rtol=1e-12)
        if method in {"huber", "tukey"}:
            assert mine.se[1] == pytest.approx(found.se[0])
            assert (mine.pi[:, 0] < mine.ci[:, 0]).all()
        else:
            assert np.isnan([mine.ci, mine.pi]).all()
            assert any("no standard errors" in warning for warning in mine.warnings)


def test_a_dropped_column_and_an_overflow_are_said() -> None:
    x = np.arange(6.0)
    found = regression.fit([x, 2 * x], x**2, names=["a", "b"])
    assert any("b depend on the other columns" in warning for warning in predict(found, [x, x]).warnings)
    far = predict(regression.fit([x], x**2, degree=5), [np.array([1e150])])
    assert not np.isfinite(far.y).any()
    assert any("beyond the range" in warning for warning in far.warnings)


@given(st.integers(0, 2**32), st.floats(-1e3, 1e3))
def test_a_shift_of_x_takes_the_predictions_along(seed: int, shift: float) -> None:
    x, y, weights = table(seed, rows=12, columns=2)
    at = [np.array([0.5, -2.0]), np.array([1.0, 3.0])]
    plain = predict(regression.fit(x, y, weights=weights, degree=2), at)
    moved = predict(regression.fit([each + shift for each in x], y, weights=weights, degree=2), [a + shift for a in at])
    # squares of a shift of 1e3 take six digits
    np.testing.assert_allclose(moved.y, plain.y, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(moved.pi, plain.pi, rtol=1e-6, atol=1e-5)
