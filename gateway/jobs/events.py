"""Those who watch jobs: one read of Redis a moment for all of them, whatever their number."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from typing import Any

import structlog
from redis.asyncio import Redis

from gateway.jobs.job import FINAL, Fields
from gateway.jobs.store import PREFIX
from shared.ending import end
from shared.redis import Failure

log = structlog.get_logger()

INTERVAL_S = 0.1
AWAY_S = 1.0
Event = tuple[int, Fields]
"""Its number, one more than the event before, and what a client saw of the job then."""


class Watch:
    """Follows the events of the jobs that somebody watches; nobody, no reads. Sends them home when it drains."""

    def __init__(self, redis: Redis, draining: Callable[[], bool]) -> None:
        self._redis = redis
        self._draining = draining
        self._watchers: dict[str, set[asyncio.Queue[list[Event] | None]]] = defaultdict(set)
        self._positions: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None

    async def past(self, job_id: str, after: int | None) -> list[Event]:
        """Events later than `after`; the last one alone where that is None. Raises what `Failure` lists."""
        name = f"{PREFIX}events:{job_id}"
        if after is None:
            found: Any = await self._redis.xrevrange(name, count=1)
        else:
            found = await self._redis.xrange(name, min=f"({after}-0")
        return [_event(entry) for entry in found]

    async def follow(self, job_id: str, after: int | None) -> AsyncGenerator[list[Event], None]:
        """Each batch of events later than `after`, at first what there is, until the job ends or is removed. Raises
        what `Failure` lists for the first read only."""
        inbox: asyncio.Queue[list[Event] | None] = asyncio.Queue()
        self._watchers[job_id].add(inbox)
        try:
            batch: list[Event] | None = await self.past(job_id, after)
            last = after or 0
            self._positions.setdefault(job_id, batch[-1][0] if batch else last)
            self._wake()
            while batch is not None:
                batch = [event for event in batch if event[0] > last]
                last = batch[-1][0] if batch else last
                yield batch
                if any(event.get(b"status", b"").decode() in FINAL for _, event in batch):
                    return
                batch = await inbox.get()
        finally:
            self._leave(job_id, inbox)

    def _leave(self, job_id: str, inbox: "asyncio.Queue[list[Event] | None]") -> None:
        watchers = self._watchers[job_id]
        watchers.discard(inbox)
        if not watchers:
            del self._watchers[job_id]
            self._positions.pop(job_id, None)

    def _wake(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._read_on())

    async def _read_on(self) -> None:
        while self._watchers:
            if self._draining():
                for job_id in self._watchers:
                    self._send(job_id, None)
            try:
                await self._read()
            except Failure as error:
                log.warning("events wait for Redis", error=str(error) or type(error).__name__)
                await asyncio.sleep(AWAY_S)
            await asyncio.sleep(INTERVAL_S)

    async def _read(self) -> None:
        positions = dict(self._positions)
        if not positions:
            return
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.xread({f"{PREFIX}events:{job_id}": f"{seq}-0" for job_id, seq in positions.items()})
            for job_id in positions:
                pipe.exists(f"{PREFIX}job:{job_id}")
            found, *exist = await pipe.execute()
        for name, entries in found or []:
            self._deliver(name.decode().rpartition(":")[2], [_event(entry) for entry in entries])
        for job_id, there in zip(positions, exist, strict=True):
            if not there:
                self._send(job_id, None)

    def _deliver(self, job_id: str, batch: list[Event]) -> None:
        if job_id in self._positions:
            self._positions[job_id] = batch[-1][0]
            self._send(job_id, batch)

    def _send(self, job_id: str, batch: list[Event] | None) -> None:
        for inbox in self._watchers.get(job_id, ()):
            inbox.put_nowait(batch)

    async def aclose(self) -> None:
        if self._task is not None:
            await end(self._task)


def _event(entry: tuple[bytes, dict[bytes, bytes]]) -> Event:
    number, fields = entry
    return int(number.split(b"-")[0]), fields
