"""Asks a service: pooled connections, bytes through unchanged, one more try where that can do no harm."""

import asyncio
import random
from dataclasses import dataclass, replace
from typing import Any

import orjson

from gateway.connection import Answer
from gateway.guard import Guard, Guards, Passage
from gateway.pool import FRESH_S, Pool
from gateway.settings import GatewaySettings
from shared import tracing
from shared.context import current_context
from shared.errors import Overloaded, UpstreamFailed
from shared.metrics import Metrics

RETRY_PAUSE_S = 0.05
"""Between two tries at a connection that is refused, and up to twice as long."""
MOST_WAITING = 1000
"""Requests that wait for services that restart; more are answered 502 at once."""

OUTCOMES = ("ok", "error", "unreachable", "broken", "cancelled")
BROKEN = (UpstreamFailed, OSError, TimeoutError)
"""What `get_json` raises when there is no answer."""
_ANY_AGE = float("inf")
_NONE_KEPT = -1.0
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
"""Methods whose requests need no Content-Length where they have no body (RFC 9110, 8.6)."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a service. `target` is the path with the query, `fields` the header fields as they stand in a
    message, without Host and those of the framing; `replayable`: asking twice does no more than asking once."""

    service: str
    route: str
    method: str
    target: bytes
    fields: bytes
    body: bytes
    replayable: bool


class Client:
    """A pool of connections to each service, from `start` to `aclose`."""

    _pools: dict[str, Pool]

    def __init__(self, settings: GatewaySettings, metrics: Metrics, guards: Guards) -> None:
        self._settings = settings
        self._guards = guards
        self._requests = metrics.counter(
            "upstream_requests",
            f"Requests to services by outcome: {', '.join(OUTCOMES)}; ok is any answer below 500",
            ("service", "outcome"),
        )
        self._retries = metrics.counter("upstream_retries", "Second tries at a service", ("service",))
        self._counted: dict[tuple[str, str], Any] = {
            (name, outcome): self._requests.labels(name, outcome) for name in settings.services for outcome in OUTCOMES
        }
        for name in settings.services:
            self._retries.labels(name)
        self._waiting = 0
        metrics.gauge("upstream_waiting", "Requests that wait for a service that restarts").set_function(
            lambda: self._waiting
        )

    def start(self) -> None:
        """On the running event loop."""
        settings = self._settings
        self._pools = {
            name: Pool(
                name,
                url,
                connections=settings.upstream_connections,
                keepalive_s=settings.upstream_keepalive_s,
                connect_timeout_s=settings.connect_timeout_s,
            )
            for name, url in settings.services.items()
        }

    async def open(self, call: Call) -> Answer:
        """The answer's head; its body is still to be read. Raises UpstreamFailed, and what `Guard.enter` raises."""
        guard = self._guards[call.service]
        passage = guard.enter(call.route, len(call.body))
        while True:
            try:
                answer = await self._attempt(call, guard)
                break
            except UpstreamFailed as error:
                if error.reason != "connect" or passage.probe or not self._may_wait(guard):
                    passage.failed()
                    self.count(call.service, "unreachable" if error.reason == "connect" else "broken")
                    raise
                passage.unsent()
            except BaseException:
                passage.left()
                self.count(call.service, "cancelled")
                raise
            passage = await self._enter_again(call, guard)
        status = answer.status
        passage.answered(status, retry_after=status == 503 and b"retry-after" in answer.fields)
        self.count(call.service, "ok" if status < 500 else "error")
        return answer

    async def _attempt(self, call: Call, guard: Guard) -> Answer:
        try:
            return await self._send(call, kept_s=_ANY_AGE if call.replayable else FRESH_S)
        except UpstreamFailed as error:
            if not (call.replayable and error.reason == "stale") or not guard.retries.spend():
                raise
        self._retries.labels(call.service).inc()
        return await self._send(call, kept_s=_NONE_KEPT)  # another kept connection may be stale as well

    def _may_wait(self, guard: Guard) -> bool:
        return guard.silent_s() < self._settings.restart_patience_s and self._waiting < MOST_WAITING

    async def _enter_again(self, call: Call, guard: Guard) -> Passage:
        """After a moment: whoever is turned away by the limit waits on, since all come at once when a service is back.
        Raises Overloaded when that takes too long, CircuitOpen once others have waited in vain."""
        self._waiting += 1
        end = guard.now() + self._settings.restart_patience_s
        try:
            while True:
                await asyncio.sleep(RETRY_PAUSE_S * (1 + random.random()))
                try:
                    return guard.enter(call.route, len(call.body))
                except Overloaded:
                    if guard.now() >= end:
                        raise
        finally:
            self._waiting -= 1

    async def _send(self, call: Call, *, kept_s: float) -> Answer:
        if tracing.active is None or (context := current_context.get()) is None or context.span is None:
            return await self._exchange(call, kept_s)
        url = self._settings.services[call.service] + call.target.partition(b"?")[0].decode("latin-1")
        again = kept_s == _NONE_KEPT
        with tracing.active.client(call.service, call.method, call.route, url, attempt=int(again)) as span:
            answer = await self._exchange(replace(call, fields=span.fields(call.fields)), kept_s)
            span.answered(answer.status)
            return answer

    async def _exchange(self, call: Call, kept_s: float) -> Answer:
        pool = self._pools[call.service]
        connection = await pool.take(kept_s=kept_s)
        body = call.body
        framing = b"content-length: %d\r\n" % len(body) if body or call.method not in _BODILESS else b""
        head = b"%b %b%b HTTP/1.1\r\nhost: %b\r\n%b%b\r\n" % (
            call.method.encode(), pool.base, call.target, pool.host, call.fields, framing,
        )  # fmt: skip
        answer = connection.ask(head, body, bodiless=call.method == "HEAD")
        try:
            await answer.head()
        except BaseException:
            connection.abort()
            raise
        return answer

    async def get_json(self, url: str, *, timeout_s: float) -> tuple[int, Any]:
        """Status and parsed body of a page of a service. Raises what `BROKEN` lists, and ValueError for what is no
        JSON."""
        service, path = self._named(url)
        call = Call(service, path, "GET", path.encode(), b"accept: application/json\r\n", b"", replayable=True)
        async with asyncio.timeout(timeout_s):
            try:
                answer = await self._send(call, kept_s=_ANY_AGE)
            except UpstreamFailed as error:
                if error.reason != "stale":
                    raise
                answer = await self._send(call, kept_s=_NONE_KEPT)
            try:
                return answer.status, orjson.loads(await answer.read())
            finally:
                answer.close()

    def _named(self, url: str) -> tuple[str, str]:
        for name, base in self._settings.services.items():
            if url.startswith(base + "/"):
                return name, url[len(base) :]
        raise ValueError(f"{url} is no service's")

    def count(self, service: str, outcome: str) -> None:
        self._counted[service, outcome].inc()

    async def aclose(self) -> None:
        for pool in self._pools.values():
            pool.close()
