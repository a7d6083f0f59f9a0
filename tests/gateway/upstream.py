"""A service to stand behind the gateway in tests: a real server on a real socket, told how to behave."""
# ruff: noqa: ARG002, ASYNC110

import asyncio
import hashlib
import socket
import threading
from collections import Counter
from typing import Any

import orjson
import uvicorn

from shared.asgi import Message, Receive, Scope, Send
from tests.polling import PATIENCE_S, until


def operation(*, cacheable: bool = False, headers: tuple[str, ...] = ()) -> dict[str, Any]:
    described: dict[str, Any] = {"responses": {"200": {"description": "Fine"}}}
    if cacheable:
        described["x-vernier-cacheable"] = True
    if headers:
        described["parameters"] = [{"name": name, "in": "header", "schema": {"type": "string"}} for name in headers]
    return described


EITHER = {"200": {"description": "Fine", "content": {"application/json": {}, "text/csv": {}}}}

EFFECT = {
    "name": "do",
    "in": "query",
    "schema": {"anyOf": [{"type": "string", "x-vernier-effect": True}, {"type": "null"}]},
}

PATHS: dict[str, Any] = {
    "/echo": {method: operation() for method in ("get", "post", "put", "delete")},
    "/pure": {"post": operation(cacheable=True, headers=("X-Unit",)), "get": operation(cacheable=True)},
    "/slow": {"post": operation(cacheable=True)},
    "/hang": {"post": operation()},
    "/serial": {"post": operation()},
    "/status/{code}": {"post": operation(cacheable=True)},
    "/die": {"post": operation(), "get": operation(cacheable=True)},
    "/large": {"post": operation(cacheable=True)},
    "/stream": {"get": operation()},
    "/events": {"get": operation()},
    "/openai": {"post": {**operation(cacheable=True), "x-vernier-errors": "openai"}},
    "/effect": {"post": {**operation(cacheable=True), "parameters": [EFFECT]}},
    "/private": {"post": operation(cacheable=True)},
    "/either": {"post": {**operation(cacheable=True), "responses": EITHER}},
    "/problem": {"post": operation(cacheable=True)},
    "/models/{model}/infer": {"post": operation()},
}


class Upstream:
    """`asked` counts requests by path; `open` lets `/slow` answer; `left` counts clients that hung up."""

    def __init__(self, *, identity: str = "one", models: dict[str, str] | None = None) -> None:
        self.identity = identity
        self.models = models or {}
        self.ready = True
        self.paths = PATHS
        self.asked: Counter[str] = Counter()
        self.left: Counter[str] = Counter()
        self.open = threading.Event()
        self.open.set()
        self.port = 0
        self._one_at_a_time = asyncio.Lock()
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "Upstream":
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", self.port))
        self.port = sock.getsockname()[1]
        config = uvicorn.Config(
            self.answer,
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,
            ws="none",
            proxy_headers=False,
            timeout_graceful_shutdown=0,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([sock],), daemon=True)
        self._thread.start()
        until(lambda: self._server is not None and self._server.started, "the upstream started")
        return self

    def stop(self) -> None:
        assert self._server is not None
        assert self._thread is not None
        self.open.set()
        self._server.should_exit = True
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        body = await _read(receive)
        if body is None:
            self.left[path] += 1
            return
        if path == "/readyz":
            report = {"ready": self.ready, "version": "1", "identity": self.identity, "models": self.models}
            await self._json(send, report, status=200 if self.ready else 503)
        elif path == "/openapi.json":
            await self._json(send, {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": self.paths})
        else:
            self.asked[path] += 1
            await getattr(self, "_" + path.split("/")[1], self._echo)(scope, body, receive, send)

    async def _echo(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        seen = {
            "method": scope["method"],
            "path": scope["path"],
            "raw_path": scope["raw_path"].decode(),
            "query": scope["query_string"].decode(),
            "headers": [[name.decode(), value.decode()] for name, value in scope["headers"]],
            "bytes": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
        }
        await self._json(send, seen, headers=[(b"X-Kept", b"yes"), (b"Connection", b"x-dropped"), (b"x-dropped", b"1")])

    async def _pure(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        await self._json(send, {"identity": self.identity, "sha256": hashlib.sha256(body).hexdigest()})

    async def _slow(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(receive())
        while not self.open.is_set():
            await asyncio.sleep(0.005)
            if gone.done():
                self.left[scope["path"]] += 1
                return
        gone.cancel()
        await self._json(send, {"identity": self.identity})

    async def _serial(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """One after the other, so many milliseconds each."""
        async with self._one_at_a_time:
            await asyncio.sleep(int(scope["query_string"]) / 1e3)
        await self._json(send, {})

    async def _hang(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "http.disconnect"
        self.left[scope["path"]] += 1

    async def _status(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        while not self.open.is_set():
            await asyncio.sleep(0.005)
        extra = [(b"retry-after", scope["query_string"])] if scope["query_string"] else []
        await self._json(send, {"body": body.decode()}, status=int(scope["path"].split("/")[2]), headers=extra)

    async def _die(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        size = int(scope["query_string"] or b"10")
        await self._start(send, 200, [(b"content-length", b"%d" % (size * 2))])
        await send({"type": "http.response.body", "body": b"x" * size, "more_body": True})
        await asyncio.sleep(0.05)
        raise ConnectionAbortedError("as told")

    async def _large(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        size = int(scope["query_string"])
        chunk = bytes(range(256)) * 256
        await self._start(send, 200, [])
        for _ in range(size // len(chunk)):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": chunk[: size % len(chunk)]})

    _stream = _large
    _effect = _pure

    async def _events(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        await self._start(send, 200, [(b"content-type", b"text/event-stream")])
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        while not self.open.is_set():
            await asyncio.sleep(0.005)
        await send({"type": "http.response.body", "body": b"data: 2\n\n"})

    async def _either(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        await self._json(send, {})

    async def _problem(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        while not self.open.is_set():
            await asyncio.sleep(0.005)
        request_id = dict(scope["headers"])[b"x-request-id"].decode()
        content = orjson.dumps({"detail": "as told", "request_id": request_id})
        fields = [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(content))]
        await self._start(send, 422, fields)
        await send({"type": "http.response.body", "body": content})

    async def _private(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        await self._json(send, {}, headers=[(b"cache-control", b"private")])

    async def _json(
        self, send: Send, content: Any, *, status: int = 200, headers: list[tuple[bytes, bytes]] | None = None
    ) -> None:
        body = orjson.dumps(content)
        extra = [(b"Content-Type", b"application/json"), (b"content-length", b"%d" % len(body)), *(headers or [])]
        await self._start(send, status, extra)
        await send({"type": "http.response.body", "body": body})

    async def _start(self, send: Send, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        identity = (b"vernier-identity", self.identity.encode())
        await send({"type": "http.response.start", "status": status, "headers": [identity, *headers]})


async def _read(receive: Receive) -> bytes | None:
    body = b""
    while True:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += bytes(message.get("body", b""))
        if not message.get("more_body", False):
            return body
