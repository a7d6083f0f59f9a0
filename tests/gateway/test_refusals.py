"""What the gateway refuses with: in the operation's own shape, and as the document says."""

from typing import Any

import httpx
import pytest

from gateway.refusals import GATEWAYS, add_refusals
from tests.gateway.conftest import gateway_before
from tests.gateway.upstream import Upstream
from tests.polling import until
from tests.processes import running
from tests.sockets import exchange


def test_errors_of_the_gateway_have_the_operations_shape() -> None:
    own = Upstream().start()
    with gateway_before(
        {"stats": own.url},
        VERNIER_MAX_BODY_BYTES="1000",
        VERNIER_GATEWAY_RESTART_PATIENCE_S="0",
        VERNIER_GATEWAY_BREAKER_FAILURES="2",
        VERNIER_GATEWAY_BREAKER_PAUSE_S="3600",
    ) as process:
        url = f"{process.address}/openai"
        answers = {
            413: httpx.post(url, content=b"x" * 1001),
            400: httpx.post(url, headers={"X-Request-Timeout-Ms": "x"}),
        }
        own.stop()
        answers[502] = httpx.post(url)
        until(lambda: httpx.post(url).status_code == 503, "the service is left alone")
        answers[503] = httpx.post(url)
        for status, answer in answers.items():
            assert answer.status_code == status
            assert answer.headers["content-type"] == "application/json"
            assert answer.json()["error"]["message"]
            assert answer.json()["error"]["type"] == ("server_error" if status >= 500 else "invalid_request_error")
        assert int(answers[503].headers["retry-after"]) >= 1
        assert httpx.post(f"{process.address}/echo").headers["content-type"] == "application/problem+json"


def test_errors_of_a_services_edge_have_the_operations_shape() -> None:
    with running("services.text", VERNIER_TEXT_MAX_BODY_BYTES="1000") as service:
        head = b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nContent-Type: %b\r\n\r\n"
        for answer in (
            exchange(service.address, head % (1001, b"application/json")),
            exchange(service.address, head % (1, b"text/csv") + b"x"),
        ):
            assert answer.startswith((b"HTTP/1.1 413 ", b"HTTP/1.1 415 "))
            assert b'{"error":{"message":' in answer
            assert b"content-type: application/json" in answer.lower()


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for item in document["paths"].values() for operation in item.values()]


def test_the_document_says_what_the_gateway_may_answer(gateway: str) -> None:
    document = httpx.get(f"{gateway}/openapi.json").json()
    for path, item in document["paths"].items():
        if path.startswith(("/livez", "/readyz", "/startupz", "/v2", "/metrics", "/v1/jobs")):
            continue
        for operation in item.values():
            assert {str(status) for status in GATEWAYS} <= operation["responses"].keys(), path
            assert operation["responses"]["503"]["headers"]["Retry-After"]["required"]
    assert "application/problem+json" in document["paths"]["/echo"]["post"]["responses"]["502"]["content"]


@pytest.mark.parametrize("status", GATEWAYS)
def test_a_shape_of_its_own_stands_for_every_refusal(status: int) -> None:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/OpenAIErrorResponse"}}}
    described = {
        "x-vernier-errors": "openai",
        "responses": {"200": {}, "503": {"description": "x", "content": content}},
    }
    document = add_refusals({"paths": {"/v1/embeddings": {"post": described}}}, {})
    responses = operations(document)[0]["responses"]
    assert responses[str(status)]["content"] == content
    assert list(responses) == sorted(responses)


def test_what_the_gateway_answers_itself_is_left_as_it_is() -> None:
    own: dict[str, Any] = {"paths": {"/livez": {"get": {"responses": {"200": {}}}}}}
    assert operations(add_refusals({"paths": {**own["paths"]}}, own))[0]["responses"] == {"200": {}}
