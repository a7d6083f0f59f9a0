"""Compressed request bodies, unpacked up to a limit."""

import zlib

from shared.errors import Malformed, TooLarge, UnsupportedMedia

_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""zlib's `wbits`; deflate is the zlib format (RFC 9110, 8.4.1.2)."""


def unpack(body: bytes, encoding: str, limit: int) -> bytes:
    """Raises UnsupportedMedia for an encoding that is not known, TooLarge past `limit` bytes, before they are all
    unpacked, and Malformed for what does not unpack."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return body
    if name not in _WINDOWS:
        detail = f"Content-Encoding {encoding[:60]} is not read here; send gzip, deflate or none"
        raise UnsupportedMedia(detail, headers={"Accept-Encoding": "gzip, deflate"})
    unpacker = zlib.decompressobj(_WINDOWS[name])
    try:
        unpacked = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise Malformed(f"the body is no {name}: {error}") from None
    if len(unpacked) > limit:
        raise TooLarge(f"unpacked the body has more than the {limit:,} bytes that are taken")
    if not unpacker.eof or unpacker.unused_data:
        raise Malformed(f"the {name} body {'goes on after its end' if unpacker.eof else 'breaks off'}")
    return unpacked
