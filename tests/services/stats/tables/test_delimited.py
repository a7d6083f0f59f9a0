from contextlib import suppress

import numpy as np
import pytest

from services.stats.tables.delimited import Delimited
from services.stats.tables.source import FloatArray
from shared.errors import Malformed, TooLarge, Unprocessable

TABLE = b"t,a,b\n0,1,4\n1,2,\n2,NA,6.5\n3,4,-7e-1\n"


def columns(body: bytes, most: int = 1000) -> dict[str, FloatArray]:
    source = Delimited(body, most)
    return dict(zip(source.names, source.numbers(source.names), strict=True))


def same(found: dict[str, FloatArray], **expected: list[float]) -> bool:
    return found.keys() == expected.keys() and all(
        np.array_equal(found[name], values, equal_nan=True) for name, values in expected.items()
    )


def test_columns_by_name() -> None:
    nan = np.nan
    assert same(columns(TABLE), t=[0, 1, 2, 3], a=[1, 2, nan, 4], b=[4, nan, 6.5, -0.7])
    found = columns(b'\xef\xbb\xbf"a, b", c \r\n 1 ,2\r\n\r\n3,4')
    assert same(found, **{"a, b": [1.0, 3.0], "c": [2.0, 4.0]})


def test_what_pyarrow_does_not_read_is_read_all_the_same() -> None:
    assert same(columns(b'a,b\n+1,"2"\n.5,\n'), a=[1, 0.5], b=[2, np.nan])


def test_an_empty_line_is_a_missing_value_of_the_only_column() -> None:
    assert same(columns(b"x\n1\n\n3\n\n\n"), x=[1, np.nan, 3])
    assert same(columns(b"\r\n\r\nx\r\n\r\n+1\r\n\r\n3"), x=[np.nan, 1, np.nan, 3])
    assert same(columns(b"x,y\n1,2\n\n3,4\n"), x=[1, 3], y=[2, 4])


def test_every_digit_counts() -> None:
    values = np.random.default_rng(3).normal(size=2000) * 10.0 ** np.random.default_rng(4).integers(-100, 100, 2000)
    body = "x\n" + "\n".join(map(repr, values.tolist()))
    assert same(columns(body.encode(), 3000), x=values.tolist())


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (b"\n\n", "first line must name"),
        (b"a,b\n1,2\n3\n", "line 3: 1 fields, but 2 columns"),
        (b"a,b\n1,2\n3,x\n", "line 3, column b: 'x' is no number"),
        (b"a,b\n1,2\n\n\n3,1_0\n", "line 5, column b: '1_0' is no number"),
        (b"a\n1\ninf\n", "line 3, column a: inf must be a finite number"),
        (b"a\n1\n2\n-1e999\n", "line 4, column a: -inf must be a finite number"),
        (b"a\n1\nNaN\n", "line 3, column a: nan is NaN"),
        (b"a,a\n1,2\n", "names, each its own"),
        (b"a,\n1,2\n", "names, each its own"),
        (b'a,b\n1,"2\n', "RFC 4180"),
        (b"a\n1\n\xff\n", "not UTF-8"),
        (b"a\n1\n\x00\n", "line 3, column a"),
    ],
)
def test_what_is_no_table(table: bytes, says: str) -> None:
    with pytest.raises(Malformed, match=says):
        columns(table)


@pytest.mark.parametrize(
    ("table", "says"),
    [(b"a,b\n", "no rows"), (b"a\n1e200\n", "line 2, column a: 1e.200 is beyond"), (b"a\n1e-200\n", "nearer")],
)
def test_what_means_nothing(table: bytes, says: str) -> None:
    with pytest.raises(Unprocessable, match=says):
        columns(table)


def test_a_column_that_is_not_asked_for_may_hold_anything() -> None:
    assert Delimited(b"a,b\n1,x\n2,y\n", 100).numbers(["a"]).tolist() == [[1, 2]]


def test_size_is_known_before_it_is_read() -> None:
    with pytest.raises(TooLarge, match="51 rows x 2 columns"):
        columns(b"a,b\n" + b"1,2\n" * 50, 100)


def test_whatever_comes_is_read_or_refused() -> None:
    rng = np.random.default_rng(7)
    for _ in range(300):
        body = bytearray(TABLE)
        for _ in range(rng.integers(1, 6)):
            body[rng.integers(len(body))] = rng.integers(256)
        with suppress(Malformed, Unprocessable):
            found = columns(bytes(body))
            assert {len(each) for each in found.values()} <= {3, 4, 5}
