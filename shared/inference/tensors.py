"""A tensor's two encodings: JSON values, and the little-endian bytes of the binary extension.

Sizes are checked against what was sent before anything is allocated for them.
"""

import base64
import binascii
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from shared.errors import Malformed, TooLarge
from shared.inference.types import DATATYPES, Array

MAX_RANK = 32
MAX_ELEMENTS = 1 << 40
"""Beyond what any body can hold; a shape that says more is nonsense."""
MAX_STRINGS = 1 << 17
"""Elements of one BYTES tensor, at most: each becomes an object of its own."""

_NUMBERS: frozenset[type] = frozenset({int, float, type(None)})


def element_count(shape: Sequence[int], what: str) -> int:
    """Raises Malformed for a shape that no tensor has."""
    if len(shape) > MAX_RANK:
        raise Malformed(f"{what} has {len(shape)} dimensions; {MAX_RANK} are the most")
    if math.prod(size or 1 for size in shape) > MAX_ELEMENTS:
        raise Malformed(f"{what} has shape {list(shape)}; no body holds so many elements")
    return math.prod(shape)


def known_datatype(datatype: Any, what: str) -> str:
    if isinstance(datatype, str) and datatype in DATATYPES:
        return datatype
    shown = repr(datatype)[:60]
    hint = "; send FP32 instead" if datatype == "BF16" else ""
    raise Malformed(f"{what} has datatype {shown}, which is none of {', '.join(DATATYPES)}{hint}")


def from_binary(datatype: str, shape: Sequence[int], data: memoryview, what: str) -> Array:
    """Fixed-size elements are not copied: the array looks at `data`. Raises Malformed and TooLarge."""
    count = element_count(shape, what)
    if datatype == "BYTES":
        return _strings(list(_split(data, count, what)), shape)
    dtype = DATATYPES[datatype]
    if len(data) != count * dtype.itemsize:
        raise Malformed(
            f"{what} has {len(data):,} bytes; {datatype} of shape {list(shape)} takes {count * dtype.itemsize:,}"
        )
    if datatype == "BOOL":
        octets = np.frombuffer(data, np.uint8)
        if octets.size and octets.max() > 1:
            raise Malformed(f"{what} has the byte {octets.max()} in it; BOOL is 0 or 1")
        return octets.view(np.bool_).reshape(shape)
    return np.frombuffer(data, dtype).reshape(shape)


def to_binary(datatype: str, array: Array) -> bytes:
    if datatype == "BYTES":
        return b"".join(_prefixed(element) for element in array.ravel())
    return np.ascontiguousarray(array, DATATYPES[datatype]).tobytes()


def from_json(datatype: str, shape: Sequence[int], data: Any, what: str, *, base64_bytes: bool = False) -> Array:
    """`data` nested as `shape` says, or flat in row-major order; null is NaN. `base64_bytes`: BYTES elements are
    base64, not text. Raises Malformed and TooLarge."""
    count = element_count(shape, what)
    if not isinstance(data, list):
        raise Malformed(f"{what}: data is a list of values, nested as the shape says or flat")
    flat = _flat(data, list(shape), what)
    if len(flat) != count:
        raise Malformed(f"{what} has {len(flat):,} values; shape {list(shape)} takes {count:,}")
    if datatype == "BYTES":
        _limit(count, what)
        return _strings([_text(value, index, what, base64_bytes) for index, value in enumerate(flat)], shape)
    return _numbers(datatype, flat, what).reshape(shape)


def to_json(datatype: str, array: Array, what: str) -> Any:
    """Flat values in row-major order, for orjson; NaN and infinity become null. Raises Malformed for BYTES that are
    no UTF-8."""
    if datatype == "BYTES":
        try:
            return [element.decode() for element in array.ravel()]
        except UnicodeDecodeError:
            raise Malformed(f"{what} holds bytes that are no UTF-8; ask for it with binary_data") from None
    dtype = np.float32 if datatype == "FP16" else DATATYPES[datatype]
    return np.ascontiguousarray(array, dtype).reshape(-1)


def _flat(data: list[Any], shape: list[int], what: str) -> list[Any]:
    if not data or not isinstance(data[0], list):
        return data
    if not shape or len(data) != shape[0]:
        raise Malformed(f"{what}: data is nested otherwise than shape {shape} says")
    for size in shape[1:]:
        if not all(type(each) is list and len(each) == size for each in data):
            raise Malformed(f"{what}: data is nested otherwise than shape {shape} says")
        data = [value for each in data for value in each]
    return data


def _numbers(datatype: str, flat: list[Any], what: str) -> Array:
    dtype = DATATYPES[datatype]
    kinds = set(map(type, flat))
    if datatype == "BOOL":
        _require(kinds, {bool}, flat, what, "true or false")
        return np.array(flat, dtype)
    if dtype.kind == "f":
        _require(kinds, _NUMBERS, flat, what, "a number or null")
        return _floats(datatype, flat, what)
    _require(kinds, {int}, flat, what, "a whole number")
    info = np.iinfo(dtype)
    if flat and not (info.min <= min(flat) and max(flat) <= info.max):
        worst = min(flat) if min(flat) < info.min else max(flat)
        raise Malformed(f"{what} holds {worst}; {datatype} goes from {info.min} to {info.max}")
    return np.array(flat, dtype)


def _floats(datatype: str, flat: list[Any], what: str) -> Array:
    exact = np.array(flat, np.float64)
    with np.errstate(over="ignore"):
        values = exact.astype(DATATYPES[datatype])
    if np.isinf(values).any():
        worst = flat[int(np.isinf(values).argmax())]
        raise Malformed(f"{what} holds {worst:g}, beyond the largest {datatype}")
    return values


def _require(kinds: set[type], allowed: Iterable[type], flat: list[Any], what: str, right: str) -> None:
    if kinds - set(allowed):
        index = next(i for i, value in enumerate(flat) if type(value) not in allowed)
        raise Malformed(f"{what}: value {index} is {_shown(flat[index])}, which is not {right}")


def _shown(value: Any) -> str:
    return "a list" if isinstance(value, list) else "an object" if isinstance(value, dict) else repr(value)[:60]


def _text(value: Any, index: int, what: str, base64_bytes: bool) -> bytes:
    if not isinstance(value, str):
        raise Malformed(f"{what}: value {index} is {_shown(value)}, which is not a string")
    if not base64_bytes:
        return value.encode()
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed(f"{what}: value {index} is no base64") from None


def _strings(values: list[bytes], shape: Sequence[int]) -> Array:
    array = np.empty(len(values), np.object_)
    array[:] = values
    return array.reshape(shape)


def _split(data: memoryview, count: int, what: str) -> Iterator[bytes]:
    """Each element is its length, four bytes little-endian, and its bytes."""
    _limit(count, what)
    at, end = 0, len(data)
    for index in range(count):
        start = at + 4
        if start > end:
            raise Malformed(f"{what} ends before element {index} of {count}")
        at = start + int.from_bytes(data[at:start], "little")
        if at > end:
            raise Malformed(f"{what}: element {index} says it has {at - start:,} bytes, {end - start:,} are left")
        yield bytes(data[start:at])
    if at != end:
        raise Malformed(f"{what} has {end - at:,} bytes more than its {count} elements take")


def _prefixed(element: bytes) -> bytes:
    return len(element).to_bytes(4, "little") + element


def _limit(count: int, what: str) -> None:
    if count > MAX_STRINGS:
        raise TooLarge(f"{what} has {count:,} BYTES elements, more than the {MAX_STRINGS:,} that are taken")
