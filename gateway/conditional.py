"""Entity tags, and requests that name one: RFC 9110, sections 8.8.3 and 13.1.2.

What is tagged are answers of operations that are pure functions of their request, most of them POST. The RFC has 304
for GET and HEAD and 412 for other methods, because those may change something. Nothing changes here: a client that
has the answer already is told so by 304, whatever the method.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Any

from gateway.headers import Headers

_TAG = re.compile(rb'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_WITH_304 = frozenset({b"etag", b"vary", b"cache-control", b"content-location", b"expires"})
"""Fields of a 200 that its 304 carries too (RFC 9110, 15.4.5)."""


def entity_tag(headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bytes:
    """Strong: of the bytes, and of what they are to be read as."""
    state = hashlib.blake2b(digest_size=16)
    for name, value in headers:
        if name in {b"content-type", b"content-encoding"}:
            state.update(b"%d:%b%d:%b" % (len(name), name, len(value), value))
    state.update(b"\r\n")
    state.update(body)
    return b'"%b"' % state.hexdigest().encode()


def matches(if_none_match: bytes, tag: bytes) -> bool:
    """Whether `tag` is among those listed; compared weakly, as the RFC has it for If-None-Match."""
    if if_none_match.strip() == b"*":
        return True
    return tag.removeprefix(b"W/") in _TAG.findall(if_none_match)


def not_modified(headers: Headers) -> Headers:
    return [pair for pair in headers if pair[0] in _WITH_304]


def describe(operation: dict[str, Any]) -> None:
    """Adds to a cacheable operation of an OpenAPI document what the gateway makes of it."""
    parameters = operation.setdefault("parameters", [])
    if not any(str(each.get("name", "")).lower() == "if-none-match" for each in parameters):
        parameters.append(dict(_IF_NONE_MATCH))
    responses = operation.setdefault("responses", {})
    if isinstance(fine := responses.get("200"), dict) and "$ref" not in fine:
        fine["headers"] = {**_TAGGED, **_CACHED, **fine.get("headers", {})}
    responses.setdefault(
        "304", {"description": "The answer is one that If-None-Match lists", "headers": {**_TAGGED, **_CACHED}}
    )


_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "Entity tags of answers that the client has, or *: if the answer is one of them, 304 says so in its "
    "stead, for POST too: the operation is a pure function of its request and changes nothing",
    "schema": {"type": "string"},
}
_TAGGED = {"ETag": {"description": "Strong entity tag of the answer's bytes", "schema": {"type": "string"}}}
_CACHED = {
    "X-Cache-Status": {
        "description": "Where the answer is from: kept (HIT), computed (MISS), computed for another request at the "
        "same time (COALESCED), or past the cache (BYPASS)",
        "schema": {"type": "string", "enum": ["HIT", "MISS", "COALESCED", "BYPASS"]},
    },
    "Age": {"description": "Seconds since a kept answer was computed", "schema": {"type": "integer", "minimum": 0}},
}
