from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stats import covariance as module
from services.stats.covariance import covariance
from shared.errors import TooLarge, Unprocessable


def table(rows: int = 30, columns: int = 4, holes: float = 0.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(rows + columns)
    values = rng.normal(size=(columns, rows)) + 3 * rng.normal(size=rows)
    values[rng.uniform(size=values.shape) < holes] = np.nan
    return {f"c{j}": column for j, column in enumerate(values)}


def exactly(x: np.ndarray, y: np.ndarray) -> Fraction:
    a, b = [Fraction(v) for v in x.tolist()], [Fraction(v) for v in y.tolist()]
    mean_a, mean_b = sum(a, Fraction(0)) / len(a), sum(b, Fraction(0)) / len(b)
    return sum(((p - mean_a) * (q - mean_b) for p, q in zip(a, b, strict=True)), Fraction(0)) / Fraction(len(a) - 1)


@pytest.mark.parametrize(("estimator", "ddof"), [("sample", 1), ("mle", 0)])
def test_agrees_with_numpy(estimator: module.Estimator, ddof: int) -> None:
    columns = table()
    found = covariance(columns, estimator=estimator)
    np.testing.assert_allclose(found.matrix, np.cov(list(columns.values()), ddof=ddof), rtol=1e-13)
    assert (found.names, found.n, found.counts, found.warnings) == (["c0", "c1", "c2", "c3"], 30, None, [])
    assert np.array_equal(found.matrix, found.matrix.T)


def test_pearson_agrees_with_numpy() -> None:
    columns = table()
    found = covariance(columns, kind="pearson")
    np.testing.assert_allclose(found.matrix, np.corrcoef(list(columns.values())), rtol=1e-13)
    assert np.diagonal(found.matrix).tolist() == [1.0] * 4


@pytest.mark.parametrize("offset", [0.0, 1e6, 1e12, -1e15])
def test_a_large_mean_costs_no_digits(offset: float) -> None:
    rng = np.random.default_rng(5)
    x, y = np.round(rng.normal(size=(2, 50)), 2) + offset
    found = covariance({"x": x, "y": y}).matrix
    # the sum of 50 products, each rounded: some 50 units in the last place at the very worst
    assert found[0, 0] == pytest.approx(float(exactly(x, x)), rel=1e-14)
    assert found[0, 1] == pytest.approx(float(exactly(x, y)), abs=1e-14 * float(exactly(x, x)))


@pytest.mark.parametrize("scale", [1e-150, 1e-200, 1e140])
def test_scales_at_the_ends_of_the_range(scale: float) -> None:
    x = np.array([1.0, 2.0, 4.0]) * scale
    assert covariance({"x": x, "y": x[::-1]}, kind="pearson").matrix[0, 1] == pytest.approx(-13 / 14)


def test_beyond_the_range_is_said() -> None:
    columns = {"x": np.array([1.0, -1.0]) * 1e200}
    assert any("beyond" in warning for warning in covariance(columns).warnings)


def test_listwise_and_pairwise() -> None:
    columns = table(holes=0.2)
    matrix = np.column_stack(list(columns.values()))
    whole = matrix[~np.isnan(matrix).any(axis=1)]
    listwise = covariance(columns, missing="listwise")
    assert listwise.n == len(whole)
    np.testing.assert_allclose(listwise.matrix, np.cov(whole.T), rtol=1e-13)
    for kind, peer in (("covariance", np.cov), ("pearson", np.corrcoef)):
        found = covariance(columns, missing="pairwise", kind=kind)  # type: ignore[arg-type]
        assert found.n == 30
        for i in range(4):
            for j in range(4):
                both = ~np.isnan(matrix[:, i]) & ~np.isnan(matrix[:, j])
                expected = peer(matrix[both][:, [i, j]].T)[0, 1] if i != j else peer(matrix[both, i])
                assert found.matrix[i, j] == pytest.approx(expected, rel=1e-12)
                assert found.counts is not None
                assert found.counts[i, j] == both.sum()
        assert np.array_equal(found.matrix, found.matrix.T)


def test_without_holes_all_ways_are_one() -> None:
    ways: list[Any] = ["reject", "listwise", "pairwise"]
    first, *others = (covariance(table(), missing=way).matrix for way in ways)
    assert all(np.array_equal(first, other) for other in others)


def test_a_constant_column_has_no_correlation() -> None:
    found = covariance({"a": np.arange(3.0), "b": np.full(3, 0.1)}, kind="pearson")
    assert found.matrix[0, 0] == 1.0
    assert np.isnan([found.matrix[0, 1], found.matrix[1, 0], found.matrix[1, 1]]).all()
    assert found.warnings == ["column b does not vary: its correlations are null"]
    assert covariance({"a": np.arange(3.0), "b": np.full(3, 0.1)}).matrix[1].tolist() == [0.0, 0.0]


def test_an_indefinite_matrix_is_said() -> None:
    nan = np.nan
    columns = {
        "a": np.array([1, 2, 3, 1, 2, 3, nan, nan, nan]),
        "b": np.array([1, 2, 3, nan, nan, nan, 1, 2, 3]),
        "c": np.array([nan, nan, nan, 1, 2, 3, 3, 2, 1]),
    }
    found = covariance(columns, kind="pearson", missing="pairwise")
    assert found.matrix[0].tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert found.matrix[1, 2] == pytest.approx(-1.0)
    assert any("positive semidefinite" in warning for warning in found.warnings)


def test_columns_that_never_meet() -> None:
    columns = {"a": np.array([1.0, 2.0, np.nan]), "b": np.array([np.nan, np.nan, 1.0]), "c": np.full(3, np.nan)}
    found = covariance(columns, missing="pairwise")
    assert np.isnan(found.matrix[0, 1:]).all()
    assert found.matrix[0, 0] == 0.5
    assert "columns a and b share fewer than 2 rows: null" in found.warnings


def test_refusals() -> None:
    with pytest.raises(Unprocessable, match="/columns/b has 1 entries, a has 2") as caught:
        covariance({"a": np.arange(2.0), "b": np.arange(1.0)})
    assert caught.value.errors[0].pointer == "/columns/b"
    with pytest.raises(Unprocessable, match="is missing") as caught:
        covariance({"a": np.arange(2.0), "b": np.array([0, np.nan])})
    assert caught.value.errors[0].pointer == "/columns/b/1"
    with pytest.raises(Unprocessable, match="1 complete rows are too few"):
        covariance({"a": np.array([1.0, np.nan])}, missing="listwise")
    with pytest.raises(TooLarge, match="1,001 columns"):
        covariance({str(j): np.arange(2.0) for j in range(1001)})
    holes = {str(j): np.full(2000, np.nan) for j in range(1000)}
    with pytest.raises(TooLarge, match="set missing to listwise"):
        covariance(holes, missing="pairwise")


entries = st.floats(-1e9, 1e9).map(lambda v: round(v, 3))
vectors = st.lists(st.tuples(entries, entries), min_size=2, max_size=20)


@given(vectors)
def test_correlation_lies_within_its_bounds(points: list[tuple[float, float]]) -> None:
    x, y = np.array(points).T
    found = covariance({"x": x, "y": y, "z": -x}, kind="pearson").matrix
    finite = found[np.isfinite(found)]
    assert np.all(np.abs(finite) <= 1)
    assert np.array_equal(found, found.T, equal_nan=True)
    if x.min() < x.max():
        assert (found[0, 0], found[2, 2]) == (1.0, 1.0)
        assert found[0, 2] == pytest.approx(-1.0, abs=1e-15)


@given(vectors)
def test_covariance_is_that_of_exact_arithmetic(points: list[tuple[float, float]]) -> None:
    x, y = np.array(points).T
    found = covariance({"x": x, "y": y}).matrix
    size = float(exactly(x, x)) ** 0.5 * float(exactly(y, y)) ** 0.5
    assert found[0, 1] == pytest.approx(float(exactly(x, y)), abs=1e-14 * size + 1e-300)
    assert found[0, 0] == pytest.approx(float(exactly(x, x)), rel=1e-14, abs=1e-300)
