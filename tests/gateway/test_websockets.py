"""WebSockets through the gateway: a stock client, a real service behind it."""

import base64
import json
import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from scripts.machine import free_port
from tests.gateway.conftest import gateway_before
from tests.gateway.recorder import Recorder
from tests.polling import until
from tests.processes import Process, running
from tests.sockets import exchange

PATIENCE_S = 30.0
SMALL = "200000"


@pytest.fixture(scope="module")
def service() -> Iterator[Process]:
    with running("tests.gateway.chatter") as process:
        yield process


@pytest.fixture(scope="module")
def address(service: Process) -> Iterator[str]:
    with gateway_before(
        {"stats": service.address},
        VERNIER_GATEWAY_MAX_MESSAGE_BYTES=SMALL,
        VERNIER_GATEWAY_WEBSOCKETS="5",
    ) as process:
        yield process.address
    assert [line for line in process.lines if line.get("level") == "error"] == []


def ws(address: str, path: str, **options: Any) -> ClientConnection:
    """To be used in a `with`."""
    options = {"compression": None, "proxy": None, "open_timeout": PATIENCE_S, "close_timeout": PATIENCE_S, **options}
    socket: ClientConnection = connect("ws" + address.removeprefix("http") + path, **options)
    return socket


def held(address: str, path: str) -> ClientConnection:
    """To be closed, or not, by the test."""
    return ws(address, path, legacy=True)


def ended(address: str) -> list[list[Any]]:
    found: list[list[Any]] = httpx.get(f"{address}/state", timeout=PATIENCE_S).json()["ended"]
    return found


def refusal(address: str, path: str, **options: Any) -> httpx.Response:
    with pytest.raises(InvalidStatus) as caught:
        ws(address, path, **options)
    answer = caught.value.response
    return httpx.Response(answer.status_code, headers=list(answer.headers.raw_items()), content=bytes(answer.body))


def test_messages_of_both_kinds_and_any_size_come_back(address: str) -> None:
    with ws(address, "/echo") as socket:
        for message in ("", "ä€😀", b"", b"\x00\xff", "x" * 70_000, os.urandom(190_000)):
            socket.send(message)
            assert socket.recv(PATIENCE_S) == message


def test_fragments_arrive_as_one_message(address: str) -> None:
    with ws(address, "/echo") as socket:
        socket.send(["one ", "message ", "in four ", "frames"])
        assert socket.recv(PATIENCE_S) == "one message in four frames"


def test_many_messages_keep_their_order(address: str) -> None:
    with ws(address, "/echo") as socket:
        for start in range(0, 500, 20):
            for number in range(start, start + 20):
                socket.send(str(number))
            assert [socket.recv(PATIENCE_S) for _ in range(20)] == [str(n) for n in range(start, start + 20)]


def test_id_trace_origin_and_query_go_along(address: str) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"X-Request-ID": "abc", "traceparent": trace, "Authorization": "Bearer secret", "X-Kept": "yes"}
    with ws(address, "/echo?a=1&b=%20", additional_headers=headers, origin="https://page.example") as socket:
        assert socket.response is not None
        assert socket.response.headers["x-request-id"] == "abc"
        socket.send("about")
        seen = json.loads(socket.recv(PATIENCE_S))
    assert (seen["path"], seen["query"]) == ("/echo", "a=1&b=%20")
    assert seen["request_id"] == "abc"
    assert seen["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert seen["headers"]["origin"] == "https://page.example"
    assert seen["headers"]["x-kept"] == "yes"
    assert seen["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert not {"authorization", "x-request-timeout-ms"} & seen["headers"].keys()


def test_the_service_chooses_the_subprotocol(address: str) -> None:
    with ws(address, "/echo", subprotocols=["one", "two"]) as socket:
        assert socket.subprotocol == "two"
    with ws(address, "/echo") as socket:
        assert socket.subprotocol is None


def test_paths_with_parameters(address: str) -> None:
    with ws(address, "/rooms/a%20b") as socket:
        assert socket.recv(PATIENCE_S) == "a b"


@pytest.mark.parametrize(("code", "reason"), [(1000, "done"), (1001, ""), (1012, "ä€"), (3000, "x"), (4999, "y" * 123)])
def test_the_services_close_code_and_reason_arrive(address: str, code: int, reason: str) -> None:
    with ws(address, "/echo") as socket:
        socket.send(f"close {code} {reason}")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(PATIENCE_S)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (code, reason)


@pytest.mark.parametrize(("code", "reason"), [(1000, "enough"), (1001, ""), (4242, "ä€")])
def test_the_clients_close_code_and_reason_arrive(address: str, service: Process, code: int, reason: str) -> None:
    with ws(address, "/echo") as socket:
        socket.send("x")
        socket.recv(PATIENCE_S)
        before = len(ended(service.address))
        socket.close(code, reason)
    until(lambda: len(ended(service.address)) > before, "the service heard of it")
    assert ended(service.address)[-1] == [code, reason]


def test_a_client_that_vanishes_is_gone_for_the_service_too(address: str, service: Process) -> None:
    before = len(ended(service.address))
    socket = held(address, "/echo")
    socket.send("x")
    socket.recv(PATIENCE_S)
    socket.socket.close()
    until(lambda: len(ended(service.address)) > before, "the service heard of it")
    assert ended(service.address)[-1][0] == 1001


def test_pings_are_answered_here(address: str) -> None:
    with ws(address, "/echo") as socket:
        assert socket.ping().wait(PATIENCE_S)


def test_a_message_too_large_is_1009(address: str, service: Process) -> None:
    before = len(ended(service.address))
    with ws(address, "/echo") as socket:
        socket.send(b"x" * (int(SMALL) + 1))
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(PATIENCE_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009
    until(lambda: len(ended(service.address)) > before, "the service heard of it")


def test_a_message_of_the_service_too_large_ends_it(address: str) -> None:
    with ws(address, "/flood") as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv(PATIENCE_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1011


def test_text_that_is_not_utf8_is_1007(address: str) -> None:
    with ws(address, "/echo") as socket:
        socket.send(b"\xff\xfe", text=True)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(PATIENCE_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1007


def test_a_bug_in_the_service_is_1011(address: str) -> None:
    with ws(address, "/echo") as socket:
        socket.send("fault")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(PATIENCE_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1011
    assert "logged" in closed.value.rcvd.reason


@pytest.mark.parametrize("path", ["/nowhere", "/rooms/a/b", "/state", "/readyz", "/docs"])
def test_an_unknown_path_is_a_404_problem(address: str, path: str) -> None:
    answer = refusal(address, path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == answer.json()["request_id"]


def test_a_plain_request_for_a_websocket_is_426(address: str) -> None:
    answer = httpx.get(f"{address}/echo")
    assert answer.status_code == 426
    assert answer.headers["upgrade"] == "websocket"
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_document_lists_them(address: str) -> None:
    document = httpx.get(f"{address}/openapi.json").json()
    assert set(document["x-vernier-websockets"]) == {"/echo", "/rooms/{room}", "/closed", "/flood", "/deaf"}


def test_the_services_refusal_is_passed_on(address: str) -> None:
    answer = refusal(address, "/closed", additional_headers={"X-Request-ID": "abc"})
    assert answer.status_code == 422
    assert answer.json()["detail"] == "nobody may talk here"
    assert answer.json()["request_id"] == "abc"


def test_an_ambiguous_path_is_400_here_too(address: str) -> None:
    assert refusal(address, "/rooms/%2e%2e").status_code == 400


def test_more_than_may_be_open_are_503(address: str) -> None:
    sockets = [held(address, "/echo") for _ in range(5)]
    answer = refusal(address, "/echo")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    for socket in sockets:
        socket.close()
    until(lambda: opens(address), "there is room again")


def opens(address: str) -> bool:
    try:
        held(address, "/echo").close()
    except InvalidStatus:
        return False
    return True


HANDSHAKE = {
    "Host": "x",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
}


def shaken(address: str, line: str = "GET /echo HTTP/1.1", **changes: str | None) -> bytes:
    fields = {**HANDSHAKE, **{name.replace("_", "-"): value for name, value in changes.items()}}
    lines = [line, *(f"{name}: {value}" for name, value in fields.items() if value is not None), "", ""]
    return exchange(address, "\r\n".join(lines).encode()).partition(b"\r\n")[0]


def test_handshakes_that_are_none(address: str) -> None:
    assert b" 426 " in shaken(address, Sec_WebSocket_Version="12")
    assert b" 400 " in shaken(address, Sec_WebSocket_Version=None)
    assert b" 400 " in shaken(address, Sec_WebSocket_Key="short")
    assert b" 400 " in shaken(address, Sec_WebSocket_Key=None)
    assert b" 400 " in shaken(address, Host=None)
    assert b" 400 " in shaken(address, Content_Length="5")
    assert b" 40" in shaken(address, "POST /echo HTTP/1.1", Content_Length="0")


def test_metrics_of_a_closed_set(address: str) -> None:
    with ws(address, "/echo") as socket:
        socket.send("x")
        socket.recv(PATIENCE_S)
        until(lambda: 'websocket_open{route="/echo"} 1.0' in httpx.get(f"{address}/metrics").text, "it is counted")
        socket.send("close 4711 x")
        with pytest.raises(ConnectionClosed):
            socket.recv(PATIENCE_S)
    until(lambda: 'websocket_open{route="/echo"} 0.0' in httpx.get(f"{address}/metrics").text, "it is counted out")
    for number in range(20):
        assert refusal(address, f"/unknown{number}").status_code == 404
    metrics = httpx.get(f"{address}/metrics").text
    assert 'websocket_ended_total{code="other",route="/echo"}' in metrics
    assert 'websocket_messages_total{direction="in",route="/echo"}' in metrics
    assert "4711" not in metrics
    assert "unknown" not in metrics


def test_a_slow_reader_stops_the_sender(service: Process) -> None:
    def sent() -> int:
        return int(httpx.get(f"{service.address}/state", timeout=PATIENCE_S).json()["sent"])

    with gateway_before({"stats": service.address}) as process:
        before = sent()
        with ws(process.address, "/flood", max_size=None, max_queue=1, close_timeout=0.1) as socket:
            assert len(socket.recv(PATIENCE_S)) == 1 << 20
            stalled = stall(sent)
            assert stalled - before < 40, "nothing held the sender back"
            for _ in range(60):
                socket.recv(PATIENCE_S)
            assert sent() > stalled


def stall(count: Any) -> int:
    """The count, once it has stood still for a while."""
    seen, same = count(), 0
    while same < 20:
        now = count()
        seen, same = now, same + 1 if now == seen else 0
    return int(seen)


def test_a_deaf_service_stops_the_client_and_is_given_up(service: Process) -> None:
    sent: list[int] = []
    with (
        gateway_before({"stats": service.address}, VERNIER_GATEWAY_WEBSOCKET_IDLE_S="2") as process,
        ws(process.address, "/deaf", close_timeout=0.1) as socket,
    ):
        with pytest.raises(ConnectionClosed):
            send(socket, 200, sent)
        assert len(sent) < 40, "nothing held the client back"
    httpx.get(f"{service.address}/hear", timeout=PATIENCE_S)


def send(socket: ClientConnection, megabytes: int, sent: list[int]) -> None:
    piece = bytes(1 << 20)
    for number in range(megabytes):
        socket.send(piece)
        sent.append(number)


def test_silence_ends_it_with_1001(service: Process) -> None:
    with (
        gateway_before({"stats": service.address}, VERNIER_GATEWAY_WEBSOCKET_IDLE_S="0.2") as process,
        ws(process.address, "/echo") as socket,
        pytest.raises(ConnectionClosed) as closed,
    ):
        socket.recv(PATIENCE_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001
    assert "0.2 s" in closed.value.rcvd.reason


def test_a_service_that_is_away_is_502_then_left_alone() -> None:
    with (
        running("tests.gateway.chatter") as own,
        gateway_before(
            {"stats": own.address},
            VERNIER_GATEWAY_POLL_INTERVAL_S="3600",
            VERNIER_GATEWAY_BREAKER_FAILURES="2",
            VERNIER_GATEWAY_BREAKER_PAUSE_S="3600",
        ) as process,
    ):
        open_before = held(process.address, "/echo")
        own.popen.kill()
        own.popen.wait()
        with pytest.raises(ConnectionClosed) as closed:
            open_before.recv(PATIENCE_S)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1014
        assert [refusal(process.address, "/echo").status_code for _ in range(3)] == [502, 502, 503]


def test_a_service_that_never_answers_the_handshake_is_502() -> None:
    recorder = Recorder(answer=b"", documents={"x-vernier-websockets": ["/silent"]}).start()
    with gateway_before({"stats": recorder.url}, VERNIER_GATEWAY_WEBSOCKET_OPEN_S="0.3") as process:
        assert refusal(process.address, "/silent").status_code == 502
        recorder.answer = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
        assert refusal(process.address, "/silent").status_code == 302
        recorder.answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
        assert refusal(process.address, "/silent").status_code == 502
    recorder.stop()


def test_a_path_is_503_while_a_service_may_offer_it(service: Process) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    with gateway_before({"stats": service.address, "text": nobody}, known=False) as process:
        until(lambda: opens(process.address), "the known service answers")
        assert refusal(process.address, "/nowhere").status_code == 503


@pytest.mark.parametrize("whose", ["gateway", "service"])
def test_a_process_that_drains_says_so(whose: str) -> None:
    with running("tests.gateway.chatter") as own, gateway_before({"stats": own.address}) as process:
        socket = held(process.address, "/echo")
        socket.send("x")
        socket.recv(PATIENCE_S)
        assert (process if whose == "gateway" else own).stop() == 0
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(PATIENCE_S)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
