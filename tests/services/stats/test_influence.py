import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.stats import regression
from services.stats.inference import Influence
from services.stats.regression_options import Precision
from tests.services.stats.peers import OLSInfluence, sm, table


def influence(x: list[np.ndarray], y: np.ndarray, **options: object) -> Influence:
    found = regression.fit(x, y, influence=True, **options).influence
    assert found is not None
    return found


@pytest.mark.parametrize("precision", ["default", "high"])
@pytest.mark.parametrize("weighted", [True, False])
def test_agrees_with_statsmodels(precision: Precision, weighted: bool) -> None:
    x, y, weights = table(8)
    root = np.sqrt(weights) if weighted else np.ones(40)
    peer = OLSInfluence(sm.OLS(y * root, sm.add_constant(np.column_stack(x)) * root[:, None]).fit())
    mine = influence(x, y, precision=precision, weights=weights if weighted else None)
    np.testing.assert_allclose(mine.leverage, peer.hat_matrix_diag, rtol=1e-11)
    np.testing.assert_allclose(mine.cooks_distance, peer.cooks_distance[0], rtol=1e-10)
    np.testing.assert_allclose(mine.standardized, peer.resid_studentized_internal, rtol=1e-10)
    np.testing.assert_allclose(mine.studentized, peer.resid_studentized_external, rtol=1e-10)


@settings(max_examples=15)
@given(st.integers(0, 2**32))
def test_leaving_a_point_out_moves_the_fit_by_cooks_distance(seed: int) -> None:
    x, y, _ = table(seed, rows=6, columns=1)
    whole, mine = regression.fit(x, y), influence(x, y)
    matrix = np.column_stack([np.ones(6), x[0]])
    for i in range(6):
        others = np.arange(6) != i
        moved = matrix @ (regression.fit([x[0][others]], y[others]).coef - whole.coef)
        assert mine.cooks_distance[i] == pytest.approx(moved @ moved / 2 / whole.sigma**2, rel=1e-6, abs=1e-12)
    assert mine.leverage.sum() == pytest.approx(2, rel=1e-12)


def test_a_point_that_alone_determines_a_coefficient() -> None:
    alone = np.array([0.0, 0, 0, 0, 1])
    found = regression.fit([np.arange(5.0), alone], np.array([1.0, 2, 2, 4, 9]), influence=True)
    assert found.influence is not None
    assert found.influence.leverage[4] == pytest.approx(1)
    assert np.isnan(found.influence.cooks_distance).tolist() == [False] * 4 + [True]
    assert any("points that alone determine a coefficient" in warning for warning in found.warnings)
