"""The two encodings of a tensor."""

import base64
import struct
import tracemalloc
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Malformed, TooLarge
from shared.inference.tensors import MAX_STRINGS, from_binary, from_json, known_datatype, to_binary, to_json
from shared.inference.types import DATATYPES, Array
from shared.responses import json_bytes
from tests.shared.inference.tensors import same, tensors


@given(tensors())
def test_binary_there_and_back(tensor: tuple[str, Array]) -> None:
    datatype, array = tensor
    data = to_binary(datatype, array)
    assert same(from_binary(datatype, array.shape, memoryview(data), "t"), array)


@given(tensors(text=True))
def test_json_there_and_back(tensor: tuple[str, Array]) -> None:
    """Through the text itself. NaN and infinity become null, and null is NaN."""
    datatype, array = tensor
    text = json_bytes(to_json(datatype, array, "t"))
    expected = array
    if DATATYPES[datatype].kind == "f":
        assert (b"NaN" in text, b"nan" in text, b"inf" in text) == (False, False, False)
        expected = np.where(np.isfinite(array), array, np.array(np.nan, array.dtype))
    assert same(from_json(datatype, array.shape, orjson.loads(text), "t"), expected)


@given(tensors(text=True, finite=True))
def test_nested_is_as_good_as_flat(tensor: tuple[str, Array]) -> None:
    datatype, array = tensor
    if array.ndim and array.size:
        nested = array.tolist() if datatype != "BYTES" else np.vectorize(bytes.decode, otypes=[object])(array).tolist()
        assert same(from_json(datatype, array.shape, nested, "t"), array)


@given(tensors())
def test_base64(tensor: tuple[str, Array]) -> None:
    datatype, array = tensor
    if datatype == "BYTES":
        sent = [base64.b64encode(each).decode() for each in array.ravel()]
        assert same(from_json("BYTES", array.shape, sent, "t", base64_bytes=True), array)


@given(st.sampled_from(list(DATATYPES)), st.lists(st.integers(0, 1 << 31), max_size=5), st.binary(max_size=64))
def test_any_bytes_under_any_shape_are_a_tensor_or_a_refusal(datatype: str, shape: list[int], data: bytes) -> None:
    try:
        array = from_binary(datatype, shape, memoryview(data), "t")
    except (Malformed, TooLarge):
        return
    assert array.shape == tuple(shape)
    assert to_binary(datatype, array) == data


JSON_VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 65), 1 << 65) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=12,
)


@given(st.sampled_from(list(DATATYPES)), st.lists(st.integers(0, 5), max_size=3), JSON_VALUES, st.booleans())
def test_any_json_under_any_shape_is_a_tensor_or_a_refusal(
    datatype: str, shape: list[int], data: Any, encoded: bool
) -> None:
    try:
        array = from_json(datatype, shape, data, "t", base64_bytes=encoded)
    except (Malformed, TooLarge):
        return
    assert array.shape == tuple(shape)
    assert array.dtype == DATATYPES[datatype]


@pytest.mark.parametrize("datatype", ["INT64", "UINT64"])
def test_64_bits_are_exact(datatype: str) -> None:
    info = np.iinfo(DATATYPES[datatype])
    for value in (info.min, info.max, info.max - 1, (1 << 53) + 1):
        array = from_json(datatype, [1], orjson.loads(b"[%d]" % value), "t")
        assert array.tolist() == [value]
        assert orjson.loads(json_bytes(to_json(datatype, array, "t"))) == [value]


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "says"),
    [
        ("FP32", [3], b"\0" * 8, "8 bytes; FP32 of shape \\[3\\] takes 12"),
        ("INT64", [1 << 31, 1 << 31, 1 << 31], b"", "no body holds so many"),
        ("INT64", [1 << 31, 1 << 31, 0], b"", "no body holds so many"),
        ("FP32", [1 << 30], b"", "takes 4,294,967,296"),
        ("FP32", [1] * 33, b"\0" * 4, "33 dimensions"),
        ("BOOL", [2], b"\0\2", "BOOL is 0 or 1"),
        ("BYTES", [1], b"\1\0\0", "ends before element 0 of 1"),
        ("BYTES", [2], b"\0\0\0\0", "ends before element 1 of 2"),
        ("BYTES", [1], b"\xff\xff\xff\xff", "says it has 4,294,967,295 bytes, 0 are left"),
        ("BYTES", [1], b"\0\0\0\0x", "1 bytes more"),
        ("BYTES", [0], b"\0", "1 bytes more"),
    ],
)
def test_bytes_that_are_no_such_tensor(datatype: str, shape: list[int], data: bytes, says: str) -> None:
    with pytest.raises(Malformed, match=f"input x.*{says}"):
        from_binary(datatype, shape, memoryview(data), "input x")


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "says"),
    [
        ("FP32", [2], [1.0], "1 values; shape \\[2\\] takes 2"),
        ("FP32", [2, 2], [[1, 2], [3]], "nested otherwise"),
        ("FP32", [4], [[1, 2], [3, 4]], "nested otherwise"),
        ("FP32", [2, 2], [[1, 2], 3], "nested otherwise"),
        ("FP32", [1, 1], [[[1]]], "value 0 is a list, which is not a number"),
        ("FP32", [1], {"a": 1}, "data is a list"),
        ("FP32", [1], 1.0, "data is a list"),
        ("FP32", [2], [1, "2"], "value 1 is '2', which is not a number"),
        ("FP32", [1], [True], "value 0 is True"),
        ("FP32", [1], [1e39], "1e\\+39, beyond the largest FP32"),
        ("FP16", [2], [1, 70000], "70000, beyond the largest FP16"),
        ("INT8", [2], [1, 128], "128; INT8 goes from -128 to 127"),
        ("UINT8", [1], [-1], "-1; UINT8"),
        ("UINT64", [1], [float(1 << 64)], "not a whole number"),
        ("INT32", [1], [1.0], "1.0, which is not a whole number"),
        ("INT32", [1], [None], "None, which is not a whole number"),
        ("BOOL", [1], [1], "1, which is not true or false"),
        ("BYTES", [1], [1], "1, which is not a string"),
    ],
)
def test_json_that_is_no_such_tensor(datatype: str, shape: list[int], data: Any, says: str) -> None:
    with pytest.raises(Malformed, match=f"input x.*{says}"):
        from_json(datatype, shape, data, "input x")


def test_base64_that_is_none() -> None:
    with pytest.raises(Malformed, match="value 1 is no base64"):
        from_json("BYTES", [2], ["aGk=", "a*"], "x", base64_bytes=True)


@pytest.mark.parametrize("datatype", ["BF16", "FLOAT", "fp32", "", None, 1, ["FP32"]])
def test_a_datatype_that_is_none_is_told_those_that_are(datatype: Any) -> None:
    with pytest.raises(Malformed, match=r"BOOL, UINT8.*BYTES"):
        known_datatype(datatype, "x")


def test_bytes_that_are_no_text_must_travel_in_binary() -> None:
    array = np.empty(1, np.object_)
    array[0] = b"\xff\xd8"
    with pytest.raises(Malformed, match="binary_data"):
        to_json("BYTES", array, "output y")


def test_a_shape_that_lies_allocates_nothing() -> None:
    data = memoryview(struct.pack("<I", 1 << 31) * 4)
    tracemalloc.start()
    for datatype in DATATYPES:
        with pytest.raises((Malformed, TooLarge)):
            from_binary(datatype, [1 << 20, 1 << 10], data, "x")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_a_million_empty_strings_are_too_many() -> None:
    count = MAX_STRINGS + 1
    with pytest.raises(TooLarge, match="BYTES elements"):
        from_binary("BYTES", [count], memoryview(bytes(4 * count)), "x")


def test_fixed_size_elements_are_not_copied() -> None:
    data = bytearray(8)
    array = from_binary("FP32", [2], memoryview(data), "x")
    data[:4] = struct.pack("<f", 1.5)
    assert array.tolist() == [1.5, 0.0]
