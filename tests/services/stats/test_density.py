import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gaussian_kde, norm

from services.stats.density import Rule, kernels
from shared.errors import Unprocessable


def table(rows: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(rows)
    turned: np.ndarray = rng.normal(size=(rows, width)) @ rng.normal(size=(width, width)) * 100 + 1e5
    return turned


@pytest.mark.parametrize("rule", ["scott", "silverman"])
@pytest.mark.parametrize("width", [1, 2, 4])
def test_agrees_with_scipy(width: int, rule: Rule) -> None:
    x = table(200, width)
    at = x[:40] + 20.0
    peer = gaussian_kde(x.T, rule)
    found = kernels(x, rule)
    np.testing.assert_allclose(found.covariance, peer.covariance, rtol=1e-9)
    # 1e5 takes eight digits of the hundreds that the rows differ by
    np.testing.assert_allclose(found.log_density(at), peer.logpdf(at.T), rtol=1e-7, atol=1e-7)


def test_a_bandwidth_is_the_kernel_s_standard_deviation() -> None:
    x = np.array([[0.0, 10.0], [3.0, 30.0]])
    found = kernels(x, 2.0)
    assert found.covariance == pytest.approx(4 * np.eye(2))
    expected = np.mean([norm.pdf(0, a, 2) * norm.pdf(20, b, 2) for a, b in x])
    assert np.exp(found.log_density(np.array([[0.0, 20.0]]))) == pytest.approx([expected], rel=1e-12)


@pytest.mark.parametrize("bandwidth", ["scott", "silverman", 3.0])
def test_it_integrates_to_one(bandwidth: Rule | float) -> None:
    x = table(50, 1) / 10
    at = np.linspace(x.min() - 60, x.max() + 60, 4000)
    values = np.exp(kernels(x, bandwidth).log_density(at[:, None]))
    # smooth and nothing at both ends: the trapezoid rule has all digits
    assert np.trapezoid(values, at) == pytest.approx(1.0, abs=1e-6)
    x = table(30, 2)
    found = kernels(x, "scott")
    low, high = x.min(axis=0) - 1500, x.max(axis=0) + 1500
    axes = [np.linspace(a, b, 300) for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    cell = np.prod([axis[1] - axis[0] for axis in axes])
    assert np.exp(found.log_density(grid)).sum() * cell == pytest.approx(1.0, abs=1e-6)


def test_far_away_the_logarithm_still_says_how_far() -> None:
    found = kernels(np.array([[0.0], [1.0]]), 1.0)
    at = np.array([[100.0]])
    assert found.log_density(at)[0] == pytest.approx(norm.logpdf(99) - np.log(2), rel=1e-12)


values = st.lists(st.floats(-100, 100).map(lambda v: round(v, 2)), min_size=2, max_size=20)


@given(values, st.sampled_from([0.001, 7.0, 1e6]))
def test_units_and_the_order_of_rows_do_not_matter(rows: list[float], unit: float) -> None:
    x = np.array(rows)[:, None]
    if np.ptp(x) == 0:
        return
    at = x + 0.5
    found = kernels(x).log_density(at)
    np.testing.assert_allclose(kernels(x[::-1]).log_density(at), found, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(kernels(x * unit).log_density(at * unit), found - np.log(unit), rtol=1e-9, atol=1e-9)


def test_columns_that_follow_from_one_another() -> None:
    x = table(20, 1) @ np.array([[1.0, 2.0]])
    with pytest.raises(Unprocessable, match="follow from one another"):
        kernels(x)
    assert np.isfinite(kernels(x, 1.0).log_density(x)).all()


def test_a_bandwidth_that_is_nothing_beside_the_rows() -> None:
    with pytest.raises(Unprocessable, match="nothing beside rows"):
        kernels(np.array([[0.0], [1e150]]), 1e-20)


def test_a_long_computation_can_be_ended() -> None:
    def stop() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        kernels(table(10, 1)).log_density(table(5, 1), stop)
