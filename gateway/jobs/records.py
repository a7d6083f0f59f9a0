"""The metrics of jobs; kinds come from the services' documents, statuses are five."""

import time

from gateway.jobs.job import Fields
from gateway.jobs.store import Counts
from shared.metrics import Metrics

SECONDS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
ATTEMPTS = (1.0, 2.0, 3.0, 5.0, 10.0)


class Records:
    def __init__(self, metrics: Metrics) -> None:
        self._jobs = metrics.counter("jobs", "Jobs by what became of them: queued when taken", ("kind", "status"))
        self._queued = metrics.gauge("jobs_queued", "Jobs that wait to be run")
        self._running = metrics.gauge("jobs_running", "Jobs that are run")
        self._bytes = metrics.gauge("jobs_bytes", "Bytes of jobs' requests and results in Redis")
        self._seconds = metrics.histogram(
            "job_duration_seconds", "Time from a job's acceptance to its end", ("kind", "status"), SECONDS
        )
        self._attempts = metrics.histogram("job_attempts", "Times that an ended job was begun", ("kind",), ATTEMPTS)

    def taken(self, kind: str) -> None:
        self._jobs.labels(kind, "queued").inc()

    def ended(self, fields: Fields, status: str) -> None:
        kind = fields[b"kind"].decode()
        self._jobs.labels(kind, status).inc()
        self._seconds.labels(kind, status).observe(max(0.0, time.time() - float(fields[b"created"])))
        self._attempts.labels(kind).observe(int(fields[b"attempts"]))

    def counted(self, counts: Counts) -> None:
        self._queued.set(counts.queued)
        self._running.set(counts.running)
        self._bytes.set(counts.bytes)
