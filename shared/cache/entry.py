"""A stored answer and its binary frame."""

import struct
import zlib
from dataclasses import dataclass, field

import zstandard

from shared.fields import encode_fields

Headers = list[tuple[bytes, bytes]]

FORMAT = 1
COMPRESS_FROM_BYTES = 4096
"""Below this a frame travels as it is: one round trip costs more than the bytes saved."""

_OVERHEAD_BYTES = 512
_HEAD = struct.Struct("<BBHdIII")
_CHECKSUM = struct.Struct("<I")
_ZSTD = 1


class EntryError(ValueError):
    """The frame is not one of ours, of another format, or damaged."""


@dataclass(slots=True, frozen=True)
class Entry:
    """`headers` describe the content and have lower-case names; `stored_at` is Unix time in seconds."""

    status: int
    headers: Headers
    body: bytes
    stored_at: float
    size: int = field(init=False, compare=False)
    _fields: bytes | None = field(init=False, default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        headers = sum(len(name) + len(value) + 120 for name, value in self.headers)
        object.__setattr__(self, "size", _OVERHEAD_BYTES + headers + len(self.body))

    @property
    def fields(self) -> bytes:
        """`headers` as they stand in a message; made once. Raises ValueError for what may not stand there."""
        if self._fields is None:
            object.__setattr__(self, "_fields", encode_fields(self.headers))
        return self._fields or b""

    def age(self, now: float) -> int:
        """Whole seconds since it was stored; 0 where two machines' clocks disagree."""
        return max(0, int(now - self.stored_at))


def encode(entry: Entry, key: bytes = b"") -> bytes:
    """crc32 of the key and the rest, then: format, flags, status, stored_at; lengths of headers, body and stored body;
    headers; body. The key is what the entry is filed under: under another one it counts as damaged.

    Large bodies are packed by zstd at its fastest level.
    """
    headers = b"".join(b"%d:%b%d:%b" % (len(name), name, len(value), value) for name, value in entry.headers)
    flags, body = 0, entry.body
    if len(body) >= COMPRESS_FROM_BYTES:
        packed = zstandard.ZstdCompressor(level=1).compress(body)
        if len(packed) < len(body):
            flags, body = _ZSTD, packed
    head = _HEAD.pack(FORMAT, flags, entry.status, entry.stored_at, len(headers), len(entry.body), len(body))
    frame = head + headers + body
    return _CHECKSUM.pack(zlib.crc32(frame, zlib.crc32(key))) + frame


def decode(frame: bytes, key: bytes = b"", *, max_body_bytes: int) -> Entry:
    """Raises `EntryError`, also where the body would unpack to more than `max_body_bytes`."""
    if len(frame) < _CHECKSUM.size + _HEAD.size:
        raise EntryError("shorter than its head")
    (checksum,) = _CHECKSUM.unpack_from(frame)
    if zlib.crc32(memoryview(frame)[_CHECKSUM.size :], zlib.crc32(key)) != checksum:
        raise EntryError("checksum differs")
    version, flags, status, stored_at, headers_size, size, stored_size = _HEAD.unpack_from(frame, _CHECKSUM.size)
    start = _CHECKSUM.size + _HEAD.size
    if version != FORMAT or flags & ~_ZSTD:
        raise EntryError(f"format {version}, flags {flags}")
    if len(frame) != start + headers_size + stored_size or size > max_body_bytes:
        raise EntryError("lengths do not add up")
    body = frame[start + headers_size :]
    return Entry(status, _headers(frame[start : start + headers_size]), _unpack(body, flags, size), stored_at)


def _unpack(body: bytes, flags: int, size: int) -> bytes:
    if flags & _ZSTD:
        try:
            body = zstandard.ZstdDecompressor().decompress(body, max_output_size=size)
        except zstandard.ZstdError as error:
            raise EntryError(str(error)) from error
    if len(body) != size:
        raise EntryError("lengths do not add up")
    return body


def _headers(block: bytes) -> Headers:
    fields, position = [], 0
    while position < len(block):
        colon = block.index(b":", position)
        end = colon + 1 + int(block[position:colon])
        fields.append(block[colon + 1 : end])
        position = end
    return list(zip(fields[::2], fields[1::2], strict=True))
