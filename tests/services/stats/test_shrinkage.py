import numpy as np
import pytest
from sklearn.covariance import OAS, LedoitWolf, MinCovDet
from sklearn.datasets import load_iris

from services.stats.shrinkage import ledoit_wolf, minimum_determinant, oracle_approximating
from shared.errors import Unprocessable


def table(rows: int, columns: int) -> np.ndarray:
    rng = np.random.default_rng(rows)
    return rng.normal(size=(rows, columns)) @ rng.normal(size=(columns, columns)) + 5


def test_iris() -> None:
    # as scikit-learn 1.9.1 has them
    iris = load_iris().data
    assert ledoit_wolf(iris).shrinkage == pytest.approx(0.00757880145405865, rel=1e-12)
    assert oracle_approximating(iris).shrinkage == pytest.approx(0.020236645005238522, rel=1e-12)


@pytest.mark.parametrize("shape", [(5, 4), (100, 3), (20, 40), (2, 2)])
def test_agree_with_scikit_learn(shape: tuple[int, int]) -> None:
    x = table(*shape)
    for ours, peer in ((ledoit_wolf, LedoitWolf()), (oracle_approximating, OAS())):
        found, expected = ours(x), peer.fit(x)
        assert found.shrinkage == pytest.approx(expected.shrinkage_, rel=1e-10)
        np.testing.assert_allclose(found.matrix, expected.covariance_, rtol=1e-10, atol=1e-10)


def test_one_column_has_nothing_to_shrink_towards() -> None:
    x = table(10, 1)
    for estimate in (ledoit_wolf(x), oracle_approximating(x)):
        assert estimate.shrinkage == 0
        assert estimate.matrix == pytest.approx(x.var())


def test_constant_columns() -> None:
    for estimator in (ledoit_wolf, oracle_approximating):
        assert np.isfinite(estimator(np.ones((5, 3))).matrix).all()


def test_minimum_determinant_is_scikit_learn_s() -> None:
    iris = load_iris().data
    spread = iris.std(axis=0)
    ordered = ((iris - iris.mean(axis=0)) / spread)[np.lexsort(iris.T)]
    peer = MinCovDet(random_state=0).fit(ordered)
    found = minimum_determinant(iris)
    np.testing.assert_allclose(found.matrix, peer.covariance_ * np.outer(spread, spread), rtol=1e-10)
    assert found.support == peer.support_.sum()


@pytest.mark.filterwarnings(r"ignore::RuntimeWarning:sklearn")  # as services.stats.learning has it where tests do not
def test_half_of_the_rows_in_a_plane() -> None:
    x = table(40, 2)
    x[:30, 1] = 2 * x[:30, 0]
    with pytest.raises(Unprocessable, match="lie in a plane"):
        minimum_determinant(x)
    with pytest.raises(Unprocessable, match="lie in a plane"):
        minimum_determinant(np.array([[0.0], *[[3.0]] * 6, [7]]))
    with pytest.raises(Unprocessable, match="follow from one another"):
        minimum_determinant(np.column_stack([x[:, 0], -x[:, 0]]))
