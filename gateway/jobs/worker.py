"""The process that runs jobs: one queue and one taskiq receiver a service, so that none waits for another's."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI
from taskiq.receiver import Receiver

from gateway.jobs.call import Caller
from gateway.jobs.housekeeping import keep_house
from gateway.jobs.message import TASK
from gateway.jobs.queue import Queue
from gateway.jobs.records import Records
from gateway.jobs.runner import Runner
from gateway.jobs.settings import JobsSettings
from gateway.jobs.store import Store
from shared import redis
from shared.app import App
from shared.app import create_app as create_shared_app
from shared.ending import end
from shared.health import Health
from shared.metrics import Metrics

log = structlog.get_logger()

CONNECT_TIMEOUT_S = 2.0
HAND_BACK_S = 5.0
"""After the drain, for handing back jobs that did not end within it."""
LOOK_S = 0.05
RESTART_PAUSE_S = 1.0


def create_app(settings: JobsSettings) -> App:
    """Health and metrics over HTTP; the work itself starts and ends with the application."""
    if not settings.redis_url:
        log.critical("jobs are kept in Redis: set REDIS_URL")
        raise SystemExit(1)
    logging.getLogger("taskiq").setLevel(logging.WARNING)
    return create_shared_app(
        settings, title="Vernier jobs", summary="Runs what was asked for with respond-async", lifespan=_lifespan
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: JobsSettings = app.state.settings
    metrics: Metrics = app.state.metrics
    health: Health = app.state.health
    assert settings.redis_url is not None
    records = Records(metrics)
    client = redis.connect(settings.redis_url, timeout_s=settings.redis_timeout_s, retries=1)
    store = Store(client)
    caller = Caller(settings.services, connect_timeout_s=CONNECT_TIMEOUT_S, max_answer_bytes=settings.max_result_bytes)
    runner = Runner(store, caller, settings, records)
    finish = asyncio.Event()
    house = asyncio.create_task(keep_house(store, records))
    lines = [asyncio.create_task(_receive(settings, service, runner, finish)) for service in settings.services]
    leaving = asyncio.create_task(_finish_when_draining(health, finish))
    health.busy = lambda: runner.busy
    health.loaded()
    try:
        yield
    finally:
        finish.set()
        runner.hand_back()
        if lines:
            await asyncio.wait(lines, timeout=HAND_BACK_S)
        await end(house, leaving)
        await caller.aclose()
        await client.aclose()


async def _finish_when_draining(health: Health, finish: asyncio.Event) -> None:
    while not health.draining:  # noqa: ASYNC110 - a signal sets it
        await asyncio.sleep(LOOK_S)
    finish.set()


async def _receive(settings: JobsSettings, service: str, runner: Runner, finish: asyncio.Event) -> None:
    """Runs a service's jobs until `finish`, and then those in hand to their end."""
    while not finish.is_set():
        try:
            await _receive_once(settings, service, runner, finish)
        except Exception:
            log.exception("receiving failed", service=service)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(finish.wait(), RESTART_PAUSE_S)


async def _receive_once(settings: JobsSettings, service: str, runner: Runner, finish: asyncio.Event) -> None:
    assert settings.redis_url is not None
    queue = Queue(settings.redis_url, service, lease_s=settings.lease_s, timeout_s=settings.redis_timeout_s)
    queue.is_worker_process = True

    async def run(job_id: str) -> None:
        await runner.run(job_id)

    queue.register_task(run, task_name=TASK)
    try:
        await Receiver(queue, max_async_tasks=settings.concurrency, max_prefetch=0).listen(finish)
    finally:
        await queue.shutdown()
