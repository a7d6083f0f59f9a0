"""Information through the gateway: a call from service to service, and what may be kept of its answers."""

import uuid

import httpx
import pytest

pytestmark = pytest.mark.e2e


def test_a_ranking_has_its_trend_from_stats_and_is_kept(client: httpx.Client, vernier: str) -> None:
    fresh = uuid.uuid4().hex
    texts = [" ".join(f"{fresh}{10 * length + word}" for word in range(length)) for length in range(1, 9)]
    answers = [client.post(f"{vernier}/v1/text/information/ranking", json={"texts": texts}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.headers["X-Cache-Status"] for answer in answers] == ["MISS", "HIT"]
    assert answers[0].content == answers[1].content
    assert answers[0].json()["trend"]["trend"] == "increasing"


def test_what_is_scored_by_a_corpus_that_grows_is_not_kept(client: httpx.Client, vernier: str) -> None:
    id = f"e2e-{uuid.uuid4()}"
    corpus = f"{vernier}/v1/text/corpora/{id}"
    assert client.put(corpus, json={"texts": ["a b c"]}).status_code == 201
    asked = {"texts": ["c d"], "corpus_id": id}
    first = client.post(f"{vernier}/v1/text/information", json=asked)
    assert client.post(f"{corpus}/texts", json={"texts": ["c d", "d"]}).status_code == 200
    second = client.post(f"{vernier}/v1/text/information", json=asked)
    assert second.headers["X-Cache-Status"] != "HIT"
    assert second.json()["scores"][0]["bits"] < first.json()["scores"][0]["bits"]
    assert client.get(corpus).json()["texts"] == 3
    assert client.delete(corpus).status_code == 204
    assert client.post(f"{vernier}/v1/text/information", json=asked).status_code == 404
