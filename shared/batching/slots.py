"""The running side of a batcher: threads that take runs from the queue as long as there are any."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import structlog

from shared import tracing
from shared.admission import Admission, outcome_of
from shared.batching.queue import Member, Queue, Run
from shared.batching.statistics import Statistics
from shared.context import exemplar
from shared.cores import step_back
from shared.errors import NotReady, TooLarge, Unavailable
from shared.metrics import Inference

Picks = list[tuple[Member, int]]
log = structlog.get_logger()


class Slots:
    """`count` runs at once. Whoever brings work while a slot is free holds it and leads: runs what waits, on the
    calling thread or the pool's, until nothing does. What is more than one run calls up the other slots. Nobody waits
    for work to come.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Any]], Sequence[Any]],
        queue: Queue,
        admission: Admission,
        metrics: Inference,
        *,
        name: str,
        delay_s: float,
    ) -> None:
        self.statistics = Statistics()
        self._run = run
        self._name = name
        self._queue = queue
        self._admission = admission
        self._metrics = metrics
        self._delay_s = delay_s
        self._changed = threading.Condition()
        self._free = admission.slots
        self._closed = False
        self._pool = ThreadPoolExecutor(admission.slots, thread_name_prefix=f"run-{name}", initializer=step_back)

    def enter(self, member: Member, here: bool) -> None:
        """Queues it, and leads where a slot is free: on this thread if `here`. Raises NotReady when closed and, but for
        `here`, as `Admission.check`: the number of threads bounds what they bring."""
        with self._changed:
            self._check(member.cost, member, bounded=not here)
            self._admission.asked(member.cost)
            self._queue.add(member)
            self._note()
            leads = self._free > 0
            if leads:
                self._free -= 1
                if not here:
                    self._pool.submit(self._lead)
            elif self._delay_s:
                self._changed.notify_all()
        if leads and here:
            self._lead(member)

    def check(self, member: Member) -> None:
        with self._changed:
            self._check(member.cost, member, bounded=True)

    def fail(self, member: Member, error: BaseException) -> None:
        """What of it still waits never runs; it ends with `error` unless it has ended already."""
        with self._changed:
            self._queue.discard(member)
            self._note()
            if member.done:
                return
            member.done, member.error = True, error
        self._failed(member, error)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._pool.shutdown(wait=True)

    def _check(self, cost: int, member: Member, *, bounded: bool) -> None:
        try:
            if self._closed:
                raise NotReady(f"{self._name} is being unloaded")
            if bounded:
                self._admission.check(cost, member.context, partial(self._queue.before, cost))
        except (Unavailable, TooLarge) as refusal:
            self._count(refusal, 0.0)
            raise

    def _note(self) -> None:
        self._admission.waiting = self._queue.cost
        self._metrics.queue_depth.set(self._queue.items)

    def _lead(self, own: Member | None = None) -> None:
        """On the slot that the caller holds. With `own`, the slot goes to another thread as soon as that is done."""
        while (run := self._next(own)) is not None:
            try:
                self._execute(run)
            except BaseException as error:
                log.exception("the scheduler failed", model=self._name)
                for member, _ in run.picks:
                    self.fail(member, error)

    def _next(self, own: Member | None) -> Run | None:
        """What to run now; None when the slot is free again or somebody else's."""
        with self._changed:
            if own is not None and own.done and self._queue and not self._closed:
                self._pool.submit(self._lead)
                return None
            self._await_more()
            run, dropped = self._queue.take(time.monotonic())
            self._note()
            for member, error in dropped:
                member.done, member.error = True, error
            if run:
                self._admission.begin(run.total)
                self._call_up()
            else:
                self._free += 1
        for member, error in dropped:
            self._failed(member, error)
        return run if run else None

    def _call_up(self) -> None:
        """Another slot for what is left in the queue, if one is free."""
        if self._queue and self._free and not self._closed:
            self._free -= 1
            self._pool.submit(self._lead)

    def _await_more(self) -> None:
        """Until the first in the queue has waited `delay_s` or a run is full."""
        while self._delay_s and not self._closed and self._queue and self._queue.cost < self._queue.max_cost:
            left_s = self._queue.oldest + self._delay_s - time.monotonic()
            if left_s <= 0:
                return
            self._changed.wait(left_s)

    def _execute(self, run: Run) -> None:
        started = time.monotonic()
        for member, _ in run.picks:
            if not member.began:
                member.began = started
                if tracing.active is not None:
                    tracing.active.past("queue", member.context, member.queued, started)
        error: BaseException | None = None
        try:
            error = self._attempt(run.picks)
            if error is not None:
                self._isolate(run.picks, error)
        finally:
            with self._changed:
                self._admission.done(run.total, time.monotonic() - started, failed=error is not None)

    def _attempt(self, picks: Picks) -> BaseException | None:
        """One run; its error, if it failed. Even a panic of a native library ends no more than this run."""
        started = time.monotonic()
        try:
            with tracing.together("batch", (each.context for each, _ in picks), model=self._name, items=len(picks)):
                results = self._run([member.items[index] for member, index in picks])
            if len(results) != len(picks):
                raise RuntimeError(f"{self._name} gave {len(results)} results for {len(picks)} items")
        except BaseException as error:  # noqa: BLE001 - the batch's boundary: given to those it belongs to
            return error
        ended = time.monotonic()
        self._metrics.compute_seconds.observe(ended - started, exemplar(picks[0][0].context))
        self._metrics.batch_size.observe(len(picks))
        self.statistics.ran(len(picks), ended - started)
        self._hand_out(picks, results, ended)
        return None

    def _hand_out(self, picks: Picks, results: Sequence[Any], ended: float) -> None:
        finished: list[Member] = []
        reports: dict[Callable[[float], None], float] = {}
        with self._changed:
            for (member, index), result in zip(picks, results, strict=True):
                member.results[index] = result
                member.left -= 1
                if not member.left and not member.done:
                    member.done, member.ended = True, ended
                    finished.append(member)
                if member.report is not None:
                    reports[member.report] = 1 - member.left / len(member.items)
        for report, share in reports.items():
            report(share)
        for member in finished:
            queue_s = member.began - member.queued
            self._metrics.queue_seconds.observe(queue_s, exemplar(member.context))
            self._metrics.outcomes["ok"].inc()
            self.statistics.succeeded(ended - member.queued, queue_s)
            member.finish()

    def _isolate(self, picks: Picks, error: BaseException) -> None:
        """After a failed run: each member by itself, and the items of one that fails again each by itself."""
        if len(picks) == 1:
            self.fail(picks[0][0], error)
            return
        parts: dict[Member, Picks] = {}
        for pick in picks:
            parts.setdefault(pick[0], []).append(pick)
        smaller = list(parts.values()) if len(parts) > 1 else [[pick] for pick in picks]
        log.warning("a run failed, its parts run singly", model=self._name, items=len(picks), error=repr(error))
        for part in smaller:
            member = part[0][0]
            if member.done:
                continue
            fault = member.fault(time.monotonic())
            if fault is not None:
                self.fail(member, fault)
            elif (again := self._attempt(part)) is not None:
                self._isolate(part, again)

    def _failed(self, member: Member, error: BaseException) -> None:
        self._count(error, time.monotonic() - member.queued)
        member.finish()

    def _count(self, error: BaseException, seconds: float) -> None:
        outcome = outcome_of(error)
        self._metrics.outcomes[outcome].inc()
        self.statistics.failed(outcome, seconds)
