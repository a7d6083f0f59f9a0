"""The pages of a Parquet file as their headers tell of them: what a reader would unpack, before it does.

The footer's sums may say anything; a page is unpacked to what its own header says, and holds as many values. Headers
are Thrift structs in the compact protocol (https://parquet.apache.org/docs/file-format/data-pages/).
"""

from collections.abc import Iterator
from dataclasses import dataclass

DATA, DICTIONARY, DATA_V2 = 0, 2, 3
DELTA_BYTE_ARRAY = 7
"""An encoding in which each text repeats the beginning of the one before: a few bytes may stand for a megabyte."""
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
_WIDTHS = {_BYTE: 1, _DOUBLE: 8}
_DEEPEST = 8


@dataclass(frozen=True)
class Page:
    """`unpacked` bytes, `values` of them or of their levels."""

    unpacked: int
    values: int
    encoding: int


def pages(data: memoryview, start: int, size: int) -> Iterator[Page]:
    """Those of the column chunk in `size` bytes from `start`. Raises ValueError and IndexError for what is none."""
    end = start + size
    if not 0 <= start <= end <= len(data):
        raise ValueError("a column stands outside of the file")
    while start < end:
        reader = _Reader(data[:end], start)
        header = reader.struct()
        kind, unpacked, packed = (_integer(header.get(k)) for k in (1, 2, 3))
        details = header.get({DATA: 5, DICTIONARY: 7, DATA_V2: 8}.get(kind, 0), {})
        if min(unpacked, packed) < 0 or not isinstance(details, dict):
            raise ValueError("a page has no size")
        encoding = _integer(details.get(4 if kind == DATA_V2 else 2))
        yield Page(unpacked, _integer(details.get(1)), encoding)
        start = reader.place + packed


def _integer(value: object) -> int:
    return value if isinstance(value, int) else 0


class _Reader:
    """Of structs, as their fields by number: integers and structs; what else there is becomes None."""

    def __init__(self, data: memoryview, place: int) -> None:
        self.data = data
        self.place = place

    def struct(self, depth: int = 0) -> dict[int, object]:
        if depth > _DEEPEST:
            raise ValueError("a page's header has no end")
        fields: dict[int, object] = {}
        number = 0
        while byte := self._byte():
            number = number + (byte >> 4) if byte >> 4 else self._signed()
            fields[number] = self._value(byte & 15, depth)
        return fields

    def _value(self, kind: int, depth: int) -> object:
        if kind in (_TRUE, _FALSE):
            return None
        if _BYTE < kind < _DOUBLE:
            return self._signed()
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_LIST, _SET):
            self._skip_list(depth)
        elif kind == _BINARY:
            length = self._unsigned()
            self.place += length
        elif kind in _WIDTHS:
            self.place += _WIDTHS[kind]
        else:
            raise ValueError(f"a page's header has a field of kind {kind}")
        return None

    def _skip_list(self, depth: int) -> None:
        head = self._byte()
        count, kind = head >> 4, head & 15
        for _ in range(self._unsigned() if count == 15 else count):
            if kind in (_TRUE, _FALSE):
                self.place += 1
            else:
                self._value(kind, depth + 1)

    def _byte(self) -> int:
        byte = self.data[self.place]
        self.place += 1
        return byte

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a number in a page's header has no end")

    def _signed(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)
