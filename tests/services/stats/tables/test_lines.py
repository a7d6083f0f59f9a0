import numpy as np
import pytest

from services.stats.tables.lines import Lines
from shared.errors import Malformed, TooLarge, Unprocessable, VernierError


def test_columns_by_name() -> None:
    source = Lines(b'{"a": 1, "b": 2.5}\n\n{"b": null, "a": 3}\r\n{"a": 4, "c": -1e3}\n', 100)
    assert source.names == ["a", "b", "c"]
    expected = np.array([[1, 3, 4], [2.5, np.nan, np.nan], [np.nan, np.nan, -1000]])
    assert np.array_equal(source.numbers(["a", "b", "c"]), expected, equal_nan=True)


def test_a_row_may_be_a_series() -> None:
    source = Lines(b'{"id": "one", "values": [1, 2, null]}\n{"id": 7, "values": [4]}\n', 100)
    assert (source.nested, source.textual) == (["values"], ["id"])
    assert source.texts("id") == ["one", "7"]
    assert [each.tolist()[:2] for each in source.arrays("values")] == [[1, 2], [4]]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"a": 1}\n{"a": }\n', "line 2 cannot be read as JSON"),
        (b'{"a": 1}\n\n{"a": 2\n', "line 3 cannot be read as JSON"),
        (b'{"a": 1}\n{"a": 2},{"a": 3}\n', "line 2 cannot be read as JSON"),
        (b'{"a": 1}\n[2]\n', "line 2 is no JSON object"),
        (b'{"a": 1}\n{"a": true}\n', "line 2, a: must be a number or null"),
        (b'{"a": 1}\n{"a": "2"}\n', "line 2, a: must be a number or null"),
        (b'{"a": 1}\n{"a": NaN}\n', "line 2 cannot be read as JSON"),
        (b'{"a": 1}\n{"a": 1e999}\n', "line 2 cannot be read as JSON"),
        (b'{"a": 1}\n{"": 2}\n', "need names"),
    ],
)
def test_what_is_no_table(body: bytes, says: str) -> None:
    with pytest.raises(Malformed, match=says):
        Lines(body, 100).numbers(["a"])


def test_what_means_nothing() -> None:
    with pytest.raises(Unprocessable, match="no rows"):
        Lines(b"\n \n", 100)
    for number in (b"1e200", b"1" * 200):
        with pytest.raises(Unprocessable, match=r"line 2, column a: .* is beyond"):
            Lines(b'{"a": 1}\n{"a": ' + number + b"}", 100).numbers(["a"])
    with pytest.raises(TooLarge):
        Lines(b'{"a": 1, "b": 2}\n' * 51, 100).numbers(["a", "b"])
    for values in (b"[]", b"1", b'["x"]'):
        with pytest.raises(VernierError, match="line 2, v"):
            Lines(b'{"v": [1]}\n{"v": ' + values + b"}", 100).arrays("v")
