"""What crosses the gateway, each way."""

import contextlib
import hashlib
import os
import time

import httpx
import pytest

from tests.gateway.upstream import Upstream
from tests.polling import until
from tests.sockets import connect, exchange, read_answer


def echoed(answer: httpx.Response) -> dict[str, list[str]]:
    seen: dict[str, list[str]] = {}
    for name, value in answer.json()["headers"]:
        seen.setdefault(name, []).append(value)
    return seen


def test_path_query_and_body_arrive_as_they_were_sent(gateway: str) -> None:
    answer = httpx.put(f"{gateway}/echo?b=2&a=%20x&a=", content=b"\x00\xff")
    seen = answer.json()
    assert (seen["method"], seen["path"], seen["query"]) == ("PUT", "/echo", "b=2&a=%20x&a=")
    assert seen["sha256"] == hashlib.sha256(b"\x00\xff").hexdigest()


@pytest.mark.parametrize("size", [0, 1, 70_000, 2_500_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_of_any_size_and_framing_arrive_whole(gateway: str, size: int, chunked: bool) -> None:
    body = os.urandom(size)
    pieces = (body[start : start + 60_000] for start in range(0, size, 60_000))
    answer = httpx.post(f"{gateway}/echo", content=pieces if chunked else body)
    assert answer.json()["bytes"] == size
    assert answer.json()["sha256"] == hashlib.sha256(body).hexdigest()


def test_hop_by_hop_fields_stay_and_keys_end_here(gateway: str) -> None:
    sent = {
        "Connection": "close, X-Hop",
        "X-Hop": "1",
        "TE": "trailers",
        "X-End": "2",
        "Authorization": "Bearer secret",
        "X-API-Key": "secret",
        "X-Forwarded-For": "192.0.2.7",
        "Host": "vernier.example",
    }
    answer = httpx.get(f"{gateway}/echo", headers=sent)
    seen = echoed(answer)
    assert seen["x-end"] == ["2"]
    assert not {"x-hop", "te", "authorization", "x-api-key"} & seen.keys()
    assert seen["x-forwarded-for"] == ["192.0.2.7, 127.0.0.1"]
    assert seen["x-forwarded-host"] == ["vernier.example"]
    assert seen["host"] != ["vernier.example"]
    assert answer.headers["x-kept"] == "yes"
    assert "x-dropped" not in answer.headers


def test_id_trace_and_what_is_left_of_the_deadline_go_along(gateway: str) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    sent = {"X-Request-ID": "abc", "traceparent": trace, "X-Request-Timeout-Ms": "5000"}
    answer = httpx.get(f"{gateway}/echo", headers=sent)
    seen = echoed(answer)
    assert seen["x-request-id"] == ["abc"]
    assert answer.headers.get_list("x-request-id") == ["abc"]
    assert seen["traceparent"] == [trace]
    assert 1 <= int(seen["x-request-timeout-ms"][0]) <= 5000


def test_one_of_each_field_that_every_server_writes(gateway: str) -> None:
    answer = httpx.get(f"{gateway}/echo")
    for name in ("date", "content-length", "content-type", "x-request-id", "vernier-identity"):
        assert len(answer.headers.get_list(name)) == 1, name


def test_a_large_answer_streams_through(gateway: str) -> None:
    with httpx.stream("GET", f"{gateway}/stream?5000000") as answer:
        body = b"".join(answer.iter_bytes())
    assert body == (bytes(range(256)) * 20_000)[:5_000_000]


def test_events_come_as_they_happen_and_outlast_the_deadline(gateway: str, upstream: Upstream) -> None:
    upstream.open.clear()
    with httpx.stream("GET", f"{gateway}/events", headers={"X-Request-Timeout-Ms": "100"}) as answer:
        events = answer.iter_bytes()
        assert next(events) == b"data: 1\n\n"
        time.sleep(0.2)  # the deadline passes: it bounds the head of an event stream, not its length
        upstream.open.set()
        assert next(events) == b"data: 2\n\n"


def test_unknown_path_is_404_and_wrong_method_405(gateway: str) -> None:
    missing = httpx.get(f"{gateway}/nowhere")
    assert missing.status_code == 404
    assert missing.headers["content-type"] == "application/problem+json"
    wrong = httpx.delete(f"{gateway}/stream")
    assert wrong.status_code == 405
    assert wrong.headers["allow"] == "GET"
    assert "/stream" in wrong.json()["detail"]


def test_an_announced_body_over_the_limit_is_refused_unread(gateway: str, upstream: Upstream) -> None:
    answer = exchange(gateway, b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3000001\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert not upstream.asked


def test_a_chunked_body_over_the_limit_is_refused(gateway: str, upstream: Upstream) -> None:
    pieces = (b"x" * 100_000 for _ in range(31))
    with contextlib.suppress(httpx.WriteError):  # the connection may be closed while the rest is being sent
        assert httpx.post(f"{gateway}/echo", content=pieces).status_code == 413
    assert not upstream.asked


def test_bodies_beyond_what_may_be_held_are_refused_and_room_comes_back(gateway: str, upstream: Upstream) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    refused = b""
    for _ in range(200):
        # The gateway may not have read the first one yet when the second comes: then it is the first that is refused.
        with contextlib.suppress(OSError), connect(gateway) as first:
            first.sendall(head % 2_900_000 + b"x" * 2_800_000)
            refused = exchange(gateway, head % 2_900_000 + b"x" * 2_900_000)
        if refused.startswith(b"HTTP/1.1 503 "):
            break
    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nretry-after: " in refused.lower()
    upstream.asked.clear()
    until(lambda: httpx.post(f"{gateway}/echo", content=b"x" * 2_900_000).status_code == 200, "room is back")
    assert sum(upstream.asked.values()) == 1


def test_who_only_announces_a_body_keeps_nobody_out(gateway: str, upstream: Upstream) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2900000\r\n\r\n"
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(connect(gateway)).sendall(head + b"x" * 10)
        for _ in range(3):
            assert httpx.post(f"{gateway}/echo", content=b"x" * 2_900_000).status_code == 200
    assert upstream.asked["/echo"] == 3


@pytest.mark.parametrize("framing", [b"Content-Length: 100", b"Transfer-Encoding: chunked"])
def test_a_body_cut_off_never_reaches_the_service(gateway: str, upstream: Upstream, framing: bytes) -> None:
    with connect(gateway) as sock:
        sock.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n5\r\nabcde\r\n")
    httpx.get(f"{gateway}/echo")
    assert upstream.asked["/echo"] == 1
    assert not upstream.left


def test_a_passed_deadline_is_504_and_ends_the_work(gateway: str, upstream: Upstream) -> None:
    answer = httpx.post(f"{gateway}/hang", headers={"X-Request-Timeout-Ms": "150"})
    assert answer.status_code == 504
    assert answer.headers["content-type"] == "application/problem+json"
    until(lambda: upstream.left["/hang"] == 1, "the service was told")


def test_a_client_that_hangs_up_takes_its_work_along(gateway: str, upstream: Upstream) -> None:
    with connect(gateway) as sock:
        sock.sendall(b"POST /hang HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        until(lambda: upstream.asked["/hang"] == 1, "the service was asked")
    until(lambda: upstream.left["/hang"] == 1, "the service was told")


def test_a_service_that_breaks_off_a_small_answer_is_502(gateway: str) -> None:
    answer = httpx.post(f"{gateway}/die?10")
    assert answer.status_code == 502
    assert "stats" in answer.json()["detail"]


def test_a_service_that_breaks_off_a_streamed_answer_cuts_the_connection(gateway: str) -> None:
    with httpx.stream("POST", f"{gateway}/die?100000") as answer, pytest.raises(httpx.RemoteProtocolError):
        answer.read()
    assert httpx.get(f"{gateway}/echo").status_code == 200


def test_expect_continue_is_answered_here(gateway: str) -> None:
    with connect(gateway) as sock:
        sock.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 100 ")
        sock.sendall(b"ab")
        assert b'"bytes":2' in read_answer(sock)


def test_a_header_that_is_not_utf8_is_400(gateway: str) -> None:
    answer = exchange(gateway, b"GET /echo HTTP/1.1\r\nHost: x\r\nX-Odd: \xff\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
