"""Jobs in Redis. Each method is one step that has happened wholly or not at all; `lua/` says how they lie there."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import orjson
from redis.asyncio import Redis

from gateway.jobs.job import FINAL, Answer, Fields, Request, Work, as_problem
from gateway.jobs.settings import AcceptanceSettings
from shared.errors import UpstreamFailed
from shared.redis import scripts, written

PREFIX = "vernier:jobs:"
GROUP, CONSUMER = "workers", "worker"
"""One consumer for all workers: an entry is held by whoever has its job's fence, and none are left behind."""
UNCLAIMED_MS = 600_000
"""A body whose job was not accepted after all goes by itself after so long."""
SWEPT = 100

_LUA = Path(__file__).parent / "lua"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request to be a job: `accepted`, `known` and `other` (the job that its Idempotency-Key made, of
    the same and of another request), or refused for `queued` jobs, `bytes` held or an `evicted` body."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Counts:
    queued: int
    running: int
    bytes: int


class Store:
    """Its methods raise what `shared.redis.Failure` lists; each may be called again where its reply was lost."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._scripts = scripts(redis, _LUA, (_LUA / "common.lua").read_text())

    async def _run(self, name: str, *arguments: Any) -> Any:
        return await self._scripts[name](args=arguments)

    async def accept(
        self, job_id: str, request: Request, message: bytes, key: str, digest: str, limits: AcceptanceSettings
    ) -> Outcome:
        """`message` goes to the queue; `key` is an Idempotency-Key's digest or "", `digest` that of the request."""
        await self.redis.set(f"{PREFIX}body:{job_id}", request.body, px=UNCLAIMED_MS, nx=True)
        fields = {
            "kind": request.kind,
            "method": request.method,
            "target": request.target,
            "headers": orjson.dumps(request.headers),
            "request_id": request.request_id,
        }
        kind, value = await self._run(
            "accept",
            job_id,
            request.service,
            message,
            len(request.body),
            key,
            digest,
            limits.jobs_max_queued,
            limits.jobs_max_bytes,
            limits.jobs_result_ttl_s,
            limits.jobs_timeout_s,
            *(each for pair in fields.items() for each in pair),
        )
        if kind in {b"accepted", b"known"}:
            await written(self.redis)
        return Outcome(kind.decode(), value.decode() if isinstance(value, bytes) else str(value))

    async def counts(self) -> Counts:
        """What there is, after the removal of what has expired."""
        return Counts(*await self._run("sweep", SWEPT))

    async def fields(self, job_id: str) -> Fields | None:
        """None where there is no such job any more."""
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(f"{PREFIX}job:{job_id}")
            pipe.time()
            fields, (seconds, micros) = await pipe.execute()
        expires = float(fields.get(b"expires", "inf"))
        return fields if fields and expires > seconds + micros / 1e6 else None

    async def result(self, job_id: str) -> bytes | None:
        return cast(bytes | None, await self.redis.get(f"{PREFIX}result:{job_id}"))

    async def cancel(self, job_id: str) -> str | None:
        """`cancelled` or `removed`; None where there is no such job."""
        done = await self._run("cancel", job_id, secrets.token_hex(8))
        await written(self.redis)
        return done.decode() if done else None

    async def begin(self, job_id: str, max_attempts: int) -> tuple[Fields, Work | None] | None:
        """A job that was delivered, to be run; without Work where it has just failed since it was begun so often
        before. None where it has ended already."""
        request_id = cast(bytes | None, await self.redis.hget(f"{PREFIX}job:{job_id}", "request_id")) or b""
        gone = UpstreamFailed(f"its worker broke off {max_attempts} times; it is not begun again")
        fence = secrets.token_hex(8)
        found = await self._run("begin", job_id, fence, max_attempts, as_problem(gone, job_id, request_id.decode()))
        if not found:
            return None
        flat, now = found
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        if fields[b"status"].decode() in FINAL:
            return fields, None
        body = cast(bytes | None, await self.redis.get(f"{PREFIX}body:{job_id}"))
        request = Request(
            fields[b"service"].decode(),
            fields[b"kind"].decode(),
            fields[b"method"].decode(),
            fields[b"target"].decode(),
            [(name, value) for name, value in orjson.loads(fields[b"headers"])],
            body or b"",
            fields[b"request_id"].decode(),
        )
        return fields, Work(job_id, fence, int(fields[b"attempts"]), request, float(fields[b"deadline"]) - float(now))

    async def renew(self, work: Work, progress: float) -> bool:
        """Whether the worker still holds the job."""
        return bool(await self._run("renew", work.id, work.fence, f"{progress:.4f}"))

    async def again(self, work: Work, number: int) -> bool:
        """Whether the worker, who begins the job for the time of that number, still holds it."""
        return bool(await self._run("again", work.id, work.fence, number))

    async def finish(self, work: Work, status: str, max_bytes: int, answer: Answer | None, error: bytes) -> int:
        """1: it has ended so; 0: it was not this worker's any more; -1: the answer has no room in `max_bytes`."""
        fields: list[Any] = ["error", error]
        if answer is not None:
            fields += ["answer_status", answer.status, "answer_headers", orjson.dumps(answer.headers)]
        body = answer.body if answer else b""
        return int(await self._run("finish", work.id, work.fence, status, max_bytes, body, *fields))

    async def release(self, work: Work) -> bool:
        return bool(await self._run("release", work.id, work.fence))
