"""Answers a cacheable operation: from the process, from Redis, with others who ask the same, or by its service."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import orjson
import structlog

from gateway.client import Client
from gateway.conditional import entity_tag, matches, not_modified
from gateway.connection import Answer
from gateway.filing import OFF_LOOP_FROM_BYTES, OUT_OF_THE_ORDINARY, Filing, Policy, digest_of, storable
from gateway.headers import Headers
from gateway.operations import Operation
from gateway.proxy import Inbound, forward, heard, relay, told
from gateway.services import Service
from gateway.tally import Tally
from shared.asgi import Scope, Send
from shared.cache import Cache, Entry, Flights, body_digest
from shared.context import milliseconds
from shared.edge import Ready, ReadyLater
from shared.fields import encode_fields
from shared.metrics import Metrics
from shared.problems import MEDIA_TYPE
from shared.wire import Soon

log = structlog.get_logger()

_PER_EXCHANGE = frozenset({b"content-length", b"server-timing", b"age", b"x-cache-status"})
_FILING = "vernier.filing"
LOOK_BEFORE_BYTES = 64 << 10
"""Redis is asked for the answer to a larger body only once that counts against the memory for bodies."""
HASTY_MS = 1000
"""A shorter deadline is watched while Redis is asked."""

BYPASS: Headers = [(b"x-cache-status", b"BYPASS")]


@dataclass(slots=True)
class Found:
    """A whole answer; `status` is what `X-Cache-Status` says to the one who caused it."""

    entry: Entry
    status: bytes
    timing: Headers


@dataclass(slots=True)
class Overflow:
    """An answer too large to keep: whoever claims it streams it through, the others ask anew."""

    answer: Answer
    first: bytes
    claimed: bool = False


class CachedProxy:
    """An error of the service goes to all who waited for the same answer, and is not kept. The exception is 504:
    that was the deadline of whoever came first, so that the others, who may have more time, ask once more."""

    def __init__(self, cache: Cache, client: Client, metrics: Metrics, *, entry_bytes: int) -> None:
        self.cache = cache
        self.flights: Flights[Found | Overflow] = Flights(_close)
        self._client = client
        self._entry_bytes = entry_bytes
        self._looks: dict[bytes, list[Callable[[Entry | None], None]]] = {}
        self._fetches: set[asyncio.Task[None]] = set()
        self._tally = Tally()
        metrics.registry.register(self._tally)

    def at_once(
        self, operation: Operation, service: Service, scope: Scope, body: bytes, later: ReadyLater
    ) -> Ready | Literal[Soon.LATER] | None:
        """The answer that the process or Redis keeps, if nothing is out of the ordinary about the request. Raises
        Malformed for a deadline that is none."""
        identity, headers = service.identity, scope["headers"]
        fields = dict(headers)
        if identity is None or len(fields) != len(headers) or len(body) >= OFF_LOOP_FROM_BYTES:
            return None
        if operation.has_effect(scope["query_string"]):
            return None
        for name in OUT_OF_THE_ORDINARY:
            if name in fields:
                return None
        timeout = fields.get(b"x-request-timeout-ms")
        hasty = timeout is not None and milliseconds(timeout) < HASTY_MS
        began = time.perf_counter()
        filing = Filing.at(scope, operation, identity, body_digest(body, fields.get(b"content-type", b"")))
        entry = self.cache.peek(filing.key)
        seconds = time.perf_counter() - began
        tags = fields.get(b"if-none-match")
        if entry is not None:
            self._tally.memory.observe(seconds)
            return self._ready(entry, tags, operation.route, seconds)
        scope[_FILING] = filing
        if hasty or len(body) > LOOK_BEFORE_BYTES or not self.cache.shared or filing.key in self.flights:
            return None
        self._look(filing.key, partial(self._looked, filing, tags, operation.route, began, later))
        return Soon.LATER

    def _ready(self, entry: Entry, tags: bytes | None, route: str, seconds: float) -> Ready:
        self._tally.results["hit"] += 1
        status, block, content = entry.status, entry.fields, entry.body
        if tags is not None and _known(entry, tags):
            status, block, content = 304, encode_fields(not_modified(entry.headers)), b""
        block += b"x-cache-status: HIT\r\nage: %d\r\n" % entry.age(self.cache.clock())
        return Ready(status, block, content, route, seconds * 1e3)

    def _look(self, key: bytes, then: Callable[[Entry | None], None]) -> None:
        """Into Redis, once for all who want the same at the same time."""
        waiting = self._looks.get(key)
        if waiting is not None:
            waiting.append(then)
            return
        self._looks[key] = [then]
        task = asyncio.create_task(self._fetch(key))
        self._fetches.add(task)
        task.add_done_callback(self._fetches.discard)

    async def _fetch(self, key: bytes) -> None:
        began = time.perf_counter()
        try:
            entry = await self.cache.fetch(key)
        finally:
            waiting = self._looks.pop(key)
        self._tally.redis.observe(time.perf_counter() - began)
        for then in waiting:
            try:
                then(entry)
            except Exception:
                log.exception("no answer from Redis")

    def _looked(
        self, filing: Filing, tags: bytes | None, route: str, began: float, later: ReadyLater, entry: Entry | None
    ) -> None:
        filing.looked = entry is None
        later(None if entry is None else self._ready(entry, tags, route, time.perf_counter() - began))

    async def answer(self, inbound: Inbound, send: Send) -> None:
        policy = Policy.of(inbound.scope["headers"])
        identity = inbound.service.identity
        if identity is None or not policy.store or inbound.operation.has_effect(inbound.scope["query_string"]):
            await self._bypass(inbound, send)
            return
        asker = Asker(inbound, send, policy.if_none_match)
        began = time.perf_counter()
        filing = inbound.scope.get(_FILING)
        if filing is None or filing.identity != identity:
            digest = await digest_of(inbound.body, policy.content_type)
            filing = Filing.at(inbound.scope, inbound.operation, identity, digest)
        entry = self.cache.peek(filing.key) if policy.lookup else None
        seconds = time.perf_counter() - began
        self._tally.memory.observe(seconds)
        inbound.context.timings["cache"] = seconds * 1e3
        if entry is not None:
            await self._send(asker, entry, b"HIT", [])
        elif policy.lookup:
            await self._join(asker, filing)
        else:
            with self._tally.expecting():
                found = await self._compute(inbound, filing, lookup=False)
            await self._deliver(asker, found)

    async def _bypass(self, inbound: Inbound, send: Send) -> None:
        self._tally.results["bypass"] += 1
        await forward(self._client, inbound, send, BYPASS)

    async def _join(self, asker: "Asker", filing: Filing) -> None:
        for _ in range(2):
            flight, joined = self.flights.join(
                filing.key, lambda: self._compute(asker.inbound, filing, lookup=not filing.looked)
            )
            with self._tally.expecting():
                found = await flight.wait()
            out_of_time = isinstance(found, Found) and found.entry.status == 504
            if not (joined and out_of_time):
                break
        await self._deliver(asker, found, joined=joined)

    async def _deliver(self, asker: "Asker", found: Found | Overflow, *, joined: bool = False) -> None:
        if isinstance(found, Found):
            shared = joined and found.status == b"MISS"
            status = b"COALESCED" if shared else found.status
            entry = _personal(found.entry, asker.inbound.context.request_id) if shared else found.entry
            await self._send(asker, entry, status, [] if shared else found.timing)
        elif found.claimed:
            await self._bypass(asker.inbound, asker.send)
        else:
            found.claimed = True
            self._tally.results["bypass"] += 1
            try:
                await relay(found.answer, asker.inbound, asker.send, BYPASS, found.first)
            finally:
                found.answer.close()

    async def _send(self, asker: "Asker", entry: Entry, status: bytes, timing: Headers) -> None:
        self._tally.results[status.decode().lower()] += 1
        code, headers, body = entry.status, entry.headers, entry.body
        if asker.if_none_match is not None and _known(entry, asker.if_none_match):
            code, headers, body = 304, not_modified(headers), b""
        headers = [*headers, *timing, (b"x-cache-status", status)]
        if status == b"HIT":
            headers.append((b"age", b"%d" % entry.age(self.cache.clock())))
        await asker.send({"type": "http.response.start", "status": code, "headers": headers})
        await asker.send({"type": "http.response.body", "body": body})

    async def _compute(self, inbound: Inbound, filing: Filing, *, lookup: bool) -> Found | Overflow:
        inbound.share.hold()
        try:
            if lookup:
                began = time.perf_counter()
                entry = await self.cache.fetch(filing.key)
                self._tally.redis.observe(time.perf_counter() - began)
                if entry is not None:
                    return Found(entry, b"HIT", [])
            return await self._ask(inbound, filing)
        finally:
            inbound.share.release()

    async def _ask(self, inbound: Inbound, filing: Filing) -> Found | Overflow:
        answer = await self._client.open(inbound.call())
        try:
            body, whole = await self._read(answer)
        except BaseException:
            answer.close()
            raise
        return await self._keep(inbound, answer, body, filing) if whole else Overflow(answer, body)

    async def _read(self, answer: Answer) -> tuple[bytes, bool]:
        """The body as far as it may be kept, and whether that is all of it."""
        if answer.length is not None and not answer.bodiless:
            return (b"", False) if answer.length > self._entry_bytes else (await answer.read(), True)
        parts, size = [], 0
        while part := await answer.part():
            parts.append(part)
            size += len(part)
            if size > self._entry_bytes:
                return b"".join(parts), False
        return b"".join(parts), True

    async def _keep(self, inbound: Inbound, answer: Answer, body: bytes, filing: Filing) -> Found:
        """Under the identity that the answer itself carries: that of a service which was just replaced is new."""
        headers = told(answer, inbound)
        content = [pair for pair in headers if pair[0] not in _PER_EXCHANGE]
        if body or answer.status not in {204, 304}:
            content.append((b"content-length", b"%d" % len(body)))
        if answer.status == 200 and b"etag" not in answer.fields:
            content.append((b"etag", await _tag(content, body)))
        entry = Entry(answer.status, content, body, self.cache.clock())
        identity = heard(answer, inbound)
        if identity and answer.status == 200 and answer.framed and storable(headers):
            if identity != filing.identity:
                filing = Filing.at(inbound.scope, inbound.operation, identity, filing.digest)
            self.cache.store(filing.key, entry)
        return Found(entry, b"MISS", [pair for pair in headers if pair[0] == b"server-timing"])


@dataclass(slots=True)
class Asker:
    """One of those who wait for an answer."""

    inbound: Inbound
    send: Send
    if_none_match: bytes | None


def _close(found: Found | Overflow) -> None:
    if isinstance(found, Overflow) and not found.claimed:
        found.claimed = True
        found.answer.close()


def _known(entry: Entry, if_none_match: bytes) -> bool:
    tag = next((value for name, value in entry.headers if name == b"etag"), None)
    return entry.status == 200 and tag is not None and matches(if_none_match, tag)


async def _tag(headers: Headers, body: bytes) -> bytes:
    if len(body) < OFF_LOOP_FROM_BYTES:
        return entity_tag(headers, body)
    return await asyncio.to_thread(entity_tag, headers, body)


def _personal(entry: Entry, request_id: str) -> Entry:
    """A problem that several are told names to each of them the request that was theirs."""
    if entry.status < 400 or (b"content-type", MEDIA_TYPE.encode()) not in entry.headers:
        return entry
    try:
        body = orjson.dumps({**orjson.loads(entry.body), "request_id": request_id})
    except (ValueError, TypeError):
        return entry
    headers = [pair for pair in entry.headers if pair[0] != b"content-length"]
    return Entry(entry.status, [*headers, (b"content-length", b"%d" % len(body))], body, entry.stored_at)
