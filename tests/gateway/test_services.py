"""Services that come, go, break and change."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import httpx
import orjson
import pytest

from scripts.machine import free_port
from tests.gateway.conftest import gateway_before
from tests.gateway.upstream import Upstream, operation
from tests.polling import until
from tests.processes import running


def test_a_service_not_seen_yet_is_503_and_named(upstream: Upstream) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    with gateway_before({"stats": upstream.url, "text": nobody}, known=False) as process:
        until(lambda: httpx.get(f"{process.address}/echo").status_code == 200, "the known service answers")
        unknown = httpx.get(f"{process.address}/embed")
        assert unknown.status_code == 503
        assert "text" in unknown.json()["detail"]
        assert int(unknown.headers["retry-after"]) >= 1
        ready = httpx.get(f"{process.address}/readyz")
        assert ready.status_code == 503
        states = ready.json()["services"]
        assert (states["stats"]["ready"], states["text"]["ready"]) == (True, False)
        assert states["text"]["detail"]


def test_a_service_that_goes_is_502_and_comes_back() -> None:
    own = Upstream().start()
    with (
        gateway_before({"stats": own.url}, VERNIER_GATEWAY_RESTART_PATIENCE_S="0.5") as process,
        httpx.Client(base_url=process.address) as client,
    ):
        assert client.post("/echo").status_code == 200
        own.stop()
        answer = client.post("/echo")
        assert answer.status_code == 502
        assert "stats" in answer.json()["detail"]
        until(lambda: client.get("/readyz").status_code == 503, "the gateway noticed")
        assert client.get("/").status_code == 200
        own.start()
        # Pooled connections of before are stale now: none of these may fail for it.
        assert [client.post("/echo").status_code for _ in range(5)] == [200] * 5
        until(lambda: client.get("/readyz").status_code == 200, "the gateway noticed")
        own.stop()


def test_a_changed_document_is_read_again() -> None:
    own = Upstream().start()
    with gateway_before({"stats": own.url}) as process:
        assert httpx.get(f"{process.address}/novel").status_code == 404
        own.paths = {**own.paths, "/novel": {"get": operation()}}
        own.identity = "two"
        until(lambda: httpx.get(f"{process.address}/novel").status_code == 200, "the new path is known")
        assert "/novel" in httpx.get(f"{process.address}/openapi.json").json()["paths"]
    own.stop()


def test_a_service_that_is_not_ready_makes_the_gateway_not_ready() -> None:
    own = Upstream().start()
    with gateway_before({"stats": own.url}) as process:
        own.ready = False
        until(lambda: httpx.get(f"{process.address}/readyz").status_code == 503, "the gateway is not ready")
        assert httpx.get(f"{process.address}/livez").status_code == 200
        assert httpx.get(f"{process.address}/echo").status_code == 200
    own.stop()


def test_one_path_of_two_services_goes_to_the_one_that_has_the_model() -> None:
    one, other = Upstream(models={"speed": "1"}).start(), Upstream(models={"text-embedding": "2"}).start()
    with gateway_before({"speed": one.url, "text": other.url}) as process:
        assert httpx.post(f"{process.address}/models/speed/infer").status_code == 200
        assert httpx.post(f"{process.address}/models/text-embedding/infer").status_code == 200
        missing = httpx.post(f"{process.address}/models/none/infer")
        assert missing.status_code == 404
        assert "speed, text-embedding" in missing.json()["detail"]
    assert (one.asked["/models/speed/infer"], one.asked.total()) == (1, 1)
    assert (other.asked["/models/text-embedding/infer"], other.asked.total()) == (1, 1)
    one.stop()
    other.stop()


def test_own_pages_stay_own_whatever_a_service_offers() -> None:
    own = Upstream()
    own.paths = {path: {"get": operation()} for path in ("/", "/docs", "/readyz", "/metrics", "/openapi.json")}
    own.start()
    with gateway_before({"stats": own.url}) as process:
        for path in ("/", "/docs", "/docs/swagger-ui.css", "/openapi.json", "/livez", "/readyz", "/metrics"):
            assert httpx.get(process.address + path).status_code == 200, path
    assert not own.asked
    own.stop()


def test_a_service_that_refuses_a_body_unread_is_heard() -> None:
    with (
        running("tests.shared.echo", VERNIER_ECHO_MAX_BODY_BYTES="100000") as service,
        gateway_before({"stats": service.address}) as process,
        httpx.Client(base_url=process.address) as client,
    ):
        for size in (200_000, 5_000_000):
            answer = client.post("/sum", content=b"x" * size)
            assert answer.status_code == 413
            assert "100,000" in answer.json()["detail"]


class Flaky(BaseHTTPRequestHandler):
    """Closes a kept connection instead of answering the second request on it, as a server does that just gave up
    an idle connection."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        paths = {"/once": {"post": operation(), "get": operation()}, "/pure": {"post": operation(cacheable=True)}}
        report = {"ready": True, "version": "1", "identity": "one"}
        self._answer(report if self.path == "/readyz" else {"paths": paths} if "openapi" in self.path else {})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self._answer({})

    def _answer(self, content: Any) -> None:
        served = getattr(self, "served", 0)
        self.served = served + 1
        if self.path.startswith(("/once", "/pure")):
            self.asked.append(self.command)
            if served:
                self.close_connection = True
                return
        body = orjson.dumps(content)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def flaky() -> Iterator[str]:
    Flaky.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Flaky) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("method", "path"), [("GET", "/once"), ("POST", "/pure")])
def test_a_stale_connection_is_tried_again_where_that_does_no_harm(method: str, path: str) -> None:
    with flaky() as url, gateway_before({"stats": url}, VERNIER_GATEWAY_POLL_INTERVAL_S="60") as process:
        with httpx.Client(base_url=process.address) as client:
            codes = [client.request(method, path, params={"n": n}).status_code for n in range(4)]
        assert codes == [200] * 4
        assert len(Flaky.asked) > 4, "no connection went stale: the test showed nothing"


def test_a_stale_connection_is_502_where_the_request_may_have_been_obeyed() -> None:
    with flaky() as url, gateway_before({"stats": url}, VERNIER_GATEWAY_POLL_INTERVAL_S="60") as process:
        with httpx.Client(base_url=process.address) as client:
            codes = [client.post("/once").status_code for _ in range(4)]
        assert 502 in codes
        assert len(Flaky.asked) == 4, "a request that is not idempotent was sent twice"
