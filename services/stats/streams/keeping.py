"""Streams that are kept: between the routes, the filter and Redis."""

from contextlib import AbstractContextManager
from typing import NoReturn

import numpy as np
import orjson

from services.stats.kalman.kernels.step import FloatArray
from services.stats.streams.store import Store, Stored
from services.stats.streams.stream import VERSION, Definition, Late, State, Taken, at, take
from shared.errors import Conflict, FieldError, NotFound, Overloaded, TooLarge, Unavailable, Unprocessable
from shared.redis import reaching
from shared.workers import Workers

ATTEMPTS = 1_000
"""Each that fails is a batch of somebody else's that was written."""
RETRY_AFTER_S = 1.0


class Streams:
    """`store` is None where there is no Redis. Every method raises NotFound for a stream that there is not, and
    Unavailable while Redis is away or full."""

    def __init__(self, store: Store | None, workers: Workers) -> None:
        self._store = store
        self._workers = workers

    async def create(self, id: str, definition: Definition, ttl_s: float | None) -> bool:
        """Whether it is new. Raises Conflict where there is another of that id."""
        with _reaching_redis():
            found = await self._kept.create(id, orjson.dumps(definition), ttl_s)
        if found == "other":
            raise Conflict(f"there is a stream {id} of another model; DELETE it first, or choose another id")
        if found == "full":
            raise Overloaded("there are as many streams as there may be; DELETE some", retry_after_s=RETRY_AFTER_S)
        return found == "created"

    async def observe(self, id: str, time: FloatArray, z: FloatArray, *, drop: bool) -> tuple[Definition, Taken]:
        """Raises Conflict for what is late, unless that is to be dropped, Unprocessable and TooLarge for times that do
        not increase and more of them than are remembered."""
        _check(time, z, self._kept.remembered)
        for _ in range(ATTEMPTS):
            stored = await self._read(id)
            last = orjson.loads(stored.state)["time"] if stored.state else None
            if last is not None and time[0] <= last:
                stored = await self._read(id, seen=True)
            definition, taken, state, rows = await self._workers.run(_take, stored, time, z, drop)
            with _reaching_redis():
                if not rows:
                    await self._kept.settled()
                    return definition, taken
                if await self._kept.commit(id, stored, state, rows):
                    return definition, taken
        raise Overloaded(f"too many write to stream {id} at once", retry_after_s=RETRY_AFTER_S)

    async def look(self, id: str, time: float | None) -> tuple[Definition, State, FloatArray, float | None]:
        """The stream, its components' means and standard deviations at `time`, and its time to live."""
        stored = await self._read(id)
        definition, state = _opened(stored)
        if time is not None and state.time is not None and time < state.time:
            detail = f"is before the last time that was taken, {state.time:.17g}; a stream tells of later times only"
            raise Unprocessable(f"query at {detail}", errors=[FieldError("/at", detail, "query")])
        found = await self._workers.run(at, definition, state, time)
        return definition, state, found, stored.ttl_s

    async def remove(self, id: str) -> None:
        with _reaching_redis():
            if not await self._kept.remove(id):
                raise unknown(id)

    @property
    def _kept(self) -> Store:
        if self._store is None:
            raise Unavailable(
                "streams are kept in Redis, and this service has none (REDIS_URL); kalman/filter needs none",
                retry_after_s=60,
            )
        return self._store

    async def _read(self, id: str, *, seen: bool = False) -> Stored:
        with _reaching_redis():
            stored = await self._kept.read(id, seen=seen)
        if stored is None:
            raise unknown(id)
        return stored


def unknown(id: str) -> NotFound:
    return NotFound(f"there is no stream {id}; PUT /v1/stats/kalman/streams/{id} makes one")


def _check(time: FloatArray, z: FloatArray, most: int) -> None:
    if len(z) != len(time):
        detail = f"has {len(z):,} entries, time {len(time):,}: give one a time, null where missing"
        raise Unprocessable(f"/z {detail}", errors=[FieldError("/z", detail)])
    if len(z) > most:
        detail = f"has {len(z):,} entries; a batch may have {most:,}, as many as are remembered"
        raise TooLarge(f"/z {detail}", errors=[FieldError("/z", detail)])
    back = np.flatnonzero(np.diff(time) <= 0)
    if back.size:
        k = int(back[0]) + 1
        detail = f"is {time[k]:.17g}, not after {time[k - 1]:.17g}: the times of a stream increase"
        raise Unprocessable(f"/time/{k} {detail}", errors=[FieldError(f"/time/{k}", detail)])


def _take(stored: Stored, time: FloatArray, z: FloatArray, drop: bool) -> tuple[Definition, Taken, bytes, list[bytes]]:
    """What the batch makes of the stream, and the new state and rows to be kept."""
    definition, before = _opened(stored)
    try:
        taken = take(definition, before, [np.frombuffer(row) for row in stored.seen], time, z, drop=drop)
    except Late as late:
        _refuse(late, time, before)
    if not np.isfinite(taken.state.loglik):
        detail = "is so far from what q and r expect that its likelihood leaves the range of numbers"
        raise Unprocessable(f"/z {detail}", errors=[FieldError("/z", detail)])
    return definition, taken, orjson.dumps(taken.state.document()), [row.tobytes() for row in taken.rows[taken.new]]


def _refuse(late: Late, time: FloatArray, state: State) -> NoReturn:
    what = f"{time[late.place]:.17g}"
    if late.taken is not None:
        pointer = f"/z/{late.place}"
        value = "null" if np.isnan(late.taken) else f"{late.taken:.17g}"
        detail = f"is not {value}, which was taken at the time {what}; a stream's past does not change"
    else:
        pointer = f"/time/{late.place}"
        detail = (
            f"is {what}, not after {state.time:.17g}, the last time that was taken, nor one of those remembered; "
            "leave it out, or let what is late be dropped by late: drop"
        )
    raise Conflict(f"{pointer} {detail}", errors=[FieldError(pointer, detail)])


def _opened(stored: Stored) -> tuple[Definition, State]:
    definition = Definition(**orjson.loads(stored.definition))
    if not stored.state:
        return definition, State.first(definition)
    document = orjson.loads(stored.state)
    if document["version"] > VERSION:
        detail = f"this stream is kept in the form {document['version']}, which this version of the service cannot read"
        raise Unavailable(detail, retry_after_s=60)
    return definition, State.of(document)


def _reaching_redis() -> AbstractContextManager[None]:
    hint = "; observations may be sent again: those of a time that was taken count once"
    return reaching("streams", retry_after_s=RETRY_AFTER_S, hint=hint)
