"""Arrow streams and Parquet files: what they may hold, and what is refused before it is allocated."""

import datetime as dt
import decimal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from services.stats.tables.arrow import ArrowStream
from services.stats.tables.parquet import ParquetFile
from services.stats.tables.source import MOST_SERIES, FloatArray
from services.stats.tables.typed import Typed
from shared.errors import Malformed, TooLarge, Unprocessable, VernierError
from tests.services.stats.tables.tables import arrow_bytes, parquet_bytes

Encode = Callable[..., bytes]
FORMATS: list[tuple[Encode, type[Any]]] = [(arrow_bytes, ArrowStream), (parquet_bytes, ParquetFile)]
both = pytest.mark.parametrize(("encode", "reader"), FORMATS, ids=["arrow", "parquet"])


def columns(source: Typed) -> dict[str, FloatArray]:
    return dict(zip(source.names, source.numbers(source.names), strict=True))


@both
def test_numbers_of_every_type(encode: Encode, reader: type[Any]) -> None:
    utc = dt.datetime(2020, 1, 1, 12, tzinfo=dt.UTC)
    table = pa.table(
        {
            "f64": [1.5, None, np.nan],
            "f32": pa.array([1.5, 2, None], pa.float32()),
            "i8": pa.array([1, None, -3], pa.int8()),
            "u64": pa.array([1, 2, 2**64 - 1], pa.uint64()),
            "bool": [True, False, None],
            "decimal": pa.array([decimal.Decimal("1.10"), None, decimal.Decimal("-2.25")], pa.decimal128(9, 2)),
            "day": [dt.date(1970, 1, 2), dt.date(1969, 12, 31), None],
            "ms": pa.array([0, 1500, None], pa.timestamp("ms")),
            "zone": pa.array([utc, None, utc + dt.timedelta(microseconds=1)], pa.timestamp("us", "America/New_York")),
            "time": pa.array([dt.time(1), dt.time(0, 0, 2), None], pa.time64("us")),
            "word": pa.array([2.5, None, 2.5]).dictionary_encode(),
            "none": pa.nulls(3),
        }
    )
    found = columns(reader(encode(table), 1000))
    nan, noon = np.nan, utc.timestamp()
    expected: dict[str, list[float]] = {
        "f64": [1.5, nan, nan], "f32": [1.5, 2, nan], "i8": [1, nan, -3], "u64": [1, 2, 2.0**64], "bool": [1, 0, nan],
        "decimal": [1.1, nan, -2.25], "day": [86400, -86400, nan], "ms": [0, 1.5, nan],
        "zone": [noon, nan, noon + 1e-6], "time": [3600, 2, nan], "word": [2.5, nan, 2.5], "none": [nan] * 3,
    }  # fmt: skip
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert np.array_equal(found[name], values, equal_nan=True), (name, found[name])


@both
@pytest.mark.parametrize("kind", [pa.float64(), pa.float32(), pa.int64(), pa.int32(), pa.int16()])
def test_columns_of_one_type(encode: Encode, reader: type[Any], kind: Any) -> None:
    table = pa.table({"a": pa.array([1, 2, None], kind), "b": pa.array([4, 5, 6], kind)})
    source = reader(encode(table), 1000)
    assert np.array_equal(source.numbers(["b", "a"]), np.array([[4, 5, 6], [1, 2, np.nan]]), equal_nan=True)
    assert source.numbers(["a", "b", "a"]).shape == (3, 3)
    assert source.numbers(["b"]).flags.c_contiguous


@both
def test_many_batches_are_one_table(encode: Encode, reader: type[Any]) -> None:
    x = np.arange(1000.0)
    options = {"row_group_size": 7} if reader is ParquetFile else {"batch_rows": 7}
    source = reader(encode({"x": x, "y": x * 2}, **options), 3000)
    assert np.array_equal(source.numbers(["x", "y"]), [x, x * 2])


@both
@pytest.mark.parametrize("kind", [pa.list_(pa.float64()), pa.list_(pa.int32(), 2), pa.large_list(pa.float32())])
def test_a_row_may_be_a_series(encode: Encode, reader: type[Any], kind: Any) -> None:
    table = pa.table({"id": ["p", "q", "r"], "v": pa.array([[1, 2], [3, None], [5, 6]], kind)})
    source = reader(encode(table), 1000)
    assert (list(source.nested), list(source.textual)) == (["v"], ["id"])
    assert np.array_equal(source.arrays("v"), np.array([[1, 2], [3, np.nan], [5, 6]]), equal_nan=True)
    assert source.texts("id") == ["p", "q", "r"]


def test_series_of_different_lengths() -> None:
    table = pa.table({"v": [[1.0], [2.0, 3.0, 4.0], [5.0, 6.0]]})
    assert [each.tolist() for each in ArrowStream(arrow_bytes(table, 2), 1000).arrays("v")] == [[1], [2, 3, 4], [5, 6]]


@both
def test_what_is_no_number_is_refused(encode: Encode, reader: type[Any]) -> None:
    table = pa.table({"x": [1.0, 2.0], "name": ["a", "b"], "pair": [{"p": 1}, {"p": 2}], "many": [[1.0], [2.0]]})
    source = reader(encode(table), 1000)
    for name in ("name", "pair", "many"):
        with pytest.raises(Unprocessable, match=f"column {name} is of type") as caught:
            source.numbers(["x", name])
        assert caught.value.errors[0].pointer == f"/{name}"
    assert source.numbers(["x"]).tolist() == [[1, 2]]


@both
@pytest.mark.parametrize(
    ("values", "says"),
    [([1.0, np.inf], "row 2, column b: inf must be a finite"), ([1e200, 1.0], "row 1, column b: 1e.200 is beyond")],
)
def test_numbers_out_of_range(encode: Encode, reader: type[Any], values: list[float], says: str) -> None:
    with pytest.raises(VernierError, match=says) as caught:
        columns(reader(encode({"a": [1.0, 2.0], "b": values}), 1000))
    assert caught.value.errors[0].pointer.startswith("/b/")


@both
def test_rows_of_arrays_that_are_missing(encode: Encode, reader: type[Any]) -> None:
    for values, says in (([[1.0], None], "row 2, column v is null"), ([[1.0], []], "row 2, column v is empty")):
        with pytest.raises(Unprocessable, match=says):
            reader(encode(pa.table({"v": pa.array(values, pa.list_(pa.float64()))})), 1000).arrays("v")
    with pytest.raises(Unprocessable, match="row 2, column i is null"):
        reader(encode(pa.table({"i": ["a", None]})), 1000).texts("i")
    with pytest.raises(Malformed, match="row 2, column v: inf"):
        reader(encode(pa.table({"v": [[1.0, 2.0], [np.inf]]})), 1000).arrays("v")


@both
def test_size_is_known_before_it_is_read(encode: Encode, reader: type[Any]) -> None:
    with pytest.raises(TooLarge, match="51 rows x 2 columns"):
        columns(reader(encode({"a": np.zeros(51), "b": np.zeros(51)}), 100))
    with pytest.raises(TooLarge):
        reader(encode(pa.table({"v": [[0.0] * 60, [0.0] * 60]})), 100).arrays("v")


@both
def test_no_rows(encode: Encode, reader: type[Any]) -> None:
    with pytest.raises(Unprocessable, match="no rows"):
        columns(reader(encode({"a": np.zeros(0)}), 100))


@both
def test_what_is_cut_off(encode: Encode, reader: type[Any]) -> None:
    whole = encode({"a": np.arange(100.0), "b": np.arange(100.0)})
    for size in [*range(0, len(whole), 37), len(whole) - 1, len(whole) - 8]:
        with pytest.raises(Malformed):
            columns(reader(whole[:size], 1000))


@both
def test_whatever_comes_is_read_or_refused(encode: Encode, reader: type[Any]) -> None:
    rng = np.random.default_rng(11)
    words = pa.array([0.5, 1.5] * 20).dictionary_encode()
    table = pa.table({"a": np.arange(40.0), "w": words, "l": [[1.0, 2.0]] * 40, "s": ["x"] * 40})
    for options in ({}, {"compression": "zstd"}):
        whole = encode(table, **options)
        for _ in range(150):
            body = bytearray(whole)
            for _ in range(rng.integers(1, 6)):
                body[rng.integers(len(body))] = rng.integers(256)
            for ask in (_numbers, _arrays, _texts):
                with suppress(Malformed, TooLarge, Unprocessable):
                    ask(reader(bytes(body), 1000))


def _numbers(source: Typed) -> None:
    if {"a", "w"} <= set(source.names):
        assert source.numbers(["a", "w"]).shape[0] == 2


def _arrays(source: Typed) -> None:
    for name in source.nested:
        assert source.arrays(name)


def _texts(source: Typed) -> None:
    for name in source.textual:
        assert all(isinstance(each, str) for each in source.texts(name))


def test_a_compressed_stream_may_not_unpack_to_more_than_its_values() -> None:
    assert ArrowStream(arrow_bytes({"a": np.zeros(1000)}, compression="zstd"), 1000).numbers(["a"]).sum() == 0
    text = pa.table({"a": [1.0], "s": ["x" * 1_000_000]})
    with pytest.raises(TooLarge, match="unpacks to more"):
        ArrowStream(arrow_bytes(text, compression="zstd"), 1000)
    words = pa.table({"s": pa.array(["x" * 10_000] * 500).dictionary_encode()})
    with pytest.raises(Unprocessable, match="too long for names"):
        ArrowStream(arrow_bytes(words), 1000).texts("s")


def test_rows_that_are_series_are_counted() -> None:
    rows = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(MOST_SERIES + 1)), 1)
    with pytest.raises(TooLarge, match="500,001 rows, each a series"):
        ArrowStream(arrow_bytes({"v": rows}), 16_000_000).arrays("v")


def test_an_arrow_file_is_told_from_a_stream() -> None:
    with pytest.raises(Malformed, match="send the streaming format"):
        ArrowStream(b"ARROW1\x00\x00" + b"\x00" * 50, 1000)


@both
@pytest.mark.parametrize("kind", [pa.float64(), pa.int32()])
def test_a_wide_table(encode: Encode, reader: type[Any], kind: Any) -> None:
    table = pa.table({f"c{k}": pa.array([k, None, 2], kind) for k in range(1500)})
    expected = np.array([[k, np.nan, 2] for k in range(1500)])
    for options in ({}, {"row_group_size": 2} if reader is ParquetFile else {"batch_rows": 2}):
        source = reader(encode(table, **options), 10_000)
        assert np.array_equal(source.numbers(source.names), expected, equal_nan=True)
