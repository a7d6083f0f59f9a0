from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.datasets import load_iris

from services.stats import covariance as module
from services.stats.covariance import covariance
from shared.errors import TooLarge, Unprocessable
from tests.services.stats import lsat6


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


def test_iris() -> None:
    # as scikit-learn 1.9.1 and R have it: N - 1, and maximum likelihood
    columns = dict(zip("abcd", load_iris().data.T, strict=True))
    assert covariance(columns).matrix[0, :2] == pytest.approx([0.68569351, -0.042434], abs=5e-9)
    assert covariance(columns, estimator="mle").matrix[0, :2] == pytest.approx([0.68112222, -0.04215111], abs=5e-9)
    assert covariance(columns, estimator="ledoit_wolf").shrinkage == pytest.approx(0.00757880145405865, rel=1e-12)
    assert covariance(columns, estimator="oas").shrinkage == pytest.approx(0.020236645005238522, rel=1e-12)


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
    found = covariance(columns, kind="pearson", missing="pairwise", repair="none")
    assert found.matrix[0].tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert found.matrix[1, 2] == pytest.approx(-1.0)
    assert not found.repaired
    assert any("positive semidefinite" in warning for warning in found.warnings)
    mended = covariance(columns, kind="pearson", missing="pairwise")
    assert mended.repaired
    assert mended.matrix[0].tolist() == pytest.approx([1.0, 0.5, 0.5])  # by symmetry: three unit vectors in a plane
    assert mended.matrix[1, 2] == pytest.approx(-0.5)
    assert any("nearest correlation matrix" in warning for warning in mended.warnings)


@pytest.mark.parametrize("kind", ["covariance", "pearson", "spearman", "kendall"])
def test_a_repaired_matrix_is_one_of_a_table(kind: module.Kind) -> None:
    rng = np.random.default_rng(0)
    shared, holes = rng.normal(size=20), 0.45
    columns = {
        str(j): np.where(rng.uniform(size=20) < holes, np.nan, shared + 0.7 * rng.normal(size=20)) for j in range(6)
    }
    found = covariance(columns, kind=kind, missing="pairwise")
    bare = covariance(columns, kind=kind, missing="pairwise", repair="none")
    assert found.repaired
    assert np.linalg.eigvalsh(bare.matrix)[0] < -0.01
    assert np.linalg.eigvalsh(found.matrix)[0] > -1e-12
    assert np.diagonal(found.matrix).tolist() == np.diagonal(bare.matrix).tolist()
    assert np.array_equal(found.matrix, found.matrix.T)
    # units do not matter: the repair is of the correlations
    units = 2.0 ** np.arange(-3, 3)
    scaled = covariance(
        {name: values * unit for (name, values), unit in zip(columns.items(), units, strict=True)},
        kind=kind,
        missing="pairwise",
    )
    expected = found.matrix * np.outer(units, units) if kind == "covariance" else found.matrix
    np.testing.assert_allclose(scaled.matrix, expected, rtol=1e-9, atol=1e-9)


def test_spearman_agrees_with_scipy() -> None:
    columns = {name: np.round(values) for name, values in table().items()}
    found = covariance(columns, kind="spearman")
    np.testing.assert_allclose(found.matrix, spearmanr(np.column_stack(list(columns.values()))).statistic, rtol=1e-13)
    columns = {name: np.round(values) for name, values in table(holes=0.2).items()}
    found = covariance(columns, kind="spearman", missing="pairwise", repair="none")
    for i, x in enumerate(columns.values()):
        for j, y in enumerate(columns.values()):
            both = ~np.isnan(x) & ~np.isnan(y)
            assert found.matrix[i, j] == pytest.approx(spearmanr(x[both], y[both]).statistic, rel=1e-12)


@pytest.mark.parametrize("kind", ["spearman", "kendall"])
def test_ranks_know_no_scale(kind: module.Kind) -> None:
    columns = table()
    bent = {name: np.exp(values / 5) for name, values in columns.items()}
    assert np.array_equal(covariance(columns, kind=kind).matrix, covariance(bent, kind=kind).matrix)


@pytest.mark.parametrize("estimator", ["sample", "mle", "ledoit_wolf", "oas", "mcd"])
def test_the_order_of_rows_and_the_origin_do_not_matter(estimator: module.Estimator) -> None:
    columns, order = table(rows=60), np.random.default_rng(1).permutation(60)
    moved = {name: values[order] + 1e6 for name, values in columns.items()}
    kinds: list[module.Kind] = ["covariance", "pearson"]
    for kind in kinds:
        first = covariance(columns, kind=kind, estimator=estimator).matrix
        other = covariance(moved, kind=kind, estimator=estimator).matrix
        # 1e6 leaves 1e-10 of values of some 3
        np.testing.assert_allclose(other, first, rtol=1e-8)
        assert np.linalg.eigvalsh(first)[0] > 0
        assert kind == "covariance" or np.diagonal(first).tolist() == [1.0] * 4


@pytest.mark.parametrize("estimator", ["sample", "ledoit_wolf", "oas", "mcd"])
def test_a_unit_for_all_columns_comes_out_squared(estimator: module.Estimator) -> None:
    columns = table(rows=60)
    scaled = {name: values * 4096.0 for name, values in columns.items()}
    first, other = (covariance(each, estimator=estimator) for each in (columns, scaled))
    np.testing.assert_allclose(other.matrix, first.matrix * 4096.0**2, rtol=1e-12)
    assert other.shrinkage == (None if first.shrinkage is None else pytest.approx(first.shrinkage, rel=1e-12))


def test_tetrachoric_of_the_law_school_admission_test() -> None:
    # means of the items and these correlations are those of the literature, to two digits (R's psych: .17 .23 .11 ...)
    found = covariance(lsat6.columns(), kind="tetrachoric")
    expected = [
        0.1703163977, 0.2275219449, 0.1071860828, 0.0665006135, 0.1890910788,
        0.1111470531, 0.1724218487, 0.1866804630, 0.1054916226, 0.2009241151,
    ]  # fmt: skip
    assert found.matrix[np.triu_indices(5, 1)] == pytest.approx(expected, abs=1e-9)
    assert np.diagonal(found.matrix).tolist() == [1.0] * 5
    assert (found.repaired, found.warnings) == (False, [])
    assert found.se is not None
    assert np.all(found.se[np.triu_indices(5, 1)] > 0.05)


def test_tetrachoric_takes_any_two_values() -> None:
    columns = lsat6.columns()
    other = {name: np.where(values == 1, 7.0, -2.5) for name, values in columns.items()}
    assert np.array_equal(covariance(columns, kind="tetrachoric").matrix, covariance(other, kind="tetrachoric").matrix)
    turned = covariance({**columns, "item1": -columns["item1"]}, kind="tetrachoric").matrix
    assert turned[0, 1] == pytest.approx(-covariance(columns, kind="tetrachoric").matrix[0, 1], abs=1e-14)


def test_tetrachoric_with_holes_and_with_columns_that_say_nothing() -> None:
    columns = lsat6.columns()
    columns["item1"] = np.where(np.arange(1000) % 7 == 0, np.nan, columns["item1"])
    found = covariance({**columns, "ones": np.ones(1000)}, kind="tetrachoric", missing="pairwise")
    there = ~np.isnan(columns["item1"])
    whole = covariance({"a": columns["item1"][there], "b": columns["item2"][there]}, kind="tetrachoric")
    assert found.matrix[0, 1] == pytest.approx(whole.matrix[0, 1], abs=1e-14)
    assert np.isnan(found.matrix[5]).all()
    assert "column ones does not vary: its correlations are null" in found.warnings
    with pytest.raises(Unprocessable, match="is 2, a third value beside 0 and 3") as caught:
        covariance({"a": np.array([0.0, 3.0, 2.0])}, kind="tetrachoric")
    assert caught.value.errors[0].pointer == "/columns/a/2"


def test_empty_cells_are_said() -> None:
    columns = {"a": np.array([0.0, 0, 0, 1, 1, 1]), "b": np.array([0.0, 0, 0, 0, 1, 1])}
    found = covariance(columns, kind="tetrachoric")
    assert 0.5 < found.matrix[0, 1] < 1
    assert found.warnings == ["columns a and b have an empty cell, counted as 0.5"]
    found = covariance(columns, kind="tetrachoric", empty=0)
    assert found.matrix[0, 1] == 1
    assert found.warnings == ["columns a and b have an empty cell: their correlation is 1"]


def test_an_indefinite_tetrachoric_matrix_is_repaired() -> None:
    rng = np.random.default_rng(8)
    columns = {str(j): (rng.normal(size=12) > 0).astype(float) for j in range(8)}
    bare = covariance(columns, kind="tetrachoric", repair="none")
    found = covariance(columns, kind="tetrachoric")
    assert np.linalg.eigvalsh(bare.matrix)[0] < -0.1
    assert found.repaired
    assert np.linalg.eigvalsh(found.matrix)[0] > -1e-12


def test_rows_that_lie_apart() -> None:
    rng = np.random.default_rng(4)
    clean = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 200)
    spoilt = np.vstack([clean, np.tile([30.0, -30.0], (40, 1))])
    columns = {"a": spoilt[:, 0], "b": spoilt[:, 1]}
    assert covariance(columns, kind="pearson").matrix[0, 1] < -0.9
    found = covariance(columns, kind="pearson", estimator="mcd")
    assert found.matrix[0, 1] == pytest.approx(0.8, abs=0.1)
    assert found.support is not None
    assert 150 < found.support <= 200


def test_columns_that_never_meet() -> None:
    columns = {"a": np.array([1.0, 2.0, np.nan]), "b": np.array([np.nan, np.nan, 1.0]), "c": np.full(3, np.nan)}
    found = covariance(columns, missing="pairwise")
    assert np.isnan(found.matrix[0, 1:]).all()
    assert found.matrix[0, 0] == 0.5
    assert "columns a and b share fewer than 2 rows: null" in found.warnings


def test_rows_that_are_shared_and_do_not_vary() -> None:
    columns = {"a": np.array([0, 0, 1, np.nan]), "b": np.array([1, 2, np.nan, 3])}
    for kind in ("pearson", "spearman", "kendall"):
        found = covariance(columns, kind=kind, missing="pairwise")
        assert np.isnan(found.matrix[0, 1])
        assert found.warnings == ["column a or b does not vary over the rows they share: null"]


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
    with pytest.raises(TooLarge, match="take spearman, or fewer rows"):
        covariance({str(j): np.arange(2000.0) for j in range(1000)}, kind="kendall")
    with pytest.raises(TooLarge, match="take spearman, or fewer columns"):
        covariance({str(j): np.arange(1000.0) for j in range(900)}, kind="kendall")
    with pytest.raises(TooLarge, match="too many for mcd"):
        covariance({"a": np.arange(20_001.0)}, estimator="mcd")


def test_estimators_that_do_not_fit() -> None:
    with pytest.raises(Unprocessable, match="covariance and pearson only") as caught:
        covariance({"a": np.arange(3.0)}, kind="spearman", estimator="oas")
    assert caught.value.errors[0].pointer == "/estimator"
    with pytest.raises(Unprocessable, match="oas needs whole rows") as caught:
        covariance({"a": np.array([1.0, np.nan, 2])}, estimator="oas", missing="pairwise")
    assert caught.value.errors[0].pointer == "/columns/a/1"
    with pytest.raises(Unprocessable, match="4 rows are too few: mcd of 2 columns needs more than 4"):
        covariance({"a": np.arange(4.0), "b": np.arange(4.0) ** 2}, estimator="mcd")
    with pytest.raises(Unprocessable, match="/columns/b does not vary"):
        covariance({"a": np.arange(9.0), "b": np.ones(9)}, estimator="mcd")


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
