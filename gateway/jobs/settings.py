"""Settings of jobs: what the gateway takes by, `VERNIER_GATEWAY_JOBS_<NAME>`, and what the process `jobs` works by,
`VERNIER_JOBS_<NAME>`. `VERNIER_JOBS_MAX_BYTES` is read by both."""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from gateway.upstreams import Upstreams
from shared.settings import Settings

MAX_BYTES = 96 << 20


class AcceptanceSettings(Settings):
    """What a gateway decides when it takes a job."""

    jobs_max_body_bytes: int = Field(default=MAX_BYTES, ge=1)
    """Largest body of a request that becomes a job, in bytes; it is kept in Redis until the job has ended. A hundred
    thousand series of 100 doubles are 81 MB."""
    jobs_max_bytes: int = Field(default=MAX_BYTES, ge=1)
    """Bodies and results of all jobs together, in bytes; beyond it a new job is answered 503 with Retry-After. Results
    of jobs that were taken may make it twice as much: Redis needs room for that beside the cache."""
    jobs_max_queued: int = Field(default=1000, ge=1)
    """Jobs that may wait to be run; one more is answered 503 with Retry-After."""
    jobs_timeout_s: float = Field(default=3600.0, gt=0)
    """Seconds from its acceptance that a job may take, waiting and retries included; then it fails. What its service
    computes in one go is bounded by that service's own `REQUEST_TIMEOUT_S`, too."""
    jobs_result_ttl_s: float = Field(default=86400.0, gt=0)
    """Seconds that a job and its result are kept after its end."""
    jobs_redis_timeout_s: float = Field(default=5.0, gt=0)
    """Seconds that a request about a job waits for Redis, before it is answered 503."""


class JobsSettings(Upstreams):
    """The process that runs jobs. An empty service address leaves that service's jobs to others."""

    process: ClassVar[str] = "jobs"

    port: int = Field(default=8104, ge=0, le=65535)
    """Port that health and metrics are served on; 0 takes a free one."""
    concurrency: int = Field(default=1, ge=1)
    """Jobs run at a time for each service, by each worker. One takes a thread of its service for as long as it lasts:
    leave others for those who wait for an answer."""
    lease_s: float = Field(default=15.0, gt=0)
    """Seconds of silence after which a worker counts as dead and its jobs go to another."""
    beat_s: float = Field(default=0.5, gt=0)
    """Seconds between two signs of life for a running job; each passes on its progress and finds out whether the job
    has been cancelled."""
    max_attempts: int = Field(default=3, ge=1)
    """Times that a job is begun; it fails when its worker, or its service, broke off each time."""
    max_bytes: int = Field(default=MAX_BYTES, ge=1)
    """As `VERNIER_GATEWAY_JOBS_MAX_BYTES`."""
    max_result_bytes: int = Field(default=32 << 20, ge=1)
    """Largest answer that is kept as a job's result, in bytes; a job with a larger one fails."""
    redis_timeout_s: float = Field(default=5.0, gt=0)
    """Seconds that a command to Redis may take."""

    @model_validator(mode="after")
    def _alive_between_leases(self) -> Self:
        if self.lease_s < 3 * self.beat_s:
            raise ValueError(f"lease_s must be at least three times beat_s, which is {self.beat_s:g}: one may be late")
        return self
