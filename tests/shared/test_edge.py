"""Against a real process: what every Vernier process does at its edge."""

import re

import httpx
import pytest

from shared.health import PATHS
from tests.processes import Process
from tests.sockets import connect, exchange

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def assert_problem(answer: httpx.Response, status: int, *, says: str) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert says in body["detail"]
    assert body["error"] == body["detail"]
    assert body["request_id"] == answer.headers["x-request-id"]


def assert_serves(echo: Process, client: httpx.Client) -> None:
    assert client.post(f"{echo.address}/sum", json={"x": [1, 2]}).json() == {"sum": 3.0}


def test_the_id_is_taken_or_made(echo: Process, client: httpx.Client) -> None:
    url = f"{echo.address}/sum"
    assert client.post(url, json={"x": [1]}, headers={"X-Request-ID": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert re.fullmatch("[0-9a-f]{32}", client.post(url, json={"x": [1]}).headers["x-request-id"])


def test_the_answer_says_where_time_went(echo: Process, client: httpx.Client) -> None:
    timing = client.post(f"{echo.address}/sum", json={"x": [1]}).headers["server-timing"]
    assert re.fullmatch(r"queue;dur=\d+\.\d{3}, compute;dur=\d+\.\d{3}", timing)


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 400, "empty"),
        (b"{", 400, "JSON"),
        (b"[]", 400, "object"),
        (b'{"x": "a"}', 400, "/x"),
        (b'{"x": [1, "a"]}', 400, "/x/1"),
        (b'{"x": [NaN]}', 400, "/x/0"),
        (b'{"x": [1e999]}', 400, "/x/0"),
        (b'{"x": [1], "y": 2}', 400, "/y"),
        (b"{}", 400, "/x"),
        (b'{"x": []}', 422, "/x"),
        (b"\xff\xfe", 400, "JSON"),
    ],
)
def test_a_body_that_cannot_be_read_or_means_nothing(
    echo: Process, client: httpx.Client, body: bytes, status: int, says: str
) -> None:
    headers = {"Content-Type": "application/json"}
    assert_problem(client.post(f"{echo.address}/sum", content=body, headers=headers), status, says=says)
    assert_serves(echo, client)


def test_another_content_type_is_refused(echo: Process, client: httpx.Client) -> None:
    assert_problem(client.post(f"{echo.address}/sum", data={"x": "1"}), 415, says="application/json")


@pytest.mark.parametrize(("n", "status"), [("a", 400), ("nan", 400), ("-1", 422)])
def test_a_parameter_that_is_none(echo: Process, client: httpx.Client, n: str, status: int) -> None:
    answer = client.get(f"{echo.address}/number", params={"n": n})
    assert_problem(answer, status, says="query /n")
    assert answer.json()["errors"][0]["in"] == "query"


def test_unknown_path_and_method(echo: Process, client: httpx.Client) -> None:
    assert_problem(client.get(f"{echo.address}/nowhere"), 404, says="/nowhere")
    wrong = client.delete(f"{echo.address}/sum")
    assert_problem(wrong, 405, says="DELETE")
    assert wrong.headers["allow"] == "POST"


def test_a_large_body_is_refused_before_it_is_sent(echo: Process, client: httpx.Client) -> None:
    head = b"POST /sum HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100001\r\n\r\n"
    assert exchange(echo.address, head).startswith(b"HTTP/1.1 413 ")
    assert_serves(echo, client)


def test_a_large_body_of_unknown_length_is_refused(echo: Process, client: httpx.Client) -> None:
    answer = client.post(
        f"{echo.address}/sum", content=(b" " * 1000 for _ in range(101)), headers={"Content-Type": "application/json"}
    )
    assert_problem(answer, 413, says="100,000 bytes")
    assert_serves(echo, client)


def test_a_body_cut_off_midway_is_no_request(echo: Process, client: httpx.Client) -> None:
    with connect(echo.address) as sock:
        sock.sendall(
            b'POST /sum HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"x'
        )
    line = echo.await_line("request")
    assert (line["path"], line["status"]) == ("/sum", 499)
    assert_serves(echo, client)


def test_a_fault_of_ours_is_a_logged_problem(echo: Process, client: httpx.Client) -> None:
    answer = client.get(f"{echo.address}/fault", headers={"X-Request-ID": "seek-me"})
    assert_problem(answer, 500, says="logged")
    assert "a bug" not in answer.text
    line = echo.await_line("request failed")
    assert line["request_id"] == "seek-me"
    assert "RuntimeError: a bug" in line["exception"]
    assert_serves(echo, client)


def test_a_deadline_is_kept(echo: Process, client: httpx.Client) -> None:
    late = client.get(f"{echo.address}/wait", headers={"X-Request-Timeout-Ms": "50"})
    assert_problem(late, 504, says="X-Request-Timeout-Ms")
    assert_problem(client.get(f"{echo.address}/livez", headers={"X-Request-Timeout-Ms": "soon"}), 400, says="whole")
    client.get(f"{echo.address}/open")
    assert_serves(echo, client)


def test_one_log_line_a_request_with_its_id_and_trace(echo: Process, client: httpx.Client) -> None:
    client.get(f"{echo.address}/readyz")
    client.get(f"{echo.address}/number?n=1", headers={"X-Request-ID": 'a"b', "traceparent": TRACE})
    line = echo.await_line("request")
    assert (line["method"], line["path"], line["status"]) == ("GET", "/number", 200)
    assert (line["request_id"], line["trace_id"]) == ('a"b', TRACE[3:35])
    assert line["ms"] > 0
    assert not [each for each in echo.lines if each.get("raw")]
    assert not [each for each in echo.lines if each.get("path") in PATHS]


def test_routes_are_counted_by_template_and_unknown_paths_as_one(echo: Process, client: httpx.Client) -> None:
    for number in range(20):
        client.get(f"{echo.address}/nowhere/{number}")
    client.get(f"{echo.address}/number?n=1")
    text = client.get(f"{echo.address}/metrics").text
    counts = re.findall(r"http_server_request_duration_seconds_count(\{.*\}) (\S+)", text)
    assert ('{http_request_method="GET",http_response_status_code="404",http_route="unmatched"}', "20.0") in counts
    assert ('{http_request_method="GET",http_response_status_code="200",http_route="/number"}', "1.0") in counts
    assert not [labels for labels, _ in counts if "nowhere" in labels]


def test_health_is_told_by_all_its_names(echo: Process, client: httpx.Client) -> None:
    assert {client.get(f"{echo.address}{path}").status_code for path in PATHS} == {200}
    ready = client.get(f"{echo.address}/readyz")
    assert ready.json()["identity"] == ready.headers["vernier-identity"]
    assert ready.json()["service"] == "echo"
