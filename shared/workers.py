"""Threads that compute, so that the event loop never does: a bounded queue before them, nothing done for nobody."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Annotated, Any, ParamSpec, TypeVar, cast

from fastapi import Depends, Request

from shared import tracing
from shared.admission import Admission, outcome_of
from shared.context import RequestContext, current_context, exemplar
from shared.cores import available_cores, step_back
from shared.metrics import Metrics
from shared.settings import Settings
from shared.waiting import while_wanted

P = ParamSpec("P")
T = TypeVar("T")


class Workers:
    """A pool of `settings.threads` threads; computations of `settings.max_queue` cost may wait for one."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.threads = settings.threads or available_cores()
        self.admission = Admission(slots=self.threads, max_cost=settings.max_queue, max_wait_s=settings.max_wait_s)
        self.metrics = metrics.model()
        self.lock = threading.Lock()
        self.pool = ThreadPoolExecutor(self.threads, thread_name_prefix="compute", initializer=step_back)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The function's result, computed on a thread within the request's context; it costs 1.

        Raises Overloaded where it may not wait (see `shared.admission`), unless something of the request has been
        computed already; DeadlinePassed and ClientGone as soon as they hold. A computation that has not started by
        then never does; one that has must ask `RequestContext.check` itself.
        """
        return await self.run_costing(1.0, function, *args, **kwargs)

    async def run_costing(self, cost: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `run`, for a computation that takes about `cost` times as long as the process's small ones. It counts as
        no more than may wait at all."""
        cost = min(cost, self.admission.max_cost)
        context = current_context.get()
        job = _Job(self, cost, context, partial(function, *args, **kwargs))
        try:
            with self.lock:
                if context is None or not context.admitted:
                    self.admission.check(cost, context)
                    self.admission.asked(cost)
                job.wait(True)
            result = await job.result()
        except BaseException as error:
            self.metrics.outcomes[outcome_of(error)].inc()
            raise
        self.metrics.outcomes["ok"].inc()
        return cast(T, result)

    def close(self) -> None:
        self.pool.shutdown(wait=True, cancel_futures=True)


class _Job:
    """One computation on its way through the pool."""

    def __init__(
        self, workers: Workers, cost: float, context: RequestContext | None, function: Callable[[], Any]
    ) -> None:
        self._workers = workers
        self._cost = cost
        self._context = context
        self._function = function
        self._queued = time.monotonic()
        self._waits = False

    async def result(self) -> Any:
        future = asyncio.get_running_loop().run_in_executor(self._workers.pool, copy_context().run, self._compute)
        try:
            return await while_wanted(future, self._context)
        finally:
            with self._workers.lock:
                self.wait(False)

    def wait(self, waits: bool) -> None:
        """Takes or gives up a place in the queue; with the lock held."""
        if waits != self._waits:
            self._waits = waits
            self._workers.admission.waiting += self._cost if waits else -self._cost
            self._workers.metrics.queue_depth.inc(1 if waits else -1)

    def _compute(self) -> Any:
        """On a thread of the pool."""
        context, admission = self._context, self._workers.admission
        if context is not None:
            context.check()
            context.admitted = True
        started = time.monotonic()
        with self._workers.lock:
            self.wait(False)
            admission.begin(self._cost)
        if tracing.active is not None:
            tracing.active.past("queue", context, self._queued, started)
        try:
            with tracing.span("compute"):
                return self._function()
        finally:
            queue_s, compute_s = started - self._queued, time.monotonic() - started
            with self._workers.lock:
                admission.done(self._cost, compute_s)
            self._workers.metrics.queue_seconds.observe(queue_s, exemplar(context))
            self._workers.metrics.compute_seconds.observe(compute_s, exemplar(context))
            if context is not None:
                context.computed(queue_s, compute_s)


async def _workers(request: Request) -> Workers:
    return cast(Workers, request.app.state.workers)


WorkersDep = Annotated[Workers, Depends(_workers)]
