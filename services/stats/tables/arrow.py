"""Arrow IPC streams. Their messages are looked through before anything is read: how many rows they hold, how large they
become, and whether the stream is whole."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.ipc  # type: ignore[import-untyped]

from services.stats.tables.typed import Typed, reading
from shared.errors import Malformed, TooLarge

BYTES_PER_VALUE = 16
"""What a value may take once it is unpacked: a double, a name beside it."""
_FILE = b"ARROW1"
_DICTIONARY, _BATCH = 2, 3  # of the union MessageHeader
_CONTINUATION = 0xFFFFFFFF


class ArrowStream(Typed):
    def __init__(self, body: bytes, most: int) -> None:
        if body.startswith(_FILE):
            raise Malformed("the body is an Arrow file (Feather); send the streaming format, as new_stream() writes it")
        with reading("Arrow stream"):
            self._rows = _look_through(body, most)
            self._reader = pyarrow.ipc.open_stream(pa.py_buffer(body))
            super().__init__(self._reader.schema, most)
        self._body = body

    @property
    def rows(self) -> int:
        return self._rows

    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        with reading("Arrow stream"):
            for batch in pyarrow.ipc.open_stream(pa.py_buffer(self._body)):
                batch.validate(full=True)
                yield batch if list(names) == self.names else batch.select(list(names))


def _look_through(body: bytes, most: int) -> int:
    """Rows of all batches. Raises Malformed for a stream that is cut off, TooLarge for one that unpacks to too much."""
    rows = unpacked = 0
    for message in _messages(body):
        rows += message.rows
        unpacked += message.unpacked
        if unpacked > most * BYTES_PER_VALUE:
            raise TooLarge(f"the stream unpacks to more than {most * BYTES_PER_VALUE:,} bytes")
    return rows


@dataclass(frozen=True)
class _Message:
    rows: int
    unpacked: int


def _messages(body: bytes) -> Iterator[_Message]:
    place = 0
    while True:
        try:
            mark, size = struct.unpack_from("<II", body, place)
            if mark != _CONTINUATION:
                raise Malformed(f"byte {place} of the body begins no message of an Arrow stream")
            if size == 0:
                return
            start = place + 8
            if start + size > len(body):
                raise struct.error
            kind, batch, length = _header(memoryview(body)[start : start + size])
            place = start + size + length
            if length < 0 or place > len(body):
                raise struct.error
            yield _message(kind, batch, memoryview(body)[start + size : place])
        except (struct.error, ValueError, IndexError):
            raise Malformed(
                f"the Arrow stream is cut off or damaged: its message at byte {place} of {len(body)} is not whole; a "
                "stream ends with its mark, which close() writes"
            ) from None


class _Table:
    """A table of a FlatBuffer (https://flatbuffers.dev/internals): its fields by their place in the schema."""

    def __init__(self, data: memoryview, place: int) -> None:
        self.data = data
        self.place = place
        self._offsets = place - struct.unpack_from("<i", data, place)[0]
        if self._offsets < 0:
            raise struct.error
        self._size = struct.unpack_from("<H", data, self._offsets)[0]

    def number(self, index: int, form: str) -> int:
        place = self._place(index)
        return int(struct.unpack_from(form, self.data, place)[0]) if place else 0

    def table(self, index: int) -> "_Table | None":
        place = self._place(index)
        return _Table(self.data, place + struct.unpack_from("<I", self.data, place)[0]) if place else None

    def structs(self, index: int, width: int) -> memoryview:
        """The bytes of a vector whose entries take `width` bytes each."""
        place = self._place(index)
        if not place:
            return self.data[:0]
        place += struct.unpack_from("<I", self.data, place)[0]
        count = struct.unpack_from("<I", self.data, place)[0]
        found = self.data[place + 4 : place + 4 + count * width]
        if len(found) < count * width:
            raise struct.error
        return found

    def _place(self, index: int) -> int:
        entry = 4 + 2 * index
        if entry + 2 > self._size:
            return 0
        offset: int = struct.unpack_from("<H", self.data, self._offsets + entry)[0]
        return self.place + offset if offset else 0


def _header(data: memoryview) -> tuple[int, _Table | None, int]:
    """The kind of a message, the record batch that it is or, for a dictionary, holds, and the length of its body."""
    message = _Table(data, struct.unpack_from("<I", data, 0)[0])
    kind, header = message.number(1, "<B"), message.table(2)
    if header is not None and kind == _DICTIONARY:
        header = header.table(1)
    return kind, (header if kind in (_DICTIONARY, _BATCH) else None), message.number(3, "<q")


def _message(kind: int, batch: _Table | None, body: memoryview) -> _Message:
    if batch is None:
        return _Message(0, 0)
    rows = batch.number(0, "<q") if kind == _BATCH else 0
    if rows < 0:
        raise struct.error
    if batch.table(3) is None:  # not compressed
        return _Message(rows, len(body))
    buffers = np.frombuffer(batch.structs(2, 16), dtype="<i8").reshape(-1, 2)
    unpacked = 0
    for offset, length in buffers[buffers[:, 1] > 0].tolist():
        stated = struct.unpack_from("<q", body, offset)[0]
        unpacked += max(stated, length)
    return _Message(rows, unpacked)
