"""A service that keeps the very bytes that arrive at it, and answers with the very bytes that it is told to."""

import contextlib
import socket
import threading
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.gateway.upstream import operation
from tests.polling import PATIENCE_S

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Vernier: 1\r\n\r\nok"
PATHS: dict[str, Any] = {
    "/echo": {method: operation() for method in ("get", "post", "put", "delete", "options", "head")},
    "/pure": {"get": operation(cacheable=True), "post": operation(cacheable=True)},
    "/models/{model}/infer": {"post": operation(), "get": operation()},
    "/smuggled": {"get": operation(), "post": operation()},
}


@dataclass
class Recorded:
    """One request as it arrived: `raw` is all of it, `body` what its framing says."""

    raw: bytes
    body: bytes

    @property
    def line(self) -> bytes:
        return self.raw.partition(b"\r\n")[0]

    @property
    def target(self) -> bytes:
        return self.line.split(b" ")[1]

    def values(self, name: bytes) -> list[bytes]:
        head = self.raw.partition(b"\r\n\r\n")[0]
        pairs = (line.partition(b":") for line in head.split(b"\r\n")[1:])
        return [value.strip() for key, _, value in pairs if key.lower() == name.lower()]


@dataclass
class Recorder:
    """`answer` is sent for every request but the gateway's own looks; `close` ends the connection after it.
    `identity` is what `/readyz` reports, `documents` stands in the OpenAPI document too."""

    answer: bytes = OK
    close: bool = False
    identity: str = "one"
    documents: dict[str, Any] = field(default_factory=dict)
    requests: list[Recorded] = field(default_factory=list)

    def start(self) -> "Recorder":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(PATIENCE_S)
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._open.add(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        data = b""
        with contextlib.suppress(OSError), sock:
            while True:
                head, data = _until(sock, data, b"\r\n\r\n")
                body, raw_body, data = _framed(sock, head, data)
                if not self._respond(sock, Recorded(head + raw_body, body)):
                    break
        self._open.discard(sock)

    def _respond(self, sock: socket.socket, request: Recorded) -> bool:
        """Whether the connection goes on."""
        own = {b"/readyz": self._report(), b"/openapi.json": _json({"paths": PATHS, **self.documents})}
        if request.target in own:
            sock.sendall(own[request.target])
            return True
        self.requests.append(request)
        sock.sendall(self.answer)
        return not self.close

    def _report(self) -> bytes:
        return _json({"ready": True, "version": "1", "identity": self.identity})


def _json(content: Any) -> bytes:
    body = orjson.dumps(content)
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def _until(sock: socket.socket, data: bytes, end: bytes) -> tuple[bytes, bytes]:
    while end not in data:
        more = sock.recv(65536)
        if not more:
            raise ConnectionError
        data += more
    head, end, rest = data.partition(end)
    return head + end, rest


def _framed(sock: socket.socket, head: bytes, data: bytes) -> tuple[bytes, bytes, bytes]:
    """Body, its bytes on the wire, and what follows."""
    recorded = Recorded(head, b"")
    if recorded.values(b"transfer-encoding"):
        body = raw = b""
        while True:
            line, data = _until(sock, data, b"\r\n")
            size = int(line, 16)
            while len(data) < size + 2:
                data += sock.recv(65536)
            raw += line + data[: size + 2]
            body += data[:size]
            data = data[size + 2 :]
            if not size:
                return body, raw, data
    length = int((recorded.values(b"content-length") or [b"0"])[0])
    while len(data) < length:
        more = sock.recv(65536)
        if not more:
            raise ConnectionError
        data += more
    return data[:length], data[:length], data[length:]
