"""Limit, breaker and second tries before a real service."""

import contextlib
import os
import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import httpx
import pytest

from gateway.guard import SPARE_RETRIES, RetryBudget
from tests.gateway.conftest import gateway_before
from tests.gateway.recorder import Recorder
from tests.gateway.upstream import Upstream
from tests.polling import until
from tests.sockets import connect, exchange, read_answer

PATIENCE_S = 60.0


def metric(address: str, name: str) -> float:
    for line in httpx.get(f"{address}/metrics").text.splitlines():
        if line.startswith(name + " "):
            return float(line.split(" ")[1])
    return 0.0


@pytest.fixture(scope="module")
def narrow(module_upstream: Upstream) -> Iterator[str]:
    """A gateway that lets two requests in at a time."""
    with gateway_before(
        {"stats": module_upstream.url}, VERNIER_GATEWAY_LIMIT_SMALLEST="2", VERNIER_GATEWAY_LIMIT_LARGEST="2"
    ) as process:
        yield process.address


@contextlib.contextmanager
def filled(address: str, upstream: Upstream) -> Iterator[None]:
    """Two requests are inside while the block runs; both are answered after it."""
    until(lambda: metric(address, 'gateway_in_flight{service="stats"}') == 0, "those before have left")
    upstream.open.clear()
    with ThreadPoolExecutor(2) as pool:
        asked = upstream.asked["/slow"]
        inside = [
            pool.submit(httpx.post, f"{address}/slow", content=os.urandom(16), timeout=PATIENCE_S) for _ in range(2)
        ]
        try:
            until(lambda: upstream.asked["/slow"] == asked + 2, "two are inside")
            yield
        finally:
            upstream.open.set()
        assert [each.result().status_code for each in inside] == [200, 200]


def test_beyond_the_limit_is_503_and_the_service_hears_nothing(narrow: str, upstream: Upstream) -> None:
    before = metric(narrow, 'gateway_rejections_total{reason="limit",service="stats"}')
    with filled(narrow, upstream):
        assert metric(narrow, 'gateway_in_flight{service="stats"}') == 2
        answer = httpx.post(f"{narrow}/slow")
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.headers["content-type"] == "application/problem+json"
        assert "stats" in answer.json()["detail"]
        assert upstream.asked["/slow"] == 2
    assert metric(narrow, 'gateway_rejections_total{reason="limit",service="stats"}') > before
    assert metric(narrow, 'gateway_in_flight{service="stats"}') == 0
    assert metric(narrow, 'gateway_concurrency_limit{service="stats"}') == 2


def test_the_body_of_a_refused_request_is_not_waited_for(narrow: str, upstream: Upstream) -> None:
    hang = b"POST /hang HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    with filled(narrow, upstream), connect(narrow) as sock:
        sock.sendall(hang % 0)
        until(lambda: upstream.asked["/hang"] == 1, "another operation is inside, by its share")
        assert exchange(narrow, hang % 1_000_000).startswith(b"HTTP/1.1 503 ")
        assert upstream.asked["/hang"] == 1


def test_probes_pages_and_kept_answers_are_never_refused(narrow: str, upstream: Upstream) -> None:
    assert httpx.get(f"{narrow}/pure?kept").headers["x-cache-status"] == "MISS"
    with filled(narrow, upstream):
        for path in ("/livez", "/readyz", "/startupz", "/v2/health/live", "/metrics", "/docs", "/openapi.json", "/"):
            assert httpx.get(narrow + path).status_code == 200, path
        assert httpx.get(f"{narrow}/pure?kept").headers["x-cache-status"] == "HIT"


def test_those_who_wait_for_one_answer_count_once(narrow: str, upstream: Upstream) -> None:
    upstream.open.clear()
    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(httpx.post, f"{narrow}/slow", content=b"same", timeout=PATIENCE_S) for _ in range(20)]
        until(lambda: upstream.asked["/slow"] == 1, "the service was asked")
        assert metric(narrow, 'gateway_in_flight{service="stats"}') == 1
        upstream.open.set()
        assert [each.result().status_code for each in answers] == [200] * 20
    assert upstream.asked["/slow"] == 1


def test_a_client_that_hangs_up_leaves_its_place(narrow: str, upstream: Upstream) -> None:
    for _ in range(4):
        with connect(narrow) as sock:
            asked = upstream.asked["/hang"]
            sock.sendall(b"POST /hang HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            until(lambda asked=asked: upstream.asked["/hang"] == asked + 1, "the service was asked")  # type: ignore[misc]
        until(lambda: metric(narrow, 'gateway_in_flight{service="stats"}') == 0, "the place is free")


def test_overload_finds_a_limit_and_everybody_is_answered() -> None:
    """A hundred clients before a service that answers one at a time; whoever is refused soon tries again."""
    upstream = Upstream().start()
    with gateway_before({"stats": upstream.url}, VERNIER_GATEWAY_LIMIT_LARGEST="64") as process:
        for _ in range(20):
            assert httpx.post(f"{process.address}/serial?20").status_code == 200
        statuses, unfinished = crowd(process.address, b"/serial?20", clients=100, answers=200)
        lowered = metric(process.address, 'gateway_concurrency_limit{service="stats"}')
        assert statuses.keys() == {200, 503}
        assert lowered < 52
        accepted = statuses[200] + 20
        assert accepted <= upstream.asked["/serial"] <= accepted + unfinished
    upstream.stop()


def crowd(address: str, target: bytes, *, clients: int, answers: int) -> tuple[Counter[int], int]:
    """Statuses until so many were answered 200, and how many requests were still under way then."""
    statuses, now = Counter[int](), time.monotonic
    again: list[tuple[float, socket.socket]] = []
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
        for _ in range(clients):
            again.append((now(), stack.enter_context(connect(address))))
        while statuses[200] < answers:
            while again and again[0][0] <= now():
                _, sock = again.pop(0)
                sock.sendall(b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" % target)
                selector.register(sock, selectors.EVENT_READ)
            for key, _ in selector.select(0.01):
                sock = cast(socket.socket, key.fileobj)
                selector.unregister(sock)
                answer = read_answer(sock)
                status = int(answer.split(b" ", 2)[1])
                assert status == 200 or b"\r\nretry-after: " in answer.lower()
                statuses[status] += 1
                again.append((now() + 0.02, sock))
        return statuses, len(selector.get_map())


def test_a_service_that_is_away_is_left_alone_and_taken_back() -> None:
    own = Upstream().start()
    with gateway_before(
        {"stats": own.url}, VERNIER_GATEWAY_BREAKER_PAUSE_S="3600", VERNIER_GATEWAY_RESTART_PATIENCE_S="0"
    ) as process:
        assert httpx.post(f"{process.address}/echo").status_code == 200
        own.stop()
        assert opened(process.address, "/echo") == 5
        refused = httpx.post(f"{process.address}/echo")
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert breaker(process.address) == "open"
        assert metric(process.address, 'gateway_breaker_open{service="stats"}') == 1
        own.start()
        until(lambda: httpx.post(f"{process.address}/echo").status_code == 200, "its readiness closed the breaker")
        assert breaker(process.address) == "closed"
        assert metric(process.address, 'gateway_breaker_opened_total{service="stats"}') == 1
    own.stop()


def test_a_probe_closes_the_breaker_too() -> None:
    recorder = Recorder(answer=b"", close=True).start()
    with gateway_before(
        {"stats": recorder.url},
        VERNIER_GATEWAY_POLL_INTERVAL_S="3600",
        VERNIER_GATEWAY_BREAKER_FAILURES="2",
        VERNIER_GATEWAY_BREAKER_PAUSE_S="0.2",
    ) as process:
        opened(process.address, "/echo")
        until(lambda: breaker(process.address) != "open", "a probe may go")
        assert httpx.post(f"{process.address}/echo").status_code == 502
        recorder.answer, recorder.close = Recorder.answer, False
        until(lambda: httpx.post(f"{process.address}/echo").status_code == 200, "a probe went well")
        assert breaker(process.address) == "closed"
    recorder.stop()


def breaker(address: str) -> str:
    return str(httpx.get(f"{address}/readyz").json()["services"]["stats"]["breaker"])


@pytest.mark.parametrize("path", ["/status/400", "/status/404", "/status/500", "/status/503", "/status/503?1"])
def test_answers_are_no_failures(gateway: str, path: str) -> None:
    for number in range(8):
        answer = httpx.post(gateway + path, content=str(number))
        assert answer.status_code == int(path[8:11])
    assert breaker(gateway) == "closed"


def test_a_service_that_answers_502_is_left_alone() -> None:
    own = Upstream().start()
    with gateway_before({"stats": own.url}, VERNIER_GATEWAY_POLL_INTERVAL_S="3600") as process:
        assert opened(process.address, "/status/502") >= 5
    own.stop()


def opened(address: str, path: str) -> int:
    """How many 502 it took until the service was left alone."""
    for count in range(100):
        answer = httpx.post(address + path, content=str(count))
        if answer.status_code == 503:
            return count
        assert answer.status_code == 502
    raise AssertionError("it was never left alone")


def test_one_request_that_breaks_does_not_open_it_for_the_others(gateway: str) -> None:
    for number in range(20):
        assert httpx.post(f"{gateway}/die?10", content=str(number)).status_code == 502
        assert httpx.post(f"{gateway}/echo").status_code == 200
    assert breaker(gateway) == "closed"


def test_second_tries_are_a_share_of_the_requests() -> None:
    budget = RetryBudget(0.1)
    made = 0
    for _ in range(1000):
        budget.request()
        made += budget.spend()
    assert made == pytest.approx(100 + SPARE_RETRIES, abs=2)
    none = RetryBudget(0.0)
    none.request()
    assert not none.spend()


@pytest.mark.parametrize(("share", "tries"), [("0", 1), ("0.1", 2)])
def test_only_what_is_replayable_is_tried_again_and_within_the_budget(share: str, tries: int) -> None:
    recorder = Recorder().start()
    with gateway_before(
        {"stats": recorder.url}, VERNIER_GATEWAY_RETRY_SHARE=share, VERNIER_GATEWAY_POLL_INTERVAL_S="3600"
    ) as process:
        recorder.answer, recorder.close = b"", True
        assert httpx.get(f"{process.address}/echo").status_code == 502
        assert httpx.post(f"{process.address}/echo").status_code == 502
    assert [each.line.split()[0] for each in recorder.requests].count(b"GET") == tries
    assert [each.line.split()[0] for each in recorder.requests].count(b"POST") == 1
    recorder.stop()
