"""Header fields as bytes of a message."""

import re
from collections.abc import Iterable

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TEXT = bytes(byte for byte in range(256) if byte == 9 or (byte >= 32 and byte != 127))
_NAMES: dict[bytes, bytes] = {}
_NAMES_KEPT = 1024


def encode_fields(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Header fields as they stand in a message, names in lower case. Raises ValueError for what may not stand there."""
    pieces: list[bytes] = []
    for name, value in headers:
        pieces += (_NAMES.get(name) or _checked(name), b": ", value, b"\r\n")
    block = b"".join(pieces)
    if block.translate(None, _TEXT) != b"\r\n" * (len(pieces) // 4):
        raise ValueError("a header field holds a control character")
    return block


def _checked(name: bytes) -> bytes:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a header field")
    lower = name.lower()
    if len(_NAMES) < _NAMES_KEPT:
        _NAMES[name] = lower
    return lower
