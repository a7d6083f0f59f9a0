"""A service that takes its time, and everything that a job needs around it: Redis, gateway and workers, all real."""

import asyncio
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
from redis import Redis

from shared.asgi import Receive, Scope, Send
from tests.gateway.conftest import gateway_before
from tests.gateway.upstream import Upstream, operation
from tests.polling import until
from tests.processes import Process, running, running_redis

FINAL = {"succeeded", "failed", "cancelled"}
ASYNC = {"Prefer": "respond-async"}
LEASE_S = 3.0


def job(kind: str, **described: Any) -> dict[str, Any]:
    return {"post": {**operation(**described), "x-vernier-job": kind}}


class Service(Upstream):
    """`/work` answers once `open` is set and has its effect once for each request id; `begun` counts requests by
    that id, `effects` what they did. `share` is what it says of its progress."""

    def __init__(self) -> None:
        super().__init__()
        self.paths = {
            "/work": job("work", headers=("X-Unit",)),
            "/quick": job("quick", cacheable=True),
            "/refuse": job("refuse"),
            "/busy": job("busy"),
            "/break": job("break"),
            "/large": job("large"),
            "/plain": {"post": operation()},
        }
        self.begun: Counter[str] = Counter()
        self.effects: Counter[str] = Counter()
        self.seen: dict[str, dict[str, str]] = {}
        self.share = 0.0
        self.busy = 0

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/internal/progress":
            await self._json(send, {"progress": self.share})
        else:
            await super().answer(scope, receive, send)

    async def _work(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        key = headers["x-request-id"]
        self.begun[key] += 1
        self.seen[key] = {**headers, "query": scope["query_string"].decode(), "raw_path": scope["raw_path"].decode()}
        gone = asyncio.ensure_future(receive())
        while not self.open.is_set():
            if gone.done():
                self.left[key] += 1
                return
            await asyncio.sleep(0.005)
        gone.cancel()
        self.effects[key] = 1
        await self._json(send, {"read": body.decode()}, headers=[(b"vernier-model", b"test/1")])

    async def _quick(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await self._start(send, 200, [(b"content-type", b"text/csv; charset=utf-8"), (b"vary", b"Accept")])
        await send({"type": "http.response.body", "body": b"a,b\n" + body})

    async def _refuse(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:  # noqa: ARG002
        problem = {"type": "about:blank", "title": "No", "status": 422, "detail": "it means nothing"}
        problem |= {"instance": "/refuse", "request_id": "r", "error": "it means nothing"}
        await self._start(send, 422, [(b"content-type", b"application/problem+json")])
        await send({"type": "http.response.body", "body": str(problem).replace("'", '"').encode()})

    async def _busy(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:  # noqa: ARG002
        self.busy -= 1
        if self.busy < 0:
            await self._json(send, {"done": True})
        else:
            await self._json(send, {}, status=503, headers=[(b"retry-after", b"1")])

    async def _break(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await self._start(send, 200, [(b"content-length", b"10")])
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ConnectionAbortedError("as told")


class Laboratory:
    """Redis, the service, a gateway, and as many workers as a test starts."""

    def __init__(self, stack: ExitStack, folder: Path, **env: str) -> None:
        self.workers: list[Process] = []
        self._stack = self._shift = stack
        self._env = env
        self._for_workers: dict[str, str] = {}
        self.service = Service()
        self.service.start()
        stack.callback(self.service.stop)
        self._folder = folder
        self.redis, self.redis_url = self._start_redis()
        self.client = stack.enter_context(httpx.Client(timeout=60))
        self.use(self.start_gateway())

    def _start_redis(self, port: int = 0) -> tuple["subprocess.Popen[bytes]", str]:
        return self._stack.enter_context(running_redis(self._folder, "--appendonly", "yes", port=port))

    @contextmanager
    def redis_away(self, *, written: bool = True) -> Iterator[None]:
        """Killed without a warning, `written` once it has written all so far; started again with that, on its port."""
        if written:
            with Redis.from_url(self.redis_url) as client:
                until(lambda: not cast(Any, client).info("persistence")["aof_buffer_length"], "Redis has written")
        self.redis.kill()
        self.redis.wait()
        yield
        self.redis, _ = self._start_redis(urlsplit(self.redis_url).port or 0)

    def use(self, gateway: Process) -> None:
        self.gateway_process, self.gateway = gateway, gateway.address
        self.client.base_url = httpx.URL(gateway.address)

    def start_gateway(self, **env: str) -> Process:
        upstreams = {"stats": self.service.url}
        settings = {"REDIS_URL": self.redis_url, **self._env, **env}
        return self._stack.enter_context(gateway_before(upstreams, known=True, **settings))

    def start_worker(self, **env: str) -> Process:
        settings = {
            "REDIS_URL": self.redis_url,
            "VERNIER_JOBS_SPEED_URL": "",
            "VERNIER_JOBS_TEXT_URL": "",
            "VERNIER_JOBS_STATS_URL": self.service.url,
            "VERNIER_JOBS_LEASE_S": str(LEASE_S),
            "VERNIER_JOBS_BEAT_S": "0.05",
            "VERNIER_JOBS_CONCURRENCY": "2",
        }
        return self._shift.enter_context(
            running("gateway.jobs", **{**settings, **self._env, **self._for_workers, **env})
        )

    @contextmanager
    def working(self, workers: int, **env: str) -> Iterator[None]:
        """With so many workers in `workers`; afterwards with none."""
        with ExitStack() as self._shift:
            self._for_workers = env
            self.workers = [self.start_worker() for _ in range(workers)]
            yield
            self.service.open.set()
        self._shift, self.workers, self._for_workers = self._stack, [], {}

    def submit(self, path: str, content: bytes | str = b"x", **headers: str) -> str:
        """The id of a job that was accepted."""
        answer = self.client.post(path, content=content, headers={**ASYNC, **headers})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        answer = self.client.get(f"/v1/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def await_status(self, job_id: str, *statuses: str) -> dict[str, Any]:
        until(lambda: self.job(job_id)["status"] in (statuses or FINAL), f"{job_id} is {statuses or 'over'}")
        return self.job(job_id)

    def result(self, job_id: str) -> httpx.Response:
        return self.client.get(f"/v1/jobs/{job_id}/result")


@contextmanager
def laboratory(folder: Path, *, workers: int = 1, **env: str) -> Iterator[Laboratory]:
    with ExitStack() as stack:
        lab = Laboratory(stack, folder, **env)
        lab.workers = [lab.start_worker() for _ in range(workers)]
        yield lab
        lab.service.open.set()


def kill(process: Process) -> None:
    process.popen.send_signal(signal.SIGKILL)
    process.popen.wait()
