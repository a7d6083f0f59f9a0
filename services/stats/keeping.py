"""Aggregates that are kept: between the routes, the aggregators and Redis."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, NamedTuple, NoReturn, TypeVar

import orjson
import structlog

from services.stats.aggregates.aggregate import Aggregate, Summary
from services.stats.aggregates.aggregator import StateFault
from services.stats.leastsquares import FloatArray
from services.stats.store import Batch, Outcome, Store, Stored
from shared.ending import end
from shared.errors import Conflict, FieldError, NotFound, Overloaded, Unavailable, Unprocessable
from shared.redis import reaching
from shared.workers import Workers

T = TypeVar("T")
log = structlog.get_logger()

SETTLE_LENGTH, SETTLE_BYTES = 32, 256 << 10
"""A longer tail is merged into the base, by and by."""
OVERDUE = 8
"""So many times longer, and the batch that made it so waits for that."""
RETRY_AFTER_S = 10.0
Values = Mapping[str, FloatArray] | FloatArray
"""Columns by name; an array by itself is that of the only column."""


class Added(NamedTuple):
    """A batch of so many rows is counted; `repeated`: it was before, and is not again."""

    rows: int
    repeated: bool


class Keeping:
    """`store` is None where there is no Redis. Every method raises NotFound for an aggregate that there is not, and
    Unavailable while Redis is away or full."""

    def __init__(self, store: Store | None, workers: Workers) -> None:
        self._store = store
        self._workers = workers
        self._settling: dict[str, asyncio.Task[None]] = {}

    async def create(self, id: str, aggregate: Aggregate, ttl_s: float | None = None) -> bool:
        """Whether it is new. Raises Conflict where there is another of that id."""
        with _reaching_redis():
            found = await self._kept.create(id, _definition(aggregate), ttl_s)
        if found == "other":
            raise Conflict(f"there is an aggregate {id} of another definition; DELETE it first, or choose another id")
        if found == "full":
            raise Overloaded("there are as many aggregates as there may be; DELETE some", retry_after_s=RETRY_AFTER_S)
        return found == "created"

    async def add(self, id: str, values: Values, key: str | None) -> Added:
        """Raises Unprocessable for values that are not the aggregate's, and a key that stood for others."""
        return await self._append(id, key, partial(_of_values, values))

    async def merge(self, id: str, document: Any, key: str | None) -> Added:
        """Raises Unprocessable for what is no state of such an aggregate, and a key that stood for another."""
        return await self._append(id, key, partial(_of_state, document))

    async def state(self, id: str) -> bytes:
        return await self._workers.run(_merge, await self._read(id), _dumped)

    async def look(self, id: str) -> dict[str, Any]:
        """Its definition, its time to live if it has one, and what each kind presents."""
        stored = await self._read(id)
        found = await self._workers.run(_merge, stored, described)
        return found if stored.ttl_s is None else {**found, "ttl_s": stored.ttl_s}

    async def remove(self, id: str) -> None:
        with _reaching_redis():
            if not await self._kept.remove(id):
                raise unknown(id)

    async def aclose(self) -> None:
        await end(*self._settling.values())

    @property
    def _kept(self) -> Store:
        if self._store is None:
            raise Unavailable(
                "aggregates are kept in Redis, and this service has none (REDIS_URL); aggregates:fold and "
                "aggregates:merge need none",
                retry_after_s=60,
            )
        return self._store

    async def _append(self, id: str, key: str | None, make: Callable[[Aggregate], "Made"]) -> Added:
        while True:
            with _reaching_redis():
                definition = await self._kept.definition(id)
            if definition is None:
                raise unknown(id)
            made = await self._workers.run(_make, definition, make)
            batch = Batch(definition, made.state, *((digest_of(key.encode()), made.meant) if key else ()))
            with _reaching_redis():
                outcome = await self._kept.append(id, batch)
            if outcome.kind != "changed":
                break
        if outcome.kind not in {"added", "repeated"}:
            _refuse(id, outcome)
        await self._settle(id, outcome)
        return Added(made.rows, outcome.kind == "repeated")

    async def _settle(self, id: str, outcome: Outcome) -> None:
        share = max(outcome.length / SETTLE_LENGTH, outcome.size / SETTLE_BYTES)
        if share > 1 and id not in self._settling:
            task = self._settling[id] = asyncio.create_task(self._settle_tail(id))
            task.add_done_callback(lambda _: self._settling.pop(id, None))
        if share > OVERDUE and id in self._settling:
            await asyncio.shield(self._settling[id])

    async def _settle_tail(self, id: str) -> None:
        """A failure is no one's: the tail is as good, only longer."""
        try:
            own = await self._kept.read_own(id)
            if own is not None and own.states:
                base = await asyncio.to_thread(_merge, own, _dumped)
                await self._kept.settle(id, own, base)
        except Exception as error:  # noqa: BLE001
            log.warning("an aggregate's tail was not merged", id=id, error=str(error) or type(error).__name__)

    async def _read(self, id: str) -> Stored:
        with _reaching_redis():
            stored = await self._kept.read(id)
        if stored is None:
            raise unknown(id)
        return stored


def described(aggregate: Aggregate, summary: Summary) -> dict[str, Any]:
    return {**aggregate.definition, "rows": summary.rows, "present": aggregate.present(summary)}


def _dumped(aggregate: Aggregate, summary: Summary) -> bytes:
    return orjson.dumps(aggregate.dump(summary))


def of_definition(document: Any) -> Aggregate:
    return Aggregate(tuple(document["kind"]), tuple(document["columns"]), document.get("y"))


def unknown(id: str) -> NotFound:
    return NotFound(f"there is no aggregate {id}; PUT /v1/stats/aggregates/{id} makes one")


def of_fault(fault: StateFault, place: str) -> Unprocessable:
    """`place`: the pointer of the document that is no state."""
    pointer = place + fault.pointer
    return Unprocessable(f"{pointer} {fault.detail}", errors=[FieldError(pointer, fault.detail)])


def named(values: Values, aggregate: Aggregate) -> Mapping[str, FloatArray]:
    if isinstance(values, Mapping):
        return values
    if len(aggregate.columns) > 1:
        detail = f"is one array; the aggregate has columns {', '.join(aggregate.columns)}: give an object of arrays"
        raise Unprocessable(f"/values {detail}", errors=[FieldError("/values", detail)])
    return {aggregate.columns[0]: values}


class Made(NamedTuple):
    """A batch as a state, and a digest of what it was made of: the same values may have several states, since a sketch
    draws lots."""

    rows: int
    state: bytes
    meant: bytes


def _make(definition: bytes, make: Callable[[Aggregate], Made]) -> Made:
    return make(of_definition(orjson.loads(definition)))


def _of_values(values: Values, aggregate: Aggregate) -> Made:
    columns = named(values, aggregate)
    summary = aggregate.fold(columns)
    meant = digest_of(*(columns[name].tobytes() for name in aggregate.columns))
    return Made(summary.rows, orjson.dumps(aggregate.dump(summary)), meant)


def _of_state(document: Any, aggregate: Aggregate) -> Made:
    try:
        summary = aggregate.load(document)
    except StateFault as fault:
        raise of_fault(fault, "/state") from None
    state = orjson.dumps(aggregate.dump(summary))
    return Made(summary.rows, state, digest_of(state))


def _merge(stored: Stored, use: Callable[[Aggregate, Summary], T]) -> T:
    aggregate = of_definition(orjson.loads(stored.definition))
    return use(aggregate, aggregate.merge([aggregate.load(orjson.loads(each)) for each in stored.states]))


def _definition(aggregate: Aggregate) -> bytes:
    return orjson.dumps(aggregate.definition)


def digest_of(*parts: bytes) -> bytes:
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        state.update(b"%d:" % len(part))
        state.update(part)
    return state.digest()


def _refuse(id: str, outcome: Outcome) -> NoReturn:
    if outcome.kind == "unknown":
        raise unknown(id)
    if outcome.kind == "other":
        detail = "was used for other values of this aggregate; use a new one for each batch"
        raise Unprocessable(f"this Idempotency-Key {detail}", errors=[FieldError("Idempotency-Key", detail, "header")])
    raise Overloaded(
        f"aggregate {id} has had as many batches with an Idempotency-Key as it can tell apart; send larger ones",
        retry_after_s=RETRY_AFTER_S,
    )


def _reaching_redis() -> AbstractContextManager[None]:
    hint = "; what was sent with an Idempotency-Key may be sent again without being counted twice"
    return reaching("aggregates", retry_after_s=RETRY_AFTER_S, hint=hint)
