"""Measured speeds on their way into an aggregate of the stats service, counted exactly once.

They are sent at once, under a key by which stats counts them once. Where stats is away they wait in Redis and a courier
of any speed process brings them, under the same key: at least once by the courier, at most once by the key.
"""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from math import isfinite
from typing import Annotated, Any

import orjson
import structlog
from fastapi import Request
from prometheus_client import Counter
from pydantic import Field

from services.speed.settings import SpeedSettings
from services.speed.uploads import Upload
from shared.breaker import Breaker
from shared.context import RequestContext
from shared.errors import FieldError, Malformed, NotFound, Unprocessable
from shared.metrics import Metrics
from shared.openapi import EFFECT
from shared.outbox import Courier, Item, Outbox
from shared.redis import Failure, connect
from shared.service import Away, Errand, Reply, ServiceClient

log = structlog.get_logger()

ATTEMPT_S = 2.0
"""A request waits for stats so long at most; what takes longer is made good later."""
DELIVERY_S, REDIS_TIMEOUT_S = 5.0, 1.0
COLUMN = "speed_mps"
PREFIX = "vernier:speed:additions:"
OUTCOMES = ("added", "repeated", "deferred", "made_good", "refused", "lost")
_CHOSEN = "key-"
"""Begins keys that a client chose."""
_MOST_KEY = 255
_READ_BYTES = 1 << 20

AggregateId = Annotated[
    str,
    Field(
        pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$",
        description=f"Adds the speeds that are measured to this aggregate of the stats service, to its column {COLUMN}"
        " (or its only one): once, however often the request is sent. A request is known again by its Idempotency-Key,"
        " else by its parameters and what was uploaded, for 24 hours",
        json_schema_extra=EFFECT,
    ),
]
"""Of a query parameter `aggregate: AggregateId | None = None`."""


class Aggregation:
    """`app.state.aggregation`. Without an outbox (no Redis) what cannot be added at once is not added."""

    def __init__(self, stats: ServiceClient, outbox: Outbox | None, additions: Counter) -> None:
        self.courier = None if outbox is None else Courier(outbox, self._deliver)
        self._stats, self._outbox = stats, outbox
        self._breaker = Breaker(failures=2, pause_s=1.0, longest_s=10.0)
        self._counted = {outcome: additions.labels(outcome) for outcome in OUTCOMES}

    async def check(self, id: str, context: RequestContext | None) -> None:
        """To be awaited before anything is measured, so that a user learns at once what could not be added later.

        Raises NotFound where stats knows no such aggregate and Unprocessable where it cannot take speeds. Where stats
        is away it says nothing: `add` sees to that.
        """
        try:
            reply = await self._ask("GET", id, Errand.of(context, ATTEMPT_S))
        except Away:
            return
        if reply.status == 404:
            detail = f"there is no aggregate {id}; PUT /v1/stats/aggregates/{id} makes one"
            raise NotFound(detail, errors=[FieldError("/aggregate", detail, "query")])
        columns = reply.content.get("columns", []) if reply.status == 200 else [COLUMN]
        if len(columns) > 1:
            detail = f"aggregate {id} has columns {', '.join(columns)}; speeds go to one of the column {COLUMN} alone"
            raise Unprocessable(detail, errors=[FieldError("/aggregate", detail, "query")])

    async def add(
        self, id: str, key: str, values: Sequence[float | None], context: RequestContext | None
    ) -> str | None:
        """Add speeds, in m/s, to the aggregate `id`; None, or a warning for the answer. Raises nothing but
        cancellation, and takes a second or two at most.

        `values`: one speed a frame; NaN and None are left out, and where nothing is left nothing is added. `key`: calls
        with the same `id` and `key` count once, whatever process makes them and however often (for 24 hours): see
        `request_key`; a stream's is its own lasting id with the number of the batch. Where stats is away the addition
        waits in Redis and is made good later, and the warning says so; where that cannot be had either, or stats
        refuses it for good, the warning says that nothing was added.
        """
        speeds = [float(value) for value in values if value is not None and isfinite(value)]
        if not speeds:
            return None
        errand = Errand.of(context, ATTEMPT_S)
        try:
            reply = await self._ask("POST", f"{id}/values", errand, speeds, key)
        except Away as error:
            log.warning("addition not made", aggregate=id, error=str(error), request_id=errand.request_id)
            return await self._defer(id, key, speeds, errand)
        return self._told(id, key, reply)

    def _told(self, id: str, key: str, reply: Reply) -> str | None:
        if reply.status == 200:
            self._counted["repeated" if reply.content.get("repeated") else "added"].inc()
            return None
        if _is_of_the_key(reply):
            self._counted["repeated"].inc()
            if not key.startswith(_CHOSEN):
                return None  # the same request, measured by another version since
            return f"aggregate {id} has counted other speeds under this Idempotency-Key: these were not added"
        self._counted["refused"].inc()
        return f"the speeds were not added to aggregate {id}: {reply.detail}"

    async def _defer(self, id: str, key: str, speeds: list[float], errand: Errand) -> str:
        try:
            if self._outbox is not None and await self._outbox.put(_packed(id, key, speeds, errand)):
                self._counted["deferred"].inc()
                return f"the stats service is away: the speeds will be added to aggregate {id} once it is back"
            reason = "cannot be kept for later" if self._outbox is None else "too many wait for that already"
        except Failure:
            reason = "Redis, which would keep them, is away too"
        self._counted["lost"].inc()
        return (
            f"the stats service is away and the speeds were not added to aggregate {id} ({reason}): "
            "send the same request again later; it counts once"
        )

    async def _deliver(self, item: Item) -> bool:
        """For the courier."""
        addition = orjson.loads(item.content)
        errand = Errand(addition["request_id"], addition["traceparent"], time.monotonic() + DELIVERY_S)
        try:
            reply = await self._ask("POST", f"{addition['id']}/values", errand, addition["speeds"], addition["key"])
        except Away:
            return False
        done = reply.status == 200 or _is_of_the_key(reply)
        self._counted["made_good" if done else "refused"].inc()
        if not done:
            facts = {"aggregate": addition["id"], "request_id": errand.request_id}
            log.error("an addition was refused for good", **facts, detail=reply.detail)
        return True

    async def _ask(
        self, method: str, path: str, errand: Errand, speeds: list[float] | None = None, key: str | None = None
    ) -> Reply:
        """Raises Away, at once where stats was away just now."""
        if not self._breaker.enter():
            raise Away("it was away just now")
        content = None if speeds is None else {"values": speeds}
        try:
            reply = await self._stats.ask(method, f"/v1/stats/aggregates/{path}", errand, content=content, key=key)
        except Away:
            self._breaker.failure()
            raise
        except BaseException:
            self._breaker.withdraw()
            raise
        self._breaker.success()
        return reply


@asynccontextmanager
async def aggregating(settings: SpeedSettings, metrics: Metrics) -> AsyncIterator[Aggregation]:
    """An aggregation whose courier is on its way."""
    client = connect(settings.redis_url, timeout_s=REDIS_TIMEOUT_S) if settings.redis_url else None
    outbox = None
    if client is not None:
        outbox = Outbox(client, PREFIX, items=settings.additions_kept, size=settings.additions_bytes)
    stats = ServiceClient(settings.stats_url)
    help_text = f"Measurements added to aggregates, by what became of them: {', '.join(OUTCOMES)}"
    aggregation = Aggregation(stats, outbox, metrics.counter("speed_additions", help_text, ("outcome",)))
    waiting = metrics.gauge("speed_additions_pending", "Measurements to be added to aggregates once stats is back")
    courier = aggregation.courier
    if courier is not None:
        waiting.set_function(lambda: courier.pending)
        courier.start()
    try:
        yield aggregation
    finally:
        if courier is not None:
            await courier.aclose()
        await stats.aclose()
        if client is not None:
            await client.aclose()


def _is_of_the_key(reply: Reply) -> bool:
    """Whether stats refuses because it has counted something under the key already."""
    faults = reply.content.get("errors", ()) if reply.status == 422 and isinstance(reply.content, dict) else ()
    return any(each.get("pointer") == "Idempotency-Key" for each in faults)


def _packed(id: str, key: str, speeds: list[float], errand: Errand) -> Item:
    facts = {"id": id, "key": key, "request_id": errand.request_id, "traceparent": errand.traceparent}
    return Item(f"{id} {key}", orjson.dumps({**facts, "speeds": speeds}))


async def request_key(request: Request, upload: Upload) -> str:
    """The `key` of all that a request adds: by its Idempotency-Key, else by path, query and what was uploaded, so that
    a client that names none may retry too. To be called while `upload` is open. Raises Malformed."""
    given = request.headers.get("idempotency-key")
    if given is not None:
        if not (0 < len(given) <= _MOST_KEY and given.isascii() and given.isprintable() and " " not in given):
            detail = f"must be 1 to {_MOST_KEY} visible ASCII characters"
            raise Malformed(f"Idempotency-Key {detail}", errors=[FieldError("Idempotency-Key", detail, "header")])
        return _CHOSEN + hashlib.sha256(given.encode()).hexdigest()
    parameters = sorted(request.query_params.multi_items(), key=lambda pair: pair[0])
    return "sent-" + await asyncio.to_thread(_digest, [request.url.path, parameters], upload)


def _digest(head: list[Any], upload: Upload) -> str:
    """Of the files and fields of an upload, not of the body: a form's boundary is another one each time."""
    parts = [[part.name, part.offset, part.size] for part in upload.parts]
    state = hashlib.sha256(orjson.dumps([*head, parts, upload.fields], option=orjson.OPT_SORT_KEYS))
    offset = 0
    while piece := os.pread(upload.file.fileno(), _READ_BYTES, offset):
        state.update(piece)
        offset += len(piece)
    return state.hexdigest()
