"""The way round FastAPI looks from outside as the way through it."""

import httpx
import pytest


def test_it_counts_under_its_route(client: httpx.Client, text_url: str) -> None:
    for body, status in (({"input": "a"}, 200), ({"input": ""}, 400)):
        answer = client.post(f"{text_url}/v1/embeddings", json=body)
        assert answer.status_code == status
        labels = f'http_request_method="POST",http_response_status_code="{status}",http_route="/v1/embeddings"'
        text = client.get(f"{text_url}/metrics").text
        shown = [line for line in text.splitlines() if line.startswith("http_server_request_duration_seconds_count")]
        assert any(all(label in line for label in labels.split(",")) for line in shown)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods_are_fastapis(client: httpx.Client, text_url: str, method: str) -> None:
    answer = client.request(method, f"{text_url}/v1/embeddings")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"


def test_a_query_or_a_slash_more_changes_nothing_or_finds_nothing(client: httpx.Client, text_url: str) -> None:
    assert client.post(f"{text_url}/v1/embeddings?x=1", json={"input": "a"}).status_code == 200
    assert client.post(f"{text_url}/v1/embeddings/", json={"input": "a"}).status_code in {307, 404}


def test_refusals_have_openais_shape(client: httpx.Client, text_url: str) -> None:
    answer = client.post(f"{text_url}/v1/embeddings", content=b"{}", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415
    assert answer.json()["error"]["type"] == "invalid_request_error"
