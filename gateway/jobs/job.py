"""A job as clients see it, and as a worker gets it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
from pydantic import BaseModel, Field

from shared.errors import VernierError
from shared.openapi import Problem
from shared.problems import problem

Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]
FINAL = frozenset({"succeeded", "failed", "cancelled"})
Fields = Mapping[bytes, bytes]
"""The hash of a job in Redis, by names."""


class Job(BaseModel):
    """A piece of long work that goes on without a connection."""

    id: str
    kind: str = Field(description="What it does: video, cluster, trend ...")
    status: Status
    progress: float = Field(ge=0, le=1, description="The share done; it never goes back")
    error: Problem | None = Field(description="Why it failed, as the call itself would have answered")
    attempts: int = Field(
        ge=0, description="How often it was begun: more than once where a worker or service broke off"
    )
    created: datetime
    started: datetime | None
    finished: datetime | None
    expires: datetime | None = Field(description="When it is removed, with its result: known once it has ended")


def render(job_id: str, fields: Fields) -> dict[str, Any]:
    """What a client sees: the fields of `Job`."""
    error = fields.get(b"error")
    return {
        "id": job_id,
        "kind": fields[b"kind"].decode(),
        "status": fields[b"status"].decode(),
        "progress": float(fields[b"progress"]),
        "error": orjson.loads(error) if error else None,
        "attempts": int(fields[b"attempts"]),
        **{name: _moment(fields.get(name.encode())) for name in ("created", "started", "finished", "expires")},
    }


def _moment(seconds: bytes | None) -> str | None:
    if not seconds:
        return None
    return datetime.fromtimestamp(float(seconds), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Request:
    """What is stored of a request to be sent later: everything that its answer depends on."""

    service: str
    kind: str
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    request_id: str


@dataclass(frozen=True, slots=True)
class Work:
    """A job in the hands of a worker: begun for the time of that `number`, `fence` tells this beginning from any
    other; `remaining_s` as it was begun."""

    id: str
    fence: str
    number: int
    request: Request
    remaining_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered, `headers` those that describe its content."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def as_problem(error: VernierError, job_id: str, request_id: str) -> bytes:
    return problem(error, instance=f"/v1/jobs/{job_id}", request_id=request_id)
