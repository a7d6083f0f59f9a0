import numpy as np
import pytest

from services.stats.schemas import CovarianceRequest, RegressionRequest, TrendRequest
from services.stats.tables import parse_table, read_csv
from shared.errors import Malformed, Unprocessable

TABLE = b"t,a,b\n0,1,4\n1,2,\n2,NA,6.5\n3,4,-7e-1\n"


def test_columns_by_name() -> None:
    assert read_csv(TABLE) == {"t": [0, 1, 2, 3], "a": [1, 2, None, 4], "b": [4, None, 6.5, -0.7]}
    assert read_csv(b'\xef\xbb\xbf"a, b", c \r\n 1 ,2\r\n\r\n3,4') == {"a, b": [1, 3], "c": [2, 4]}


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (b"\n\n", "first line must name"),
        (b"a,b\n1,2\n3\n", "line 3: 1 fields, but 2 columns"),
        (b"a,b\n1,2\n3,x\n", "line 3, column b: 'x' is no number"),
        (b"a,a\n1,2\n", "names, each its own"),
        (b"a,\n1,2\n", "names, each its own"),
        (b'a,b\n1,"2\n', "RFC 4180"),
        (b"a\n\xff\n", "byte 2"),
    ],
)
def test_what_is_no_table(table: bytes, says: str) -> None:
    with pytest.raises(Malformed, match=says):
        read_csv(table)


def test_names_alone_mean_nothing() -> None:
    with pytest.raises(Unprocessable, match="no rows"):
        read_csv(b"a,b\n")


def test_trend_takes_every_column_but_time() -> None:
    body = parse_table(TrendRequest, TABLE, [("time", "t"), ("alpha", "0.1"), ("exact", "false")])
    assert isinstance(body.series, dict)
    assert list(body.series) == ["a", "b"]
    assert np.array_equal(body.series["a"], [1, 2, np.nan, 4], equal_nan=True)
    assert body.time is not None
    assert body.time.tolist() == [0, 1, 2, 3]
    assert (body.alpha, body.exact) == (0.1, False)


def test_one_column_is_one_series() -> None:
    body = parse_table(TrendRequest, b"x\n1\n2\n3\n", [])
    assert isinstance(body.series, np.ndarray)
    assert body.exact == "auto"


def test_regression_takes_its_roles_from_the_query() -> None:
    table = b"p,q,r,w\n1,5,9,1\n2,7,8,2\n3,6,7,1\n"
    body = parse_table(RegressionRequest, table, [("y", "r"), ("weights", "w"), ("intercept", "false")])
    assert body.names == ["p", "q"]
    assert [column.tolist() for column in body.x] == [[1, 2, 3], [5, 7, 6]]
    assert body.weights is not None
    assert (body.y.tolist(), body.weights.tolist(), body.intercept) == ([9, 8, 7], [1, 2, 1], False)
    assert parse_table(RegressionRequest, table, [("y", "r"), ("x", "q"), ("x", "p")]).names == ["q", "p"]


def test_covariance_takes_all() -> None:
    body = parse_table(CovarianceRequest, TABLE, [("kind", "pearson"), ("missing", "pairwise")])
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
        ([("y", "a"), ("method", "ridge")], Unprocessable, "/method"),
        ([("y", "a"), ("lag", "3")], Malformed, "/lag"),
    ],
)
def test_a_parameter_at_fault_is_named(
    query: list[tuple[str, str]], kind: type[Malformed] | type[Unprocessable], pointer: str
) -> None:
    with pytest.raises(kind) as caught:
        parse_table(RegressionRequest, b"a,b\n1,2\n2,3\n3,5\n", query)
    assert (caught.value.errors[0].pointer, caught.value.errors[0].place) == (pointer, "query")


def test_numbers_meet_the_same_checks_as_in_json() -> None:
    with pytest.raises(Malformed, match="must be a finite number"):
        parse_table(CovarianceRequest, b"a\n1\ninf\n", [])
    with pytest.raises(Malformed, match="is NaN"):
        parse_table(CovarianceRequest, b"a\n1\nnan\n", [])
    with pytest.raises(Unprocessable, match="is missing"):
        parse_table(RegressionRequest, b"a,b\n1,2\n,3\n", [("y", "b")])


def test_no_column_left() -> None:
    with pytest.raises(Unprocessable, match="no column left"):
        parse_table(RegressionRequest, b"a\n1\n2\n", [("y", "a")])
    with pytest.raises(Unprocessable, match="no column beside time"):
        parse_table(TrendRequest, b"a\n1\n2\n", [("time", "a")])
