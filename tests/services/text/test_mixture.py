import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from services.text.axes import principal
from services.text.clustering import Floats
from services.text.hierarchy import grow
from services.text.mixture import Covariance, Mixture, fit, space
from tests.services.text.blobs import blobs

COVARIANCES: list[Covariance] = ["diag", "tied"]


def other(found: Mixture) -> GaussianMixture:
    """sklearn's mixture with the same parameters."""
    model = GaussianMixture(len(found.weights), covariance_type=found.covariance)
    model.weights_, model.means_, model.precisions_cholesky_ = found.weights, found.means, found.roots
    return model


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_posterior_and_bic_agree_with_another_implementation(covariance: Covariance) -> None:
    vectors = blobs([30, 25, 20], noise=0.8)[0]
    axes = space(vectors)
    found = fit(vectors, axes, grow(vectors, "ward").cut(4), covariance)
    model, points = other(found), axes.place(vectors)
    np.testing.assert_allclose(found.posterior(vectors), model.predict_proba(points), atol=1e-9)
    assert found.bic == pytest.approx(model.bic(points))


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_some_components_share_the_probability_among_them(covariance: Covariance) -> None:
    vectors = blobs([30, 25, 20], noise=0.8)[0]
    found = fit(vectors, space(vectors), grow(vectors, "ward").cut(3), covariance)
    kept = found.keep(np.array([2, 0]))
    whole = found.posterior(vectors)[:, [2, 0]]
    np.testing.assert_allclose(kept.posterior(vectors), whole / whole.sum(axis=1, keepdims=True), atol=1e-9)


def test_bic_of_one_component_by_hand() -> None:
    vectors = blobs([40], noise=0.5)[0]
    axes = principal(vectors, 3)
    found = fit(vectors, axes, np.zeros(40, dtype=np.int64), "diag")
    points: Floats = axes.place(vectors)
    variance = points.var(axis=0) + 0.1 * points.var(axis=0).mean()
    densities = -0.5 * (np.log(2 * np.pi * variance) + (points - points.mean(axis=0)) ** 2 / variance)
    assert found.bic == pytest.approx(-2 * densities.sum() + 6 * np.log(40))
    assert found.posterior(vectors).tolist() == [[1.0]] * 40
