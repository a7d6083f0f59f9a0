"""One service's queue of jobs: taskiq's stream broker, with leases and with nothing that one lost reply can end."""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError
from taskiq import BrokerMessage
from taskiq.formatters.json_formatter import JSONFormatter
from taskiq_redis import RedisStreamBroker

from gateway.jobs.store import CONSUMER, GROUP, PREFIX
from shared.redis import Failure

log = structlog.get_logger()

BLOCK_MS = 500
"""How long a read waits for a new entry; so often those that dead workers left behind are looked for, too."""
PAUSE_S = 0.5


class Queue(RedisStreamBroker):
    """Delivers each entry to one worker, and again when it has been silent for `lease_s`.

    Nothing is acknowledged here: the script that ends a job takes its entry off the stream in the same step. After a
    failure of Redis no entry is taken over for another `lease_s`, since nobody could renew meanwhile.
    """

    def __init__(self, url: str, service: str, *, lease_s: float, timeout_s: float) -> None:
        super().__init__(
            url,
            queue_name=f"{PREFIX}queue:{service}",
            consumer_group_name=GROUP,
            consumer_name=CONSUMER,
            consumer_id="0",
            idle_timeout=int(lease_s * 1e3),
            socket_timeout=timeout_s + BLOCK_MS / 1e3,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
        )
        self.with_formatter(JSONFormatter())
        self._redis = Redis.from_pool(self.connection_pool)
        self._lease_s = lease_s
        self._look_behind = 0.0

    async def _declare_consumer_group(self) -> None:
        """Left to `listen`: Redis may be away at the start, and may lose the group later."""

    async def kick(self, message: BrokerMessage) -> None:
        raise NotImplementedError(f"{message.task_id}: a job enters the queue by Store.accept, with all its state")

    async def listen(self) -> AsyncGenerator[bytes, None]:  # type: ignore[override]
        while True:
            try:
                entry = await self._left_behind() or await self._new()
            except Failure as error:
                self._look_behind = time.monotonic() + self._lease_s
                await self._recover(error)
                continue
            if entry is not None:
                yield entry

    async def _new(self) -> bytes | None:
        found: Any = await self._redis.xreadgroup(GROUP, CONSUMER, {self.queue_name: ">"}, count=1, block=BLOCK_MS)
        return _message(found[0][1]) if found else None

    async def _left_behind(self) -> bytes | None:
        if time.monotonic() < self._look_behind:
            return None
        self._look_behind = time.monotonic() + BLOCK_MS / 1e3
        claimed: Any = await self._redis.xautoclaim(
            self.queue_name, GROUP, CONSUMER, min_idle_time=self.idle_timeout, count=1
        )
        return _message(claimed[1])

    async def _recover(self, error: BaseException) -> None:
        if isinstance(error, ResponseError) and "NOGROUP" in str(error):
            try:
                await self._redis.xgroup_create(self.queue_name, GROUP, id="0", mkstream=True)
                self._look_behind = 0.0
                return
            except Failure as second:
                error = second
        log.warning("queue unreachable", queue=self.queue_name, error=str(error) or type(error).__name__)
        await asyncio.sleep(PAUSE_S)


def _message(entries: list[tuple[bytes, dict[bytes, bytes] | None]]) -> bytes | None:
    """Of the first entry; Redis 6 lists entries that have been deleted meanwhile without fields."""
    for _, fields in entries:
        if fields:
            return fields[b"data"]
    return None
