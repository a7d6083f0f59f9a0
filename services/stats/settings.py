"""Settings of the stats service."""

from typing import ClassVar

from pydantic import Field

from shared.settings import Settings


class StatsSettings(Settings):
    process: ClassVar[str] = "stats"

    port: int = Field(default=8103, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    max_body_bytes: int = Field(default=128 << 20, ge=1)
    """Largest request body taken, in bytes; 5,000,000 numbers of 17 digits are 100 MB, 16,000,000 doubles 128 MB."""
    body_memory_bytes: int = Field(default=192 << 20, ge=1)
    """Bodies of requests held at a time, in bytes, until they are answered; a request beyond is answered 503 with
    Retry-After. Computing takes some five times as much: two tables of 90 MB at a time fit in 1 GB."""
    max_values: int = Field(default=5_000_000, ge=1)
    """Values of one request as JSON or NDJSON, at most, each of which takes 60 bytes while it is read: told by its
    commas, before anything is parsed."""
    max_table_values: int = Field(default=16_000_000, ge=1)
    """Values of one table as CSV, Arrow or Parquet, at most, 8 bytes each: told by its lines or by what it says of
    itself, before anything is allocated. It may unpack to 16 bytes for each of them."""
    redis_timeout_s: float = Field(default=2.0, gt=0)
    """Seconds that a request about an aggregate or a stream waits for Redis, before it is answered 503."""
    redis_replicas: int = Field(default=0, ge=0)
    """Replicas of Redis that must have a batch before it is acknowledged, so that it survives a failover to one of
    them; with fewer it is answered 503, and may be sent again: with its Idempotency-Key, or to a stream as it is."""
    max_aggregates: int = Field(default=10_000, ge=1)
    """Aggregates that are kept, at most; another is answered 503."""
    idempotency_s: float = Field(default=86_400.0, gt=0)
    """Seconds for which an Idempotency-Key of an aggregate counts once."""
    max_idempotency_keys: int = Field(default=100_000, ge=1)
    """Such keys kept of one aggregate, at most, some 200 bytes each; a batch with another one is answered 503."""
    max_streams: int = Field(default=10_000, ge=1)
    """Kalman streams that are kept, at most; another is answered 503."""
    stream_remembered: int = Field(default=500, ge=1, le=100_000)
    """Observations that a stream remembers with their answers, to know those that are sent again, some 80 bytes each;
    a batch may have as many."""
