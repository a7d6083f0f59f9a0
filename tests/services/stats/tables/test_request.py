from typing import TypeVar

import numpy as np
import pytest

from services.stats.aggregate_schemas import FoldRequest
from services.stats.regression_schemas import RegressionRequest
from services.stats.schemas import CovarianceRequest, TrendRequest
from services.stats.tables import CSV, TableBody, parse_table
from services.stats.tables.layout import Query, parameters_of
from shared.errors import Malformed, Unprocessable

TABLE = b"t,a,b\n0,1,4\n1,2,\n2,NA,6.5\n3,4,-7e-1\n"


M = TypeVar("M", bound=TableBody)


def parsed(model: type[M], body: bytes, query: Query = ()) -> M:
    return parse_table(model, CSV, body, query, 1000)


def test_trend_takes_every_column_but_time() -> None:
    body = parsed(TrendRequest, TABLE, [("time", "t"), ("alpha", "0.1"), ("exact", "false")])
    assert isinstance(body.series, dict)
    assert list(body.series) == ["a", "b"]
    assert np.array_equal(body.series["a"], [1, 2, np.nan, 4], equal_nan=True)
    assert body.time is not None
    assert body.time.tolist() == [0, 1, 2, 3]
    assert (body.alpha, body.exact) == (0.1, False)


def test_one_column_is_one_series() -> None:
    body = parsed(TrendRequest, b"x\n1\n2\n3\n")
    assert isinstance(body.series, np.ndarray)
    assert body.exact == "auto"


def test_regression_takes_its_roles_from_the_query() -> None:
    table = b"p,q,r,w\n1,5,9,1\n2,7,8,2\n3,6,7,1\n"
    body = parsed(RegressionRequest, table, [("y", "r"), ("weights", "w"), ("intercept", "false")])
    assert body.names == ["p", "q"]
    assert [column.tolist() for column in body.x] == [[1, 2, 3], [5, 7, 6]]
    assert body.weights is not None
    assert (body.y.tolist(), body.weights.tolist(), body.intercept) == ([9, 8, 7], [1, 2, 1], False)
    assert parsed(RegressionRequest, table, [("y", "r"), ("x", "q"), ("x", "p")]).names == ["q", "p"]


def test_covariance_takes_all() -> None:
    body = parsed(CovarianceRequest, TABLE, [("kind", "pearson"), ("missing", "pairwise")])
    assert (list(body.columns), body.kind) == (["t", "a", "b"], "pearson")


@pytest.mark.parametrize(
    ("query", "kind", "pointer"),
    [
        ([], Malformed, "/y"),
        ([("y", "z")], Unprocessable, "/y"),
        ([("y", "a"), ("x", "z")], Unprocessable, "/x"),
        ([("y", "a"), ("y", "b")], Malformed, "/y"),
        ([("y", "a"), ("degree", "two")], Malformed, "/degree"),
        ([("y", "a"), ("degree", "99")], Unprocessable, "/degree"),
        ([("y", "a"), ("method", "lasso")], Unprocessable, "/method"),
        ([("y", "a"), ("lags", "3")], Malformed, "/lags"),
    ],
)
def test_a_parameter_at_fault_is_named(
    query: list[tuple[str, str]], kind: type[Malformed] | type[Unprocessable], pointer: str
) -> None:
    with pytest.raises(kind) as caught:
        parsed(RegressionRequest, b"a,b\n1,2\n2,3\n3,5\n", query)
    assert (caught.value.errors[0].pointer, caught.value.errors[0].place) == (pointer, "query")


def test_numbers_meet_the_same_checks_as_in_json() -> None:
    with pytest.raises(Malformed, match="must be a finite number"):
        parsed(CovarianceRequest, b"a\n1\ninf\n")
    with pytest.raises(Malformed, match="is NaN"):
        parsed(CovarianceRequest, b"a\n1\nnan\n")
    with pytest.raises(Unprocessable, match="is missing"):
        parsed(RegressionRequest, b"a,b\n1,2\n,3\n", [("y", "b")])


def test_no_column_left() -> None:
    with pytest.raises(Unprocessable, match="no column left"):
        parsed(RegressionRequest, b"a\n1\n2\n", [("y", "a")])
    with pytest.raises(Unprocessable, match="no column left for series"):
        parsed(TrendRequest, b"a\n1\n2\n", [("time", "a")])


def test_columns_may_be_chosen() -> None:
    body = parsed(TrendRequest, b"a,b,note\n1,2,x\n2,3,y\n3,4,z\n", [("series", "a"), ("series", "b")])
    assert isinstance(body.series, dict)
    assert list(body.series) == ["a", "b"]
    assert list(parsed(CovarianceRequest, TABLE, [("columns", "t"), ("columns", "a")]).columns) == ["t", "a"]


def test_one_column_may_have_two_roles() -> None:
    body = parsed(RegressionRequest, b"a,b\n1,2\n2,3\n3,5\n", [("y", "a"), ("x", "a"), ("x", "b"), ("weights", "b")])
    assert [column.tolist() for column in body.x] == [[1, 2, 3], [2, 3, 5]]
    assert body.weights is not None
    assert (body.y.tolist(), body.weights.tolist()) == ([1, 2, 3], [2, 3, 5])


def test_a_list_is_separated_by_commas() -> None:
    assert parsed(FoldRequest, TABLE, [("kind", "count, sum")]).kind == ["count", "sum"]
    assert parsed(FoldRequest, TABLE, [("kind", "sum")]).kind == ["sum"]


def test_parameters_are_the_fields_that_no_column_fills() -> None:
    assert {"degree", "intercept", "method", "precision", "confidence"} <= parameters_of(RegressionRequest).keys()
    assert not {"x", "y", "weights", "names"} & parameters_of(RegressionRequest).keys()
    assert "$ref" not in str(parameters_of(FoldRequest))
