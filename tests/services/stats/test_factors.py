import warnings

import numpy as np
import pytest

from services.stats import factor_examples
from services.stats.covariance import covariance
from services.stats.factors import LEAST_UNIQUENESS, Method, analyse
from services.stats.rotations import Rotation
from shared.errors import Unprocessable
from tests.services.stats import lsat6

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from statsmodels.multivariate.factor import Factor


def ability() -> np.ndarray:
    """R's ability.cov as correlations."""
    matrix = np.array(factor_examples.FACTORS["Two abilities behind six tests"]["matrix"])
    root = np.sqrt(np.diagonal(matrix))
    return matrix / np.outer(root, root)


def sampled(rows: int = 400) -> np.ndarray:
    rng = np.random.default_rng(0)
    loadings = np.kron(np.eye(3), np.full((3, 1), 0.7))
    table = rng.normal(size=(rows, 3)) @ loadings.T + rng.normal(size=(rows, 9)) * 0.7
    return np.asarray(np.corrcoef(table.T))


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("pa", [0.37351, 0.40874, 0.48232, 0.37337, 0.32598]),
        ("ml", [0.38172, 0.40624, 0.48625, 0.36934, 0.31910]),
    ],
)
def test_law_school_admission_test(method: Method, expected: list[float]) -> None:
    # statsmodels 0.15 has these of the tetrachoric correlations
    matrix = covariance(lsat6.columns(), kind="tetrachoric").matrix
    found = analyse(matrix, 1, method=method)
    assert found.loadings[:, 0] == pytest.approx(expected, abs=6e-6)
    assert found.communalities == pytest.approx(found.loadings[:, 0] ** 2)
    assert (found.heywood, found.warnings, found.converged, found.fit) == ([], [], True, None)


def test_ability_tests_as_r_has_them() -> None:
    # ?factanal: uniquenesses, chi-squared and p as printed there
    one = analyse(ability(), 1, method="ml", n=112)
    assert one.uniqueness == pytest.approx([0.535, 0.853, 0.748, 0.910, 0.232, 0.280], abs=5e-4)
    assert one.fit is not None
    assert one.fit.chi2 == pytest.approx(75.18, abs=5e-3)
    assert one.fit.df == 9
    assert one.fit.p == pytest.approx(1.46e-12, rel=5e-3)
    two = analyse(ability(), 2, method="ml", n=112, rotation="promax")
    assert two.uniqueness == pytest.approx([0.455, 0.589, 0.218, 0.769, 0.052, 0.334], abs=5e-4)
    assert two.fit is not None
    assert two.fit.chi2 == pytest.approx(6.11, abs=5e-3)
    assert two.fit.df == 4
    assert two.fit.p == pytest.approx(0.191, abs=5e-4)
    # its promax loadings; the optimiser there stops at three digits
    assert two.loadings[:, 0] == pytest.approx([0.364, -0.06, -0.09, -0.05, 1.023, 0.811], abs=4e-3)
    assert two.loadings[:, 1] == pytest.approx([0.470, 0.671, 0.932, 0.508, -0.10, 0.01], abs=6e-3)


@pytest.mark.filterwarnings("ignore")  # statsmodels warns of its own defaults
@pytest.mark.parametrize("method", ["pa", "ml"])
def test_agrees_with_statsmodels(method: Method) -> None:
    matrix = sampled()
    peer = Factor(corr=matrix, n_factor=3, method=method).fit(maxiter=2000, tol=1e-12)
    found = analyse(matrix, 3, method=method)
    # its optimiser stops at 1e-5 of the gradient
    np.testing.assert_allclose(found.communalities, np.sum(np.asarray(peer.loadings) ** 2, axis=1), atol=2e-5)
    np.testing.assert_allclose(found.loadings @ found.loadings.T, peer.loadings @ peer.loadings.T, atol=2e-5)


@pytest.mark.parametrize("rotation", ["none", "varimax", "quartimax", "promax", "oblimin"])
@pytest.mark.parametrize("method", ["pa", "ml"])
def test_what_hangs_together(method: Method, rotation: Rotation) -> None:
    matrix = sampled()
    found = analyse(matrix, 3, method=method, rotation=rotation, n=400)
    assert found.converged
    assert found.communalities + found.uniqueness == pytest.approx(np.ones(9))
    phi = np.eye(3) if found.factor_correlations is None else found.factor_correlations
    assert (found.factor_correlations is None) == (rotation not in ("promax", "oblimin"))
    implied = found.loadings @ phi @ found.loadings.T
    assert np.diagonal(implied) == pytest.approx(found.communalities, abs=1e-7)
    assert found.variance.sum() == pytest.approx(found.communalities.sum(), abs=1e-7)
    assert found.cumulative[-1] == pytest.approx(found.communalities.sum() / 9, abs=1e-7)
    assert np.all(np.diff(found.variance) <= 0)
    assert np.all(found.loadings.sum(axis=0) >= 0)
    rest = (matrix - implied)[np.triu_indices(9, 1)]
    assert found.rmsr == pytest.approx(np.sqrt(np.mean(rest**2)), rel=1e-6)
    unrotated = analyse(matrix, 3, method=method).loadings
    np.testing.assert_allclose(unrotated @ found.rotation_matrix, found.loadings, atol=1e-7)
    # three groups of three columns, each on a factor of its own
    if rotation != "none":
        assert [set(np.argsort(-np.abs(column))[:3] // 3) for column in found.loadings.T] != []
        assert all(len(set(np.argsort(-np.abs(column))[:3] // 3)) == 1 for column in found.loadings.T)


@pytest.mark.parametrize("method", ["pa", "ml"])
def test_exact_factors_are_found(method: Method) -> None:
    loadings = np.array([[0.9, 0.0], [0.8, 0.1], [0.7, 0.0], [0.0, 0.8], [0.1, 0.7], [0.0, 0.6]])
    matrix = loadings @ loadings.T
    np.fill_diagonal(matrix, 1.0)
    found = analyse(matrix, 2, method=method, n=1000)
    np.testing.assert_allclose(found.loadings @ found.loadings.T, loadings @ loadings.T, atol=1e-6)
    assert found.rmsr < 1e-6
    assert found.fit is None or found.fit.p == pytest.approx(1.0)


def test_the_order_of_the_columns_does_not_matter() -> None:
    matrix, order = sampled(), np.random.default_rng(1).permutation(9)
    methods: list[Method] = ["pa", "ml"]
    for method in methods:
        found = analyse(matrix, 3, method=method, rotation="oblimin")
        other = analyse(matrix[np.ix_(order, order)], 3, method=method, rotation="oblimin")
        np.testing.assert_allclose(other.communalities, found.communalities[order], atol=1e-6)
        assert other.rmsr == pytest.approx(found.rmsr, abs=1e-8)


def test_heywood_cases_are_flagged() -> None:
    # Heywood (1931): one factor would need a communality of .8 x .8 / .5 of the first column
    matrix = np.array([[1.0, 0.8, 0.8], [0.8, 1.0, 0.5], [0.8, 0.5, 1.0]])
    bounds: dict[Method, float] = {"pa": 0.0, "ml": LEAST_UNIQUENESS}
    for method, least in bounds.items():
        found = analyse(matrix, 1, method=method)
        assert found.heywood == [0]
        assert found.uniqueness[0] == pytest.approx(least, abs=1e-6)


def test_refusals_and_what_is_said() -> None:
    with pytest.raises(Unprocessable, match="/n_factors is 3, too many for 3 columns"):
        analyse(np.eye(3), 3)
    with pytest.raises(Unprocessable, match="/n_factors is 2, too many for 4 columns"):
        analyse(sampled()[:4, :4], 2, method="ml")
    with pytest.raises(Unprocessable, match="singular"):
        analyse(np.ones((4, 4)), 1, method="ml")
    alike = analyse(np.ones((4, 4)), 1)
    assert alike.loadings[:, 0] == pytest.approx(np.ones(4))
    assert any("not determined" in each for each in analyse(ability()[:4, :4], 2).warnings)
    apart = analyse(np.eye(5), 2, rotation="oblimin")
    assert any("explains nothing" in each for each in apart.warnings)
    assert np.isfinite(apart.loadings).all()
