import numpy as np
import pytest
from scipy.stats import kendalltau

from services.stats import kendall
from services.stats.kendall import tau_b


@pytest.mark.parametrize("holes", [0.0, 0.2])
@pytest.mark.parametrize("digits", [0, 6])
def test_agrees_with_scipy(holes: float, digits: int) -> None:
    rng = np.random.default_rng(digits)
    table = np.round(rng.normal(size=(40, 4)) + rng.normal(size=(40, 1)), digits)
    table[rng.uniform(size=table.shape) < holes] = np.nan
    found = tau_b(table)
    for i in range(4):
        for j in range(4):
            both = ~np.isnan(table[:, i]) & ~np.isnan(table[:, j])
            expected = kendalltau(table[both, i], table[both, j]).statistic
            assert found[i, j] == pytest.approx(expected, rel=1e-14)
    assert np.diagonal(found).tolist() == [1.0] * 4


def test_both_ways_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    table = np.round(rng.normal(size=(60, 5)), 1)
    table[3, 2] = np.nan
    table[:, 4] = 1.0
    signed = tau_b(table)
    monkeypatch.setattr(kendall, "SIGNED_ROWS", 10)
    np.testing.assert_allclose(tau_b(table), signed, rtol=1e-14)
    assert np.isnan(signed[4]).all()


def test_perfect_agreement_is_exactly_one() -> None:
    x = np.arange(7.0) ** 3
    assert tau_b(np.column_stack([x, 2 * x, -x])).tolist() == [[1, 1, -1], [1, 1, -1], [-1, -1, 1]]
