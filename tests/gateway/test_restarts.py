"""A service that lets nobody in for a moment: what could not be sent waits for it, what might have been does not."""

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.gateway.conftest import gateway_before
from tests.gateway.upstream import Upstream
from tests.polling import until


def waiting(gateway: str) -> float:
    text = httpx.get(f"{gateway}/metrics").text
    return float(next(line for line in text.splitlines() if line.startswith("upstream_waiting ")).split()[1])


def test_requests_wait_for_a_service_that_restarts() -> None:
    upstream = Upstream().start()
    with (
        gateway_before({"stats": upstream.url}, VERNIER_GATEWAY_RESTART_PATIENCE_S="60") as gateway,
        ThreadPoolExecutor(8) as pool,
    ):
        upstream.stop()
        asked = [
            pool.submit(httpx.post, gateway.address + path, content=str(number), timeout=60)
            for number, path in enumerate(["/echo", "/pure"] * 4)
        ]
        until(lambda: waiting(gateway.address) == 8, "all wait")
        upstream.start()
        assert [each.result().status_code for each in asked] == [200] * 8
        assert upstream.asked["/echo"] == 4
        assert waiting(gateway.address) == 0
    upstream.stop()


def test_a_deadline_ends_the_wait() -> None:
    upstream = Upstream().start()
    with gateway_before({"stats": upstream.url}, VERNIER_GATEWAY_RESTART_PATIENCE_S="60") as gateway:
        upstream.stop()
        answer = httpx.post(f"{gateway.address}/echo", headers={"X-Request-Timeout-Ms": "300"}, timeout=60)
        assert answer.status_code == 504
        until(lambda: waiting(gateway.address) == 0, "nobody waits")


def test_a_service_that_stays_away_is_waited_for_no_longer() -> None:
    upstream = Upstream().start()
    with gateway_before({"stats": upstream.url}, VERNIER_GATEWAY_RESTART_PATIENCE_S="0.5") as gateway:
        upstream.stop()
        statuses: list[int] = []
        while 503 not in statuses:
            answer = httpx.post(f"{gateway.address}/echo", timeout=60)
            statuses.append(answer.status_code)
            assert ("retry-after" in answer.headers) == (answer.status_code == 503)
        assert set(statuses) == {502, 503}
        assert statuses.count(502) == 5
        upstream.start()
        until(lambda: httpx.post(f"{gateway.address}/echo", timeout=60).status_code == 200, "it is asked again")
    upstream.stop()


def test_whoever_hangs_up_waits_no_longer() -> None:
    upstream = Upstream().start()
    with gateway_before({"stats": upstream.url}, VERNIER_GATEWAY_RESTART_PATIENCE_S="60") as gateway:
        upstream.stop()
        left = threading.Event()

        def hang_up() -> None:
            try:
                httpx.post(f"{gateway.address}/echo", timeout=httpx.Timeout(60, read=0.5))
            except httpx.ReadTimeout:
                left.set()

        hang_up()
        assert left.is_set()
        until(lambda: waiting(gateway.address) == 0, "nobody waits")
