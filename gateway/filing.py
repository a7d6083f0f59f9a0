"""What a request allows the cache to do, and where its answer is filed."""

import asyncio
from dataclasses import dataclass

from gateway.headers import Headers
from gateway.operations import Operation
from shared.asgi import Scope
from shared.cache import body_digest, cache_key

OFF_LOOP_FROM_BYTES = 256 << 10
"""Larger bodies are digested on a thread."""
VARIES_ON = frozenset({b"accept", b"content-type", b"content-encoding", b"accept-encoding"})
"""What an answer may vary on and still be kept: it is in the key, or the same for all."""
OUT_OF_THE_ORDINARY = (b"cache-control", b"range", b"prefer")
"""Fields that `Policy` has to look at; without them a kept answer may be given and a new one be kept."""


@dataclass(slots=True)
class Policy:
    """What the request allows: to be answered by a kept answer, its own answer to be kept."""

    lookup: bool
    store: bool
    content_type: bytes
    if_none_match: bytes | None

    @classmethod
    def of(cls, headers: Headers) -> "Policy":
        lookup = store = True
        content_type, tags = b"", None
        for name, value in headers:
            if name == b"content-type":
                content_type = value
            elif name == b"if-none-match":
                tags = value if tags is None else b"%b, %b" % (tags, value)
            elif name == b"cache-control":
                directives = {part.strip() for part in value.lower().split(b",")}
                if b"no-store" in directives:
                    lookup = store = False
                elif b"no-cache" in directives or b"max-age=0" in directives:
                    lookup = False
            elif name == b"range" or (name == b"prefer" and b"respond-async" in value.lower()):
                lookup = store = False
        return cls(lookup, store, content_type, tags)


@dataclass(slots=True)
class Filing:
    """Where an answer is looked for: `digest` is the body's, `key` holds all that matters under `identity`. `looked`:
    it was looked for in Redis just now, in vain."""

    identity: str
    digest: bytes
    key: bytes
    looked: bool = False

    @classmethod
    def at(cls, scope: Scope, operation: Operation, identity: str, digest: bytes) -> "Filing":
        key = cache_key(
            method=operation.method,
            path=scope["path"],
            identity=identity,
            query=scope["query_string"],
            headers=scope["headers"],
            digest=digest,
            matter=operation.headers,
        )
        return cls(identity, digest, key)


async def digest_of(body: bytes, content_type: bytes) -> bytes:
    if len(body) < OFF_LOOP_FROM_BYTES:
        return body_digest(body, content_type)
    return await asyncio.to_thread(body_digest, body, content_type)


def storable(headers: Headers) -> bool:
    """Whether the service lets its answer be kept, for anyone who asks the same."""
    for name, value in headers:
        if name == b"cache-control" and (b"no-store" in value.lower() or b"private" in value.lower()):
            return False
        if name == b"vary" and not {part.strip() for part in value.lower().split(b",")} <= VARIES_ON:
            return False
        if name in {b"set-cookie", b"content-encoding"}:
            return False
    return True
