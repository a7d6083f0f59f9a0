"""The digest of a body, blind to what its sender chose at random."""

import hashlib
import re

BOUNDARY = re.compile(rb";\s*boundary=(?:\"([^\"]{1,70})\"|([^\s;\"]{1,70}))\s*(?:;|$)", re.IGNORECASE)


def body_digest(body: bytes, content_type: bytes = b"") -> bytes:
    """sha256 of the body; of a multipart body, of its parts without the boundary.

    A client draws the boundary anew for each request, so that the raw bytes of two equal forms differ. A body
    that is not plainly delimited (a preamble, padding, the boundary inside a part) is hashed raw with its
    Content-Type: that can only cost a hit, never mix two answers.
    """
    if content_type[:10].lower() == b"multipart/":
        parts = _parts(body, content_type)
        if parts is not None:
            return _digest_parts(body, parts)
        return hashlib.sha256(b"raw-multipart:%d:%b" % (len(content_type), content_type) + body).digest()
    return hashlib.sha256(body).digest()


def _parts(body: bytes, content_type: bytes) -> list[tuple[int, int]] | None:
    """Start and end of each part, headers included; None where the body leaves room for doubt."""
    match = BOUNDARY.search(content_type)
    if match is None:
        return None
    dashed = b"--" + (match[1] or match[2])
    delimiter = b"\r\n" + dashed
    start = len(dashed)
    if not body.startswith(dashed + b"\r\n"):
        return None
    parts = []
    while body.startswith(b"\r\n", start):
        end = body.find(delimiter, start)
        if end < 0:
            return None
        parts.append((start + 2, max(start + 2, end)))
        start = end + len(delimiter)
    if body[start:] not in (b"--", b"--\r\n") or body.count(dashed) != len(parts) + 1:
        return None
    return parts


def _digest_parts(body: bytes, parts: list[tuple[int, int]]) -> bytes:
    view = memoryview(body)
    state = hashlib.sha256(b"multipart:%d;" % len(parts))
    for start, end in parts:
        state.update(b"%d:" % (end - start))
        state.update(view[start:end])
    return state.digest()
