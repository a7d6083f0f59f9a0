import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.multivariate.factor_rotation import rotate_factors

from services.stats.rotations import Rotation, rotate

# Harman (1976): eight physical variables of 305 girls, unrotated
HARMAN = np.array(
    [
        [0.830, -0.396], [0.818, -0.469], [0.777, -0.470], [0.798, -0.401],
        [0.786, 0.500], [0.672, 0.458], [0.594, 0.444], [0.647, 0.333],
    ]
)  # fmt: skip
ROTATIONS: list[Rotation] = ["varimax", "quartimax", "promax", "oblimin"]


def table(seed: int, columns: int = 9, factors: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(columns, factors)) * 0.1
    loadings[np.arange(columns), np.arange(columns) % factors] += rng.uniform(0.5, 0.8, columns)
    turned: np.ndarray = loadings @ np.linalg.qr(rng.normal(size=(factors, factors)))[0]
    return turned


def test_harman_s_physical_variables() -> None:
    # as Bernaards & Jennrich's own programs rotate them (GPArotation's tests, to eps 1e-8)
    quartimin = [
        [0.8918217697289940, 0.0560146456758184], [0.9536799985772628, -0.0232460005406672],
        [0.9291498623396581, -0.0465027396531853], [0.8766828510822184, 0.0336582451338717],
        [0.0136988312985193, 0.9250013826349388], [-0.0172668087945965, 0.8212535444941218],
        [-0.0524468998178312, 0.7649536381341245], [0.0858880630098149, 0.6831160953442911],
    ]  # fmt: skip
    found = rotate(HARMAN, "oblimin", kaiser=False)
    np.testing.assert_allclose(found.loadings, quartimin, atol=1e-8)
    found = rotate(HARMAN, "quartimax", kaiser=False)
    turn = [[0.790828307905322436, 0.612038060430562525], [-0.612038060430562525, 0.790828307905322214]]
    np.testing.assert_allclose(found.matrix, turn, atol=1e-8)
    assert found.converged


@pytest.mark.parametrize(
    ("rotation", "peer"),
    [("varimax", ("varimax",)), ("quartimax", ("quartimax",)), ("oblimin", ("oblimin", 0, "oblique"))],
)
def test_agrees_with_statsmodels(rotation: Rotation, peer: tuple[object, ...]) -> None:
    loadings = table(1)
    found = rotate(loadings, rotation, kaiser=False)
    expected, _ = rotate_factors(loadings, *peer)
    # both stand at one optimum, factors in the order of the start; statsmodels stops at a slope of 1e-5
    np.testing.assert_allclose(found.loadings, expected, atol=2e-5)


@pytest.mark.parametrize("kaiser", [False, True])
@pytest.mark.parametrize("rotation", ROTATIONS)
def test_a_rotation_changes_no_correlation_that_it_explains(rotation: Rotation, kaiser: bool) -> None:
    loadings = table(2)
    found = rotate(loadings, rotation, kaiser=kaiser)
    assert found.converged
    np.testing.assert_allclose(found.loadings, loadings @ found.matrix, atol=1e-14)
    np.testing.assert_allclose(
        found.loadings @ found.correlations @ found.loadings.T, loadings @ loadings.T, atol=1e-12
    )
    assert np.diagonal(found.correlations) == pytest.approx(np.ones(3), abs=1e-12)
    if rotation in ("varimax", "quartimax"):
        np.testing.assert_allclose(found.matrix @ found.matrix.T, np.eye(3), atol=1e-13)


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_the_order_of_the_columns_does_not_matter(rotation: Rotation) -> None:
    loadings, order = table(3), np.random.default_rng(0).permutation(9)
    found, other = rotate(loadings, rotation), rotate(loadings[order], rotation)
    np.testing.assert_allclose(other.loadings, found.loadings[order], atol=1e-6)


@given(st.integers(0, 1000))
def test_varimax_is_at_least_as_simple_as_what_it_was_given(seed: int) -> None:
    loadings = np.random.default_rng(seed).normal(size=(7, 3))

    def spread(each: np.ndarray) -> float:
        return float(np.var(each**2, axis=0).sum())

    assert spread(rotate(loadings, "varimax", kaiser=False).loadings) >= spread(loadings) - 1e-12


def test_one_factor_is_not_turned() -> None:
    loadings = table(4)[:, :1]
    assert rotate(loadings, "oblimin").loadings is loadings
