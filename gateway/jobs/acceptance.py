"""`Prefer: respond-async` (RFC 7240) on an operation that may be a job: stored, queued, and only then answered 202."""

import asyncio
import hashlib
import re
import secrets

import orjson
import structlog
from redis.exceptions import OutOfMemoryError

from gateway.jobs.job import Request, render
from gateway.jobs.message import message_of
from gateway.jobs.records import Records
from gateway.jobs.settings import AcceptanceSettings
from gateway.jobs.store import Outcome, Store
from gateway.operations import Operation
from shared import tracing
from shared.asgi import Scope, Send
from shared.cache import body_digest, cache_key
from shared.context import RequestContext
from shared.errors import FieldError, Malformed, Overloaded, TooLarge, Unavailable, Unprocessable
from shared.redis import Failure

log = structlog.get_logger()

RETRY_AFTER_S = 10.0
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"')
_ASYNC = re.compile(rb"(?:^|,)\s*respond-async\s*(?:[;,]|$)", re.IGNORECASE)
_KEY = re.compile(rb"[!-~]{1,255}")
_ALSO_KEPT = frozenset({b"traceparent", b"tracestate", b"idempotency-key"})
"""Fields that the service gets though its answer does not depend on them."""


def prefers_async(headers: list[tuple[bytes, bytes]]) -> bool:
    return any(name == b"prefer" and _ASYNC.search(_QUOTED.sub(b"", value)) is not None for name, value in headers)


class Acceptance:
    """Takes requests to be jobs. `store` is None where there is no Redis."""

    def __init__(self, store: Store | None, settings: AcceptanceSettings, records: Records) -> None:
        self._store = store
        self._settings = settings
        self._records = records

    async def answer(
        self, scope: Scope, context: RequestContext, operation: Operation, body: bytes, send: Send
    ) -> None:
        """Sends the 202. Raises TooLarge, Malformed and Unprocessable (an Idempotency-Key that is none, or of another
        request), Overloaded where there is no room and Unavailable where Redis is away."""
        store = require(self._store)
        most = self._settings.jobs_max_body_bytes
        if len(body) > most:
            raise TooLarge(
                f"the body has {len(body):,} bytes; one that becomes a job may have {most:,}: send less, "
                "or without Prefer: respond-async"
            )
        key, digest = await _identity(scope, operation, body)
        request = _request(scope, context, operation, body)
        job_id = secrets.token_hex(16)
        try:
            outcome = await store.accept(job_id, request, message_of(job_id), key, digest, self._settings)
            job_id = self._taken(outcome, operation)
            fields = await store.fields(job_id)
        except Failure as error:
            raise unavailable(error) from error
        if fields is None:
            raise Overloaded("the job that this Idempotency-Key made has just been removed; ask again")
        log.info("job accepted", job=job_id, kind=operation.job, known=outcome.kind == "known")
        await _send(send, job_id, orjson.dumps(render(job_id, fields)))

    def _taken(self, outcome: Outcome, operation: Operation) -> str:
        if outcome.kind == "other":
            detail = "this Idempotency-Key was used for another request; use a new one for each"
            raise Unprocessable(detail, errors=[FieldError("Idempotency-Key", detail, "header")])
        if outcome.kind == "queued":
            raise Overloaded(f"{outcome.value} jobs wait already, the most that may", retry_after_s=RETRY_AFTER_S)
        if outcome.kind in {"bytes", "evicted"}:
            raise Overloaded("other jobs leave no room for this one's body", retry_after_s=RETRY_AFTER_S)
        if outcome.kind == "accepted":
            self._records.taken(operation.job)
        return outcome.value


def require(store: Store | None) -> Store:
    if store is None:
        raise Unavailable(
            "jobs are kept in Redis, and this gateway has none (REDIS_URL); without Prefer: respond-async "
            "the same call is answered at once",
            retry_after_s=60,
        )
    return store


def unavailable(error: BaseException) -> Unavailable:
    """What a failure of Redis is to a client; the job may have been stored all the same if only the reply was lost."""
    log.warning("jobs unavailable", error=str(error) or type(error).__name__)
    if isinstance(error, OutOfMemoryError) or "OOM" in str(error):
        return Overloaded("the Redis that keeps jobs is full", retry_after_s=RETRY_AFTER_S)
    return Unavailable(
        "jobs are kept in Redis, and it does not answer; send an Idempotency-Key to ask again without doubling the job"
    )


async def _identity(scope: Scope, operation: Operation, body: bytes) -> tuple[str, str]:
    """Digests of the Idempotency-Key and of the request; both "" without a key."""
    given = [value for name, value in scope["headers"] if name == b"idempotency-key"]
    if not given:
        return "", ""
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        raise Malformed(
            "an Idempotency-Key is 1 to 255 visible ASCII characters, sent once",
            errors=[FieldError("Idempotency-Key", "not 1 to 255 visible ASCII characters", "header")],
        )
    content_type = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    digest = cache_key(
        method=operation.method,
        path=scope["path"],
        identity="",
        query=scope["query_string"],
        headers=scope["headers"],
        digest=await asyncio.to_thread(body_digest, body, content_type),
        matter=operation.headers,
    )
    return hashlib.sha256(given[0]).hexdigest(), digest.hex()


def _request(scope: Scope, context: RequestContext, operation: Operation, body: bytes) -> Request:
    target: bytes = scope.get("raw_path") or scope["path"].encode()
    if scope["query_string"]:
        target += b"?" + scope["query_string"]
    kept = [(name, value) for name, value in scope["headers"] if name in operation.headers or name in _ALSO_KEPT]
    try:
        headers = [(name.decode("ascii"), value.decode()) for name, value in kept]
    except UnicodeDecodeError as error:
        raise Malformed("a header is not UTF-8") from error
    return Request(
        operation.service,
        operation.job,
        operation.method,
        target.decode("latin-1"),
        tracing.onward(headers),
        body,
        context.request_id,
    )


async def _send(send: Send, job_id: str, body: bytes) -> None:
    headers = [
        (b"location", f"/v1/jobs/{job_id}".encode()),
        (b"preference-applied", b"respond-async"),
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"retry-after", b"1"),
        (b"vary", b"Prefer"),
    ]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": body})
