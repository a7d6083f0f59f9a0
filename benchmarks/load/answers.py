"""HTTP/1.1 answers as they come off a socket, whole or not yet."""

import re
from typing import NamedTuple

LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked", re.IGNORECASE)
CLOSE = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)


class Answer(NamedTuple):
    """`last` says that the server closes the connection after it."""

    status: int
    body: bytes
    last: bool


def whole(data: bytes) -> Answer | None:
    """The answer that `data` holds, None while some of it is to come.

    Raises ValueError where it is none, or holds more than one answer: nothing is sent before an answer is whole.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[:end]
    if not head.startswith(b"HTTP/1."):
        raise ValueError(f"no HTTP/1 answer: {data[:60]!r}")
    status, last = int(head[9:12]), CLOSE.search(head) is not None
    if CHUNKED.search(head):
        body = _unchunked(data, end + 4)
    else:
        length = LENGTH.search(head)
        if length is None:
            raise ValueError(f"an answer without a length: {head!r}")
        size = int(length[1])
        if len(data) - end - 4 > size:
            raise ValueError(f"{len(data) - end - 4 - size} bytes follow the answer")
        body = data[end + 4 :] if len(data) - end - 4 == size else None
    return None if body is None else Answer(status, body, last)


def _unchunked(data: bytes, at: int) -> bytes | None:
    parts: list[bytes] = []
    while True:
        line = data.find(b"\r\n", at)
        if line < 0:
            return None
        size = int(data[at:line].partition(b";")[0], 16)
        at = line + 2 + size + 2
        if at > len(data):
            return None
        if not size:
            return b"".join(parts)
        parts.append(data[line + 2 : at - 2])
