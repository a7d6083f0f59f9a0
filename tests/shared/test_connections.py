"""Clients that keep the process waiting, on raw sockets: they are cut off, those beside them are served."""

import socket
import threading
from collections.abc import Iterator

import httpx
import orjson
import pytest

from tests.polling import until
from tests.processes import Process, running
from tests.sockets import connect, read_answer

HEAD = b"POST /sum HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "


@pytest.fixture(scope="module")
def echo() -> Iterator[Process]:
    """Gives its clients one second."""
    with running("tests.shared.echo", VERNIER_SLOW_CLIENT_S="1") as process:
        yield process


def assert_serves(echo: Process) -> None:
    assert httpx.post(f"{echo.address}/sum", json={"x": [1, 2]}, timeout=60).json() == {"sum": 3.0}


def problem(answer: bytes) -> dict[str, object]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    content: dict[str, object] = orjson.loads(body)
    assert str(content["status"]).encode() in head.split(b"\r\n")[0]
    return content


@pytest.mark.parametrize("first", [b"", HEAD + b"11\r\n\r\n" + b'{"x":[1,2]}'])
def test_a_head_that_comes_byte_by_byte(echo: Process, first: bytes) -> None:
    with connect(echo.address) as sock:
        if first:
            sock.sendall(first)
            assert b'{"sum":3.0}' in read_answer(sock)
        trickle = threading.Thread(target=_send_slowly, args=(sock, HEAD * 99))
        trickle.start()
        assert problem(read_answer(sock))["status"] == 408
        assert_serves(echo)
        trickle.join()


def _send_slowly(sock: socket.socket, data: bytes) -> None:
    try:
        for each in data:
            sock.sendall(bytes([each]))
            threading.Event().wait(0.02)
    except OSError:
        pass


@pytest.mark.parametrize("piece", [b"", b"1"])
def test_a_body_that_comes_slowly_or_stands_still(echo: Process, piece: bytes) -> None:
    with connect(echo.address) as sock:
        sock.sendall(HEAD + b'999\r\n\r\n{"x":[')
        trickle = threading.Thread(target=_send_slowly, args=(sock, piece * 500))
        trickle.start()
        answer = problem(read_answer(sock))
        assert answer["status"] == 408
        assert answer["instance"] == "/sum"
        assert len(str(answer["request_id"])) == 32
        trickle.join()
    assert_serves(echo)
    until(lambda: "http_server_active_requests 1.0" in httpx.get(f"{echo.address}/metrics").text, "nobody waits")


def test_a_large_body_at_a_fair_rate_is_taken(echo: Process) -> None:
    body = b'{"x":[1' + b" " * 20_000 + b",2]}"
    with connect(echo.address) as sock:
        sock.sendall(HEAD + b"%d\r\n\r\n" % len(body))
        for start in range(0, len(body), 400):
            sock.sendall(body[start : start + 400])
            threading.Event().wait(0.04)
        assert b'{"sum":3.0}' in read_answer(sock)


def test_a_connection_that_never_asks(echo: Process) -> None:
    with connect(echo.address) as sock:
        assert sock.recv(1) == b""


def test_an_answer_that_nobody_reads(echo: Process) -> None:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(30)
        port = int(echo.address.rpartition(":")[2])
        sock.connect(("127.0.0.1", port))
        for _ in range(50):  # 50 times 1.4 MB are more than the kernel's buffers hold
            sock.sendall(b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n")
        echo.await_line("slow client given up")
        assert_serves(echo)


def test_a_client_that_takes_its_time_between_requests_is_no_slow_client(echo: Process) -> None:
    request = HEAD + b"11\r\n\r\n" + b'{"x":[1,2]}'
    with connect(echo.address) as sock:
        for _ in range(2):
            sock.sendall(request)
            assert b'{"sum":3.0}' in read_answer(sock)
            threading.Event().wait(1.5)


def test_a_half_closed_connection_counts_as_a_hang_up(echo: Process) -> None:
    """The whole answer or none: a client that has closed its side cannot be told from one that is gone."""
    for _ in range(20):
        with connect(echo.address) as sock:
            sock.sendall(HEAD + b"11\r\n\r\n" + b'{"x":[1,2]}')
            sock.shutdown(socket.SHUT_WR)
            answer = read_answer(sock)
            assert answer == b"" or answer.endswith(b'{"sum":3.0}')
    assert_serves(echo)
