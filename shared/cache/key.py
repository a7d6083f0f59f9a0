"""The one recipe by which an answer is filed.

Two requests get the same key when a service that is a pure function of its request must answer both alike:
same method and path, same identity of the service (its version and its models' versions), same query, same
headers that matter, same body. Every field is framed by its length: no two requests concatenate to the same bytes.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from urllib.parse import parse_qsl

from shared.cache.digest import BOUNDARY, body_digest

SCHEME = b"vernier-cache-1"

_ONE = re.compile(rb"1(\.0{0,3})?")

HEADERS = frozenset({b"accept", b"content-type", b"content-encoding", b"inference-header-content-length"})
"""Request headers of every operation's key; an operation's declared header parameters come on top."""


def cache_key(
    *,
    method: str,
    path: str,
    identity: str,
    query: bytes,
    headers: Iterable[tuple[bytes, bytes]],
    digest: bytes,
    matter: frozenset[bytes] = HEADERS,
) -> bytes:
    """32 bytes. `headers` have lower-case names, those in `matter` count; `digest` is the `body_digest`."""
    counted = tuple([pair for pair in headers if pair[0] in matter])
    return hashlib.sha256(_head(method, path, identity, query, counted) + digest).digest()


@lru_cache(maxsize=1024)
def _head(method: str, path: str, identity: str, query: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """All of the key but the body: the same for most requests of an operation."""
    fields = (
        SCHEME,
        method.encode(),
        path.encode("utf-8", "surrogateescape"),
        identity.encode(),
        canonical_query(query),
        _canonical_headers(headers),
    )
    return b"".join(b"%d:%b" % (len(field), field) for field in fields)


def canonical_query(query: bytes) -> bytes:
    """Parameters decoded and sorted by name; values of one name keep their order, which may be meant."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
    return _frame(sorted(((n.encode("latin-1"), v.encode("latin-1")) for n, v in pairs), key=lambda pair: pair[0]))


def _canonical_headers(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    merged: dict[bytes, bytes] = {}
    for name, value in headers:
        merged[name] = merged[name] + b", " + value if name in merged else value
    merged.setdefault(b"accept", b"*/*")
    return _frame(sorted((name, canonical_value(name, value)) for name, value in merged.items()))


def canonical_value(name: bytes, value: bytes) -> bytes:
    """A header value with the spellings that mean the same made one."""
    if name == b"content-type":
        value = BOUNDARY.sub(b";", value)
    if name not in {b"accept", b"content-type"} or b'"' in value:
        return value.strip()
    return b",".join(_media_type(part) for part in value.split(b",") if part.strip()) or b"*/*"


def _media_type(value: bytes) -> bytes:
    """`Text/CSV; Charset=utf-8;q=1` -> `text/csv;charset=utf-8`: parameters have no order, 1 is the default."""
    essence, *parameters = value.split(b";")
    kept = []
    for parameter in parameters:
        name, _, content = parameter.strip().partition(b"=")
        name = name.strip().lower()
        content = content.strip()
        if name and not (name == b"q" and _ONE.fullmatch(content)):
            kept.append(name + b"=" + content)
    return b";".join([essence.strip().lower(), *sorted(kept)])


def _frame(pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    return b"%d;" % len(pairs) + b"".join(b"%d:%b%d:%b" % (len(n), n, len(v), v) for n, v in pairs)


__all__ = ["HEADERS", "SCHEME", "body_digest", "cache_key", "canonical_query", "canonical_value"]
