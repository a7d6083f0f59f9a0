"""Bad input through the front door: a clear problem each, and the next request is served."""

from typing import Any

import httpx
import pytest

from tests.sockets import connect, exchange

pytestmark = pytest.mark.e2e
JSON = {"Content-Type": "application/json"}
TREND = "/v1/stats/trend"


def assert_serves(vernier: str, client: httpx.Client) -> None:
    answer = client.post(f"{vernier}{TREND}", json={"series": [1, 2, 3, 4, 5]}, headers={"Cache-Control": "no-store"})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("method", "path", "request_", "status"),
    [
        ("GET", "/nowhere", {}, 404),
        ("POST", "/v1/nowhere", {"json": {}}, 404),
        ("DELETE", TREND, {}, 405),
        ("POST", TREND, {"content": b"{", "headers": JSON}, 400),
        ("POST", TREND, {"json": {"series": "abc"}}, 400),
        ("POST", TREND, {"content": b'{"series": [1, NaN, 2]}', "headers": JSON}, 400),
        ("POST", TREND, {"json": {"series": []}}, 422),
        ("POST", TREND, {"content": b"1,2", "headers": {"Content-Type": "image/png"}}, 415),
        ("POST", "/v1/stats/regression", {"json": {"x": [[1, 2, 3], [1, 2]], "y": [1, 2, 3]}}, 422),
        ("POST", "/v1/stats/covariance", {"json": {"columns": {"a": [1, 2], "b": [1]}}}, 422),
        ("POST", "/v1/text/information", {"json": {"texts": [""]}}, 422),
        ("POST", "/v1/text/cluster", {"json": {"texts": ["a"], "k": "many"}}, 422),
        ("POST", "/v1/speed/video", {"content": b"", "headers": {"Content-Type": "video/mp4"}}, 400),
        ("POST", "/v1/speed/video", {"content": b"no video" * 99, "headers": {"Content-Type": "video/mp4"}}, 415),
        ("POST", "/v1/speed/video", {"json": {}}, 415),
        ("POST", TREND, {"json": {"series": [1, 2, 3]}, "headers": {"X-Request-Timeout-Ms": "soon"}}, 400),
    ],
)
def test_what_is_refused(
    vernier: str, client: httpx.Client, method: str, path: str, request_: dict[str, Any], status: int
) -> None:
    answer = client.request(method, f"{vernier}{path}", **request_)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["request_id"] == answer.headers["x-request-id"]
    assert len(body["detail"]) > 10
    assert_serves(vernier, client)


def test_an_empty_embedding_is_refused_as_openai_does(vernier: str, client: httpx.Client) -> None:
    answer = client.post(f"{vernier}/v1/embeddings", json={"input": ["fine", ""], "model": "text-embedding"})
    assert 400 <= answer.status_code < 500
    assert {"message", "type", "param", "code"} <= set(answer.json()["error"])
    assert_serves(vernier, client)


def test_ten_million_numbers(vernier: str, client: httpx.Client) -> None:
    body = b'{"series":[' + b"1," * 9_999_999 + b"1]}"
    answer = client.post(f"{vernier}{TREND}", content=body, headers=JSON)
    assert answer.status_code == 413, answer.text
    assert_serves(vernier, client)


def test_a_body_of_a_terabyte_is_refused_before_it_is_sent(vernier: str, client: httpx.Client) -> None:
    head = f"POST {TREND} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {1 << 40}\r\n\r\n"
    assert exchange(vernier, head.encode()).startswith(b"HTTP/1.1 413 ")
    assert_serves(vernier, client)


def test_a_body_cut_off_and_a_client_that_hangs_up(vernier: str, client: httpx.Client) -> None:
    head = f"POST {TREND} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n".encode()
    for body in (b'{"series": [1,', b'{"series": [1, 2, 3, 4]}'.ljust(99)):
        with connect(vernier) as sock:
            sock.sendall(head + body)
        assert_serves(vernier, client)


def test_what_is_not_http(vernier: str, client: httpx.Client) -> None:
    with connect(vernier) as sock:
        sock.sendall(b"\x16\x03\x01\x00\xa5 not http\r\n\r\n")
        assert b"HTTP/1.1 400" in sock.recv(4096)
    assert_serves(vernier, client)
