import numpy as np
import pytest

from services.stats.nearest import indefinite, nearest_correlation


def indefinite_matrix(size: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(size, size))
    matrix = np.clip(np.corrcoef(rng.normal(size=(size, 2 * size))) + 0.2 * (noise + noise.T), -1, 1)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def alternating_projections(matrix: np.ndarray, steps: int) -> np.ndarray:
    """Higham (2002), algorithm 3.3, as it stands there."""
    correction, y = np.zeros_like(matrix), matrix.copy()
    for _ in range(steps):
        values, vectors = np.linalg.eigh(y - correction)
        x = (vectors * np.maximum(values, 0)) @ vectors.T
        correction = x - (y - correction)
        y = x.copy()
        np.fill_diagonal(y, 1.0)
    return y


def test_higham_s_example() -> None:
    # Higham (2002), section 4: the nearest matrix and its distance, to the digits printed there
    found = nearest_correlation(np.array([[1.0, 1, 0], [1, 1, 1], [0, 1, 1]]))
    assert found.matrix[0].tolist() == pytest.approx([1, 0.7607, 0.1573], abs=5e-5)
    assert found.matrix[1].tolist() == pytest.approx([0.7607, 1, 0.7607], abs=5e-5)
    assert found.distance == pytest.approx(0.5278, abs=5e-5)
    assert found.eigenvalue == pytest.approx(1 - np.sqrt(2))


@pytest.mark.parametrize("size", [4, 12])
def test_agrees_with_alternating_projections(size: int) -> None:
    matrix = indefinite_matrix(size)
    # they come nearer by a constant factor a step: 1e-6 after 2,000
    np.testing.assert_allclose(nearest_correlation(matrix).matrix, alternating_projections(matrix, 2000), atol=1e-6)


@pytest.mark.parametrize(("size", "floor"), [(3, 0.0), (10, 0.0), (60, 0.0), (10, 1e-3), (60, 0.1)])
def test_what_it_finds_is_a_correlation_matrix_and_no_other_is_nearer(size: int, floor: float) -> None:
    matrix = indefinite_matrix(size, seed=size)
    found = nearest_correlation(matrix, floor=floor)
    assert np.diagonal(found.matrix).tolist() == [1.0] * size
    assert np.array_equal(found.matrix, found.matrix.T)
    assert np.linalg.eigvalsh(found.matrix)[0] >= floor - 1e-13 * size
    assert found.distance == pytest.approx(np.linalg.norm(found.matrix - matrix))
    # a projection on a convex set: whatever lies in the set lies beyond it (obtuse angle)
    rng = np.random.default_rng(1)
    for _ in range(20):
        other = (1 - floor) * np.corrcoef(rng.normal(size=(size, 3 * size))) + floor * np.eye(size)
        assert np.sum((matrix - found.matrix) * (other - found.matrix)) <= 1e-6


def test_a_correlation_matrix_stays_as_it_is() -> None:
    matrix = np.asarray(np.corrcoef(np.random.default_rng(2).normal(size=(5, 50))))
    assert indefinite(matrix) is None
    np.testing.assert_allclose(nearest_correlation(matrix).matrix, matrix, atol=1e-10)


def test_singular_is_not_indefinite() -> None:
    assert indefinite(np.ones((50, 50))) is None
    assert indefinite(np.array([[1.0, 1, 0], [1, 1, 1], [0, 1, 1]])) == pytest.approx(1 - np.sqrt(2))
