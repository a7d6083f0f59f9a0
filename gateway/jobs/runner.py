"""What a worker does with a job: asks its service, shows signs of life meanwhile, and files what came of it once."""

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass

import structlog

from gateway.jobs.call import BrokenOff, Caller, NotNow
from gateway.jobs.job import Answer, Fields, Work, as_problem
from gateway.jobs.records import Records
from gateway.jobs.settings import JobsSettings
from gateway.jobs.store import Store
from shared import tracing
from shared.errors import DeadlinePassed, Overloaded, UpstreamFailed, VernierError
from shared.problems import MEDIA_TYPE
from shared.redis import Failure

log = structlog.get_logger()

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
REDIS_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Result:
    """How a job ends: with the service's answer, or without one."""

    answer: Answer | None = None
    error: VernierError | None = None

    @property
    def status(self) -> str:
        return "succeeded" if self.answer is not None and self.answer.status < 400 else "failed"


class Runner:
    """Runs any number of jobs at once; the queue decides how many."""

    def __init__(self, store: Store, caller: Caller, settings: JobsSettings, records: Records) -> None:
        self._store = store
        self._caller = caller
        self._settings = settings
        self._records = records
        self._in_hand: dict[str, asyncio.Task[Result]] = {}
        self._leaving = False

    @property
    def busy(self) -> bool:
        return bool(self._in_hand)

    async def run(self, job_id: str) -> None:
        """A job that Redis does not let it begin stays pending: it is taken up again after the lease. One that this
        process has in hand, and was only too busy to say so, goes on."""
        if job_id in self._in_hand:
            return
        try:
            await self._run(job_id)
        except Failure as error:
            log.warning("job left to the next", job=job_id, error=str(error) or type(error).__name__)

    async def _run(self, job_id: str) -> None:
        begun = await self._store.begin(job_id, self._settings.max_attempts)
        if begun is None:
            return
        fields, work = begun
        if work is None:
            log.warning("job abandoned", job=job_id, attempts=int(fields[b"attempts"]))
            self._records.ended(fields, "failed")
            return
        log.info("job begun", job=job_id, kind=work.request.kind, request_id=work.request.request_id)
        attempt = asyncio.create_task(self._attempt(work))
        self._in_hand[job_id] = attempt
        try:
            await self._tend(work, attempt)
            if not attempt.cancelled():
                await self._file(work, attempt.result(), fields)
            elif self._leaving:
                handed_back = await self._store.release(work)
                log.info("job handed back", job=job_id, done=handed_back)
        finally:
            attempt.cancel()
            del self._in_hand[job_id]

    def hand_back(self) -> None:
        """Every job in hand goes back to the queue."""
        self._leaving = True
        for attempt in self._in_hand.values():
            attempt.cancel()

    async def _tend(self, work: Work, attempt: "asyncio.Task[Result]") -> None:
        """Until the attempt has ended, or has been hung up on: it was cancelled, or counts no more."""
        while True:
            await asyncio.wait({attempt}, timeout=self._settings.beat_s)
            if attempt.done():
                return
            fraction = await self._caller.progress(work)
            with contextlib.suppress(*Failure):
                if not await self._store.renew(work, fraction):
                    log.info("job dropped", job=work.id)
                    attempt.cancel()
                    await asyncio.wait({attempt})
                    return

    async def _attempt(self, work: Work) -> Result:
        deadline = time.monotonic() + work.remaining_s
        request = work.request
        try:
            async with asyncio.timeout(max(0.0, work.remaining_s)):
                with tracing.resumed(f"job {request.kind}", request.headers, job=work.id, attempt=work.number):
                    return await self._ask(work, deadline)
        except TimeoutError:
            return Result(error=DeadlinePassed("the job took longer than it may, waiting and retries included"))
        except VernierError as error:
            return Result(error=error)

    async def _ask(self, work: Work, deadline: float) -> Result:
        """Raises UpstreamFailed when its service broke off too often."""
        pause_s, number = FIRST_PAUSE_S, work.number
        while True:
            try:
                return Result(await self._caller.ask(work, deadline - time.monotonic()))
            except NotNow as reason:
                log.info("job waits", job=work.id, reason=str(reason))
                wait_s = min(reason.pause_s or pause_s, LONGEST_PAUSE_S)
            except BrokenOff as reason:
                log.warning("job broken off", job=work.id, reason=str(reason))
                number += 1
                if number > self._settings.max_attempts:
                    raise UpstreamFailed(f"{reason}, each of {number - 1} times") from reason
                await self._again(work, number)
                wait_s = pause_s
            await asyncio.sleep(wait_s * random.uniform(1.0, 1.2))
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _again(self, work: Work, number: int) -> None:
        """Counts the attempt before it is made; whether the job is still this worker's, `_tend` finds out."""
        while True:
            try:
                await self._store.again(work, number)
                return
            except Failure:
                await asyncio.sleep(REDIS_PAUSE_S)

    async def _file(self, work: Work, result: Result, fields: Fields) -> None:
        """Waits for Redis as long as it takes: what has been computed is not thrown away."""
        most = 2 * self._settings.max_bytes
        while True:
            error = b"" if result.status == "succeeded" else _error(result, work)
            try:
                filed = await self._store.finish(work, result.status, most, result.answer, error)
            except Failure as failure:
                if self._leaving:
                    raise
                log.warning("job not filed yet", job=work.id, error=str(failure) or type(failure).__name__)
                await asyncio.sleep(REDIS_PAUSE_S)
                continue
            if filed >= 0:
                break
            result = Result(error=Overloaded("other jobs' results leave no room for this one's; try again later"))
        log.info("job ended", job=work.id, status=result.status, counts=bool(filed))
        if filed:
            self._records.ended(fields, result.status)


def _error(result: Result, work: Work) -> bytes:
    """The service's own problem, else one that says what happened."""
    if result.error is not None:
        return as_problem(result.error, work.id, work.request.request_id)
    assert result.answer is not None
    if dict(result.answer.headers).get("content-type", "").startswith(MEDIA_TYPE):
        return result.answer.body
    failed = UpstreamFailed(f"the {work.request.service} service answered {result.answer.status}")
    return as_problem(failed, work.id, work.request.request_id)
