import itertools
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from scripts.machine import free_port
from tests.polling import until
from tests.processes import Process, running
from tests.sockets import connect, read_answer


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_with_0(sign: signal.Signals) -> None:
    with (
        running("tests.shared.echo", VERNIER_DRAIN_DELAY_S="30") as echo,
        httpx.Client(timeout=60) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        url = echo.address
        slow = pool.submit(httpx.get, f"{url}/wait", timeout=60)
        while "http_server_active_requests 2.0" not in client.get(f"{url}/metrics").text:
            assert not slow.done()
        echo.popen.send_signal(sign)
        assert echo.await_line("draining")["signal"] == sign.name
        assert client.get(f"{url}/readyz").status_code == 503
        assert client.get(f"{url}/readyz").json()["state"] == "draining"
        assert client.get(f"{url}/livez").status_code == 200
        assert client.post(f"{url}/sum", json={"x": [1]}).status_code == 200
        client.get(f"{url}/open")
        assert slow.result().json() == {"opened": True}
        echo.popen.send_signal(sign)
        assert echo.popen.wait(30) == 0


def test_signals_that_come_once_all_is_done_change_nothing() -> None:
    with running("tests.shared.echo") as echo:
        echo.popen.send_signal(signal.SIGTERM)
        echo.await_line("drained")
        while echo.popen.poll() is None:
            echo.popen.send_signal(signal.SIGTERM)
        assert echo.popen.returncode == 0


def test_without_delay_what_is_in_flight_is_finished() -> None:
    with running("tests.shared.echo") as echo, httpx.Client(timeout=60) as client, ThreadPoolExecutor(1) as pool:
        url = echo.address
        slow = pool.submit(httpx.get, f"{url}/wait", timeout=60)
        while "http_server_active_requests 2.0" not in client.get(f"{url}/metrics").text:
            assert not slow.done()
        with httpx.Client(timeout=60) as other:
            other.get(f"{url}/livez")
            client.get(f"{url}/open")
            echo.popen.send_signal(signal.SIGTERM)
        assert slow.result().json() == {"opened": True}
        assert echo.popen.wait(30) == 0


def test_a_port_in_use_is_said_and_ends_the_start() -> None:
    with running("tests.shared.echo") as echo:
        port = echo.address.rpartition(":")[2]
        second = Process("-m", "tests.shared.echo", env={"VERNIER_ECHO_PORT": port})
        assert second.popen.wait(30) > 0
        second.stop()
        assert [line for line in second.lines if "address already in use" in line["event"]]


def test_a_free_port_is_chosen_and_told() -> None:
    port = free_port()
    with running("tests.shared.echo", VERNIER_ECHO_PORT=str(port)) as echo:
        assert echo.address == f"http://127.0.0.1:{port}"


def raw(path: str, *, method: str = "GET", body: bytes = b"") -> bytes:
    head = [f"{method} {path} HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, "", ""]).encode() + body


@contextmanager
def echo_with(constants: str, **env: str) -> Iterator[Process]:
    """The echo service, run by a server with other constants."""
    start = f"import runpy, shared.server as s; {constants}; runpy.run_module('tests.shared.echo', None, '__main__')"
    echo = Process("-c", start, env={"VERNIER_ECHO_PORT": "0", **env})
    try:
        assert echo.address
        yield echo
    finally:
        echo.stop(signal.SIGKILL)


SUM = raw("/sum", method="POST", body=b'{"x":[1,2]}')


def test_from_the_signal_on_each_answer_ends_its_connection() -> None:
    with running("tests.shared.echo", VERNIER_DRAIN_DELAY_S="30") as echo, ExitStack() as stack:
        known = [stack.enter_context(connect(echo.address)) for _ in range(2)]
        for sock in known:
            sock.sendall(SUM)
            assert b"connection" not in read_answer(sock).lower()
        echo.popen.send_signal(signal.SIGTERM)
        echo.await_line("draining")
        for sock in (*known, stack.enter_context(connect(echo.address))):
            sock.sendall(SUM)
            answer = read_answer(sock)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert answer.lower().count(b"connection: close") == 1
            assert sock.recv(1) == b""


def test_a_request_on_a_connection_just_used_is_answered_even_at_the_very_end() -> None:
    with echo_with("s.LINGER_S = 60") as echo, connect(echo.address) as sock:
        sock.sendall(SUM)
        read_answer(sock)
        echo.popen.send_signal(signal.SIGTERM)
        until(lambda: not accepts(echo.address), "the listener is closed")
        sock.sendall(SUM)
        assert b'{"sum":3.0}' in read_answer(sock)
        assert sock.recv(1) == b""
        assert echo.popen.wait(30) == 0


def metrics(process: Process) -> str:
    return httpx.get(f"{process.address}/metrics").text


def accepts(url: str) -> bool:
    try:
        connect(url).close()
    except OSError:
        return False
    return True


def test_whoever_could_connect_is_answered() -> None:
    """Clients that open one connection after another, up to the very end: no connection is reset."""
    with running("tests.shared.echo") as echo, ThreadPoolExecutor(4) as pool:
        counts = [pool.submit(ask_until_refused, echo.address) for _ in range(4)]
        until(lambda: float(value(metrics(echo), "process_open_fds")) > 0, "it works")
        echo.popen.send_signal(signal.SIGTERM)
        assert echo.popen.wait(30) == 0
        assert min(each.result() for each in counts) > 0


def ask_until_refused(url: str) -> int:
    """How many times it was answered."""
    for count in itertools.count():
        try:
            sock = connect(url)
        except ConnectionRefusedError:
            return count
        with sock:
            sock.sendall(SUM)
            assert b'{"sum":3.0}' in read_answer(sock)
    raise AssertionError


def value(exposition: str, name: str) -> str:
    return next(line for line in exposition.splitlines() if line.startswith(name + " ")).split()[1]


def test_connections_without_a_request_do_not_hold_up_the_end() -> None:
    with running("tests.shared.echo", VERNIER_DRAIN_TIMEOUT_S="300") as echo, ExitStack() as stack:
        stack.enter_context(connect(echo.address))
        stack.enter_context(connect(echo.address)).sendall(SUM[:30])
        used = stack.enter_context(connect(echo.address))
        used.sendall(SUM)
        read_answer(used)
        echo.popen.send_signal(signal.SIGTERM)
        assert echo.popen.wait(30) == 0


def test_a_request_that_outlasts_the_drain_is_cut_off_and_said() -> None:
    with running("tests.shared.echo", VERNIER_DRAIN_TIMEOUT_S="0.2") as echo, connect(echo.address) as sock:
        sock.sendall(SUM[:-3])
        until(lambda: "http_server_active_requests 2.0" in metrics(echo), "it is in flight")
        echo.popen.send_signal(signal.SIGTERM)
        assert echo.await_line("drained")["cut_off"] == 1
        assert echo.popen.wait(30) == 0


def test_a_computation_that_never_ends_cannot_keep_the_process() -> None:
    with (
        echo_with("s.LEAVE_S = s.CUT_S = 0.2", VERNIER_DRAIN_TIMEOUT_S="0.2") as echo,
        connect(echo.address) as sock,
    ):
        sock.sendall(raw("/wait"))
        until(lambda: "http_server_active_requests 2.0" in metrics(echo), "it is in flight")
        echo.popen.send_signal(signal.SIGTERM)
        assert "compute_0" in echo.await_line("left while something still ran")["threads"]
        assert echo.popen.wait(30) == 1


def test_a_thread_that_asks_a_dead_name_server_does_not_hold_up_the_end() -> None:
    lookup = "import threading; asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)"
    start = f"import asyncio; up = s.Server.startup\nasync def startup(*a, **k): await up(*a, **k); {lookup}\n"
    with echo_with(start + "s.Server.startup = startup") as echo:
        echo.popen.send_signal(signal.SIGTERM)
        assert "uvloop_0" in echo.await_line("left idle threads behind")["threads"]
        assert echo.popen.wait(30) == 0
