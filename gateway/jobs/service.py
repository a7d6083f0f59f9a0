"""The gateway's side of jobs as one thing: to be built with the application, started and closed with it."""

import asyncio
from collections.abc import AsyncGenerator

from redis.asyncio import Redis

from gateway.jobs.acceptance import Acceptance, require
from gateway.jobs.events import Event, Watch
from gateway.jobs.housekeeping import keep_house
from gateway.jobs.records import Records
from gateway.jobs.store import Store
from gateway.settings import GatewaySettings
from shared import redis
from shared.ending import end
from shared.health import Health
from shared.metrics import Metrics


class Jobs:
    """`store` is None where there is no Redis: every request about a job is then answered 503."""

    def __init__(self, settings: GatewaySettings, metrics: Metrics, health: Health) -> None:
        self.records = Records(metrics)
        self._redis: Redis | None = None
        self.store: Store | None = None
        self._watch: Watch | None = None
        if settings.redis_url:
            self._redis = redis.connect(settings.redis_url, timeout_s=settings.jobs_redis_timeout_s, retries=1)
            self.store = Store(self._redis)
            self._watch = Watch(self._redis, lambda: health.draining)
        self.acceptance = Acceptance(self.store, settings, self.records)
        self._house: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self.store is not None:
            self._house = asyncio.create_task(keep_house(self.store, self.records))

    async def follow(self, job_id: str, after: int | None) -> AsyncGenerator[list[Event], None]:
        require(self.store)
        assert self._watch is not None
        async for batch in self._watch.follow(job_id, after):
            yield batch

    async def aclose(self) -> None:
        if self._house is not None:
            await end(self._house)
        if self._watch is not None:
            await self._watch.aclose()
        if self._redis is not None:
            await self._redis.aclose()
