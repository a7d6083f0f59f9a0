import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.datasets import load_iris
from sklearn.mixture import GaussianMixture

from services.stats.mixtures import Shape, choose, fit
from shared.errors import Unprocessable


def two_groups() -> np.ndarray:
    rng = np.random.default_rng(0)
    first = rng.normal(size=(200, 2)) @ np.array([[1.0, 0.5], [0.0, 1.0]])
    return np.vstack([first, rng.normal(size=(100, 2)) * 0.5 + 5])


@pytest.mark.parametrize("shape", ["full", "tied", "diag", "spherical"])
def test_agrees_with_scikit_learn_on_columns_of_variance_one(shape: Shape) -> None:
    x = two_groups()
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    peer = GaussianMixture(2, covariance_type=shape, random_state=0, n_init=3, tol=1e-5, max_iter=200).fit(z)
    found = fit(z, 2, shape=shape)
    # two well-parted groups: one optimum, and both stop where a step gains 1e-5
    assert found.loglik == pytest.approx(peer.score(z), abs=2e-5)
    assert found.bic == pytest.approx(peer.bic(z), abs=0.02)
    assert found.aic == pytest.approx(peer.aic(z), abs=0.02)
    assert sorted(found.weights) == pytest.approx(sorted(peer.weights_), abs=1e-3)


def test_one_component_is_the_mean_and_the_covariance() -> None:
    x = two_groups()
    found = fit(x, 1)
    spread = np.outer(found.scale, found.scale)
    np.testing.assert_allclose(found.covariances[0] * spread, np.cov(x.T, ddof=0), atol=1e-5)  # and the floor
    normal = multivariate_normal(x.mean(axis=0), np.cov(x.T, ddof=0))
    np.testing.assert_allclose(found.log_density(x), normal.logpdf(x), atol=1e-3)


def test_the_least_bic_finds_the_groups() -> None:
    tried = choose(two_groups(), 5)
    assert [len(each.weights) for each in tried] == [1, 2, 3, 4, 5]
    best = min(tried, key=lambda each: each.bic)
    assert len(best.weights) == 2
    assert best.weights == pytest.approx([2 / 3, 1 / 3], abs=0.01)
    means = best.means * best.scale + best.centre
    assert means[1] == pytest.approx([5, 5], abs=0.2)
    assert best.bic == pytest.approx(11 * math.log(300) - 600 * best.loglik)


def test_iris_by_bic() -> None:
    # two components of full covariance, as mclust finds them (Fraley & Raftery 2002)
    tried = choose(load_iris().data, 4)
    assert len(min(tried, key=lambda each: each.bic).weights) == 2


def test_neither_units_nor_the_order_of_rows_matter() -> None:
    x = two_groups()
    order = np.random.default_rng(1).permutation(len(x))
    units = np.array([1000.0, 0.001])
    found, other = fit(x, 3), fit(x[order] * units + 7, 3)
    np.testing.assert_allclose(other.weights, found.weights, rtol=1e-6)
    np.testing.assert_allclose(other.log_density(x * units + 7), found.log_density(x) - np.log(units).sum(), atol=1e-6)
    assert np.array_equal(fit(x, 3).means, found.means)


def test_it_integrates_to_one() -> None:
    found = fit(two_groups()[:, :1], 2)
    at = np.linspace(-20, 25, 5000)
    values = np.exp(found.log_density(at[:, None]))
    assert np.trapezoid(values, at) == pytest.approx(1.0, abs=1e-9)
    parts = np.exp(found.log_parts(at[:, None]))
    np.testing.assert_allclose(parts.sum(axis=1), values, rtol=1e-12)


def test_more_components_than_rows_and_rows_that_coincide() -> None:
    x = np.array([[0.0], [0.0], [1.0], [1.0], [1.0]])
    with pytest.raises(Unprocessable, match="/k is 3, but only 2 rows are distinct"):
        fit(x, 3)
    found = fit(x, 2)
    assert "coincide" in found.warnings[0]
    assert np.isfinite(found.log_density(x)).all()
    assert len(choose(x, 6)) == 2
    with pytest.raises(Unprocessable, match="only 2 rows are distinct"):
        fit(np.array([[1e150], [0.1], [0.2]]), 3)  # beside 1e150 the others are one
