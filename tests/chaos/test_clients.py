"""Clients that behave badly on their own connections: nobody else notices, and nothing of them stays.

| what a client does                               | what it may see                                | its neighbours |
|--------------------------------------------------|------------------------------------------------|----------------|
| reads a large answer late, or slowly             | the whole answer                               | 200            |
| never reads                                      | an end of its connection                       | 200            |
| opens connections and says nothing               | their end, after the time a client is given    | 200            |
| leaves at any point of a request or an answer    | -                                              | 200            |
| closes its side after the request                | the whole answer, or none and a clean end      | 200            |
"""

import hashlib
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import httpx
import pytest

from tests.chaos.stack import Member
from tests.gateway.upstream import Upstream
from tests.polling import until
from tests.sockets import connect, read_answer

KEPT_BYTES = 6_000_000
STREAMED_BYTES = 24_000_000
READERS = 40
SILENT = 1000
PURE = b"POST /pure HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n" + b"x" * 100


class Front:
    """A gateway before one service."""

    def __init__(self, stack: ExitStack, **env: str) -> None:
        self.upstream = Upstream().start()
        stack.callback(self.upstream.stop)
        urls = {f"VERNIER_GATEWAY_{name}_URL": "" for name in ("SPEED", "TEXT")}
        self.gateway = Member("gateway", VERNIER_GATEWAY_STATS_URL=self.upstream.url, **urls, **env)
        stack.callback(self.gateway.stop)
        self.gateway.start()
        until(lambda: httpx.get(f"{self.gateway.url}/readyz").status_code == 200, "the gateway is ready")

    def assert_serves(self) -> None:
        number = random.randbytes(8)
        answer = httpx.post(f"{self.gateway.url}/pure", content=number, timeout=60)
        assert answer.status_code == 200
        assert answer.json() == {"identity": "one", "sha256": hashlib.sha256(number).hexdigest()}


@pytest.fixture(scope="module")
def front() -> Iterator[Front]:
    with ExitStack() as stack:
        yield Front(stack, VERNIER_SLOW_CLIENT_S="60")


@pytest.fixture(scope="module")
def impatient() -> Iterator[Front]:
    with ExitStack() as stack:
        yield Front(stack, VERNIER_SLOW_CLIENT_S="1")


def reluctant(url: str) -> socket.socket:
    """A connection that takes in little until it is read."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(60)
    sock.connect(("127.0.0.1", int(url.rpartition(":")[2])))
    return sock


def expected(size: int) -> str:
    chunk = bytes(range(256)) * 256
    return hashlib.sha256(chunk * (size // len(chunk)) + chunk[: size % len(chunk)]).hexdigest()


@pytest.mark.parametrize(("method", "path", "size"), [("POST", "large", KEPT_BYTES), ("GET", "stream", STREAMED_BYTES)])
def test_late_readers_of_large_answers(front: Front, method: str, path: str, size: int) -> None:
    request = f"{method} /{path}?{size} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
    with connect(front.gateway.url) as sock:
        sock.sendall(request)
        assert digest(sock) == expected(size)
    before = front.gateway.rss_bytes()
    with ExitStack() as stack:
        readers = [stack.enter_context(reluctant(front.gateway.url)) for _ in range(READERS)]
        for sock in readers:
            sock.sendall(request)
        until(lambda: all(sock.recv(1, socket.MSG_PEEK) for sock in readers), "every answer has begun")
        front.assert_serves()
        assert front.gateway.rss_bytes() - before < READERS * size / 4
        for sock in readers[:4]:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            assert digest(sock) == expected(size)
    front.assert_serves()


def digest(sock: socket.socket) -> str:
    """Of the body of an answer that ends with its connection, chunked or not."""
    with sock.makefile("rb") as file:
        head = file.readline()
        assert head.startswith(b"HTTP/1.1 200 ")
        length = None
        while line := file.readline().strip().lower():
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        state = hashlib.sha256()
        if length is not None:
            state.update(file.read(length))
            return state.hexdigest()
        while count := int(file.readline(), 16):
            state.update(file.read(count))
            file.readline()
        return state.hexdigest()


def test_silent_connections_and_such_that_never_read(impatient: Front) -> None:
    url = impatient.gateway.url
    impatient.assert_serves()
    before = impatient.gateway.descriptors()
    with ExitStack() as stack:
        silent = [stack.enter_context(connect(url)) for _ in range(SILENT)]
        deaf = [stack.enter_context(reluctant(url)) for _ in range(10)]
        for sock in deaf:
            sock.sendall(b"GET /stream?%d HTTP/1.1\r\nHost: x\r\n\r\n" % STREAMED_BYTES)
        until(lambda: impatient.gateway.descriptors() >= before + SILENT, "all are there")
        impatient.assert_serves()
        until(lambda: impatient.gateway.descriptors() < before + 10, "none is there any more")
        assert {sock.recv(1) for sock in silent} == {b""}
    impatient.assert_serves()


def test_clients_that_leave_at_any_point(front: Front) -> None:
    url = front.gateway.url
    large = b"POST /large?%d HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" % KEPT_BYTES
    front.assert_serves()
    before = front.gateway.descriptors()
    threads = [threading.Thread(target=leave, args=(url, seed, [PURE, large])) for seed in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        front.assert_serves()
    for thread in threads:
        thread.join()
    until(lambda: front.gateway.descriptors() < before + 10, "their connections are gone")
    metrics = f"{url}/metrics"
    until(lambda: "http_server_active_requests 1.0" in httpx.get(metrics).text, "nothing is done for them any more")


def leave(url: str, seed: int, requests: list[bytes]) -> None:
    draw = random.Random(seed)
    for _ in range(150):
        request = draw.choice(requests)
        with connect(url) as sock:
            sock.sendall(request[: draw.randint(0, len(request))])
            if draw.random() < 0.3:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, not an end
            elif draw.random() < 0.5:
                sock.settimeout(0.001)
                with suppress(TimeoutError):
                    sock.recv(draw.randint(1, 1 << 20))


def test_a_client_that_closes_its_side_after_the_request(front: Front) -> None:
    for _ in range(30):
        with connect(front.gateway.url) as sock:
            sock.sendall(PURE)
            sock.shutdown(socket.SHUT_WR)
            answer = read_answer(sock)
            assert answer == b"" or hashlib.sha256(b"x" * 100).hexdigest().encode() in answer
    front.assert_serves()
