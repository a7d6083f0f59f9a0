"""A client that hangs up at the gateway takes its work with it out of the service's queue."""

import re
from collections.abc import Iterator

import httpx
import orjson
import pytest

from services.text import build_model
from tests.polling import until
from tests.processes import running
from tests.services.text.served import FOLDER
from tests.sockets import connect

TEXTS = 1000


@pytest.fixture
def text_and_gateway() -> Iterator[tuple[str, str]]:
    if not build_model.is_complete(FOLDER):
        pytest.skip(f"lacks the sentence model: {FOLDER}")
    with running("services.text") as text, running("gateway", VERNIER_GATEWAY_TEXT_URL=text.address) as gateway:
        yield text.address, gateway.address


def test_a_hang_up_at_the_gateway_frees_the_place_in_the_service(
    client: httpx.Client, text_and_gateway: tuple[str, str]
) -> None:
    text, gateway = text_and_gateway
    body = orjson.dumps({"input": [f"{number} " + "and on it goes " * 40 for number in range(TEXTS)]})
    head = f"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"

    def metric(name: str) -> float:
        found = re.search(rf"^{re.escape(name)} (\S+)$", client.get(f"{text}/metrics").text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def waiting() -> float:
        return metric('inference_queue_depth{model="text-embedding"}')

    until(
        lambda: client.get(f"{gateway}/openapi.json").text.count("/v1/embeddings") > 0, "the gateway knows its service"
    )
    with connect(gateway) as sock:
        sock.sendall(head.encode() + b"\r\n\r\n" + body)
        until(lambda: waiting() > 0, "the texts wait")
    until(lambda: waiting() == 0, "their place is free")
    assert metric('inference_requests_total{model="text-embedding",outcome="cancelled"}') == 1
    (facts,) = client.get(f"{text}/v2/models/text-embedding/stats").json()["model_stats"]
    assert facts["inference_count"] < TEXTS
    answer = client.post(f"{gateway}/v1/embeddings", json={"input": "a cat"})
    assert answer.status_code == 200
