"""Passes a request on to its service and the answer back, as bytes."""

from dataclasses import dataclass, field

from gateway.bodies import Body
from gateway.client import Call, Client
from gateway.connection import Answer
from gateway.headers import Headers, to_client, to_service
from gateway.operations import Operation
from gateway.services import Service
from gateway.vigil import Vigil
from shared.asgi import Scope, Send
from shared.context import RequestContext

_NOTHING: frozenset[bytes] = frozenset()
_OF_THE_CACHE = frozenset(
    {b"accept-encoding", b"if-none-match", b"if-match", b"if-modified-since", b"if-unmodified-since"}
)
"""What is kept is kept as it is, whole: no encoding is asked for, and whoever else waits has no answer yet."""
WHOLE_BYTES = 64 << 10
"""Answers up to this size are read whole before they are passed on: two messages instead of many."""


@dataclass(slots=True)
class Inbound:
    """A request, wholly read, and the operation that it asks for."""

    scope: Scope
    context: RequestContext
    operation: Operation
    service: Service
    body: bytes
    vigil: Vigil
    share: Body
    seen: int = field(init=False)

    def __post_init__(self) -> None:
        self.seen = self.service.changes

    def call(self) -> Call:
        scope, context, operation = self.scope, self.context, self.operation
        query = scope["query_string"]
        target = scope.get("raw_path") or scope["path"].encode()
        if query:
            target += b"?" + query
        client = scope.get("client")
        fields = to_service(
            scope["headers"],
            client=client[0] if client else "unknown",
            scheme=scope.get("scheme", "http"),
            request_id=context.request_id,
            timeout_ms=max(1, int(context.remaining_s() * 1e3)),
            without=_OF_THE_CACHE if operation.cacheable else _NOTHING,
        )
        return Call(
            operation.service, operation.route, operation.method, target, fields, self.body, operation.replayable
        )


async def forward(client: Client, inbound: Inbound, send: Send, extra: Headers) -> None:
    """The answer as it comes; `extra` is added to its head. Raises UpstreamFailed: before the head is out that
    becomes a 502, afterwards the connection is cut, so that nobody takes half an answer for a whole one."""
    answer = await client.open(inbound.call())
    try:
        heard(answer, inbound)
        await relay(answer, inbound, send, extra)
    finally:
        answer.close()


async def relay(answer: Answer, inbound: Inbound, send: Send, extra: Headers, first: bytes = b"") -> None:
    """`first`: what has been read of the body already."""
    headers = [*told(answer, inbound), *extra]
    if answer.status in {204, 304}:
        headers = [pair for pair in headers if pair[0] != b"content-length"]
    start = {"type": "http.response.start", "status": answer.status, "headers": headers}
    if answer.whole or (answer.length is not None and answer.length <= WHOLE_BYTES):
        body = first + await answer.read()
        if answer.length is None and not answer.bodiless:
            headers.append((b"content-length", b"%d" % len(body)))
        await send(start)
        await send({"type": "http.response.body", "body": body})
        return
    if answer.fields.get(b"content-type", b"").startswith(b"text/event-stream"):
        inbound.vigil.unlimited()
    await send(start)
    if first:
        await send({"type": "http.response.body", "body": first, "more_body": True})
    while part := await answer.part():
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def told(answer: Answer, inbound: Inbound) -> Headers:
    """The fields of an answer that its client is told."""
    headers = to_client(answer.headers, answer.fields.get(b"connection"))
    if inbound.operation.negotiated and answer.status < 300 and b"vary" not in answer.fields:
        headers.append((b"vary", b"accept"))
    return headers


def heard(answer: Answer, inbound: Inbound) -> str | None:
    """The identity that an answer's head carries; a new one counts at once."""
    value = answer.fields.get(b"vernier-identity")
    if not value:
        return None
    identity = value.decode("latin-1")
    if identity != inbound.service.identity:
        inbound.service.adopt(identity, inbound.seen)
    return identity
