"""Corpora over HTTP, kept in a real Redis."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from redis import Redis

from services.text.corpora import Corpora, Ready
from services.text.corpus_store import CorpusStore, Limits
from services.text.information import Method, Reference
from services.text.settings import TextSettings
from shared.errors import Unavailable
from shared.metrics import Metrics
from shared.redis import connect
from shared.workers import Workers

TEXTS = ["The dog chased the cat.", "A cat slept", "the dog slept"]


@pytest.fixture
def text(whole_text: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{whole_text}/v1/text", timeout=60) as client:
        yield client


def make(client: httpx.Client, id: str, texts: list[str] = TEXTS, **more: Any) -> httpx.Response:
    return client.put(f"/corpora/{id}", json={"texts": texts, **more})


def add(client: httpx.Client, id: str, texts: list[str], key: str | None = None) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(f"/corpora/{id}/texts", json={"texts": texts}, headers=headers)


def look(client: httpx.Client, id: str) -> dict[str, Any]:
    answer = client.get(f"/corpora/{id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def score(client: httpx.Client, **body: Any) -> httpx.Response:
    return client.post("/information", json={"texts": ["the dog chased a comet", "dog"], **body})


@pytest.mark.parametrize("estimator", ["unigram", "ngram", "compression"])
def test_a_kept_corpus_scores_as_one_that_is_sent(text: httpx.Client, estimator: str) -> None:
    made = text.post("/corpora", json={"texts": TEXTS})
    assert made.status_code in {200, 201}, made.text
    id = made.json()["id"]
    assert made.headers["Location"] == f"/v1/text/corpora/{id}"
    kept = score(text, corpus_id=id, estimator=estimator)
    assert kept.json() == score(text, corpus=TEXTS, estimator=estimator).json()
    assert "Cache-Control" not in kept.headers


def test_the_same_texts_are_the_same_corpus(text: httpx.Client) -> None:
    first = text.post("/corpora", json={"texts": ["one text", "another"]})
    again = text.post("/corpora", json={"texts": ["ANOTHER", "One  text!"]})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    id = first.json()["id"]
    assert look(text, id) == {
        "id": id,
        "named": False,
        "digest": id,
        "texts": 2,
        "tokens": 3,
        "types": 3,
        "entropy_bits": pytest.approx(1.584962500721156),
        "perplexity": pytest.approx(3),
    }
    assert add(text, id, ["more"]).status_code == 409
    assert make(text, id).status_code == 422


def test_a_named_corpus_grows(text: httpx.Client) -> None:
    assert make(text, "zoo").status_code == 201
    assert make(text, "zoo").status_code == 200
    assert make(text, "zoo", ["other"]).status_code == 409
    before = score(text, corpus_id="zoo")
    assert before.headers["Cache-Control"] == "no-store"
    added = add(text, "zoo", ["a comet", "a comet again"])
    assert added.json() == {"id": "zoo", "texts": 2, "tokens": 5, "repeated": False}
    after = score(text, corpus_id="zoo").json()
    assert after == score(text, corpus=[*TEXTS, "a comet", "a comet again"]).json()
    assert after["scores"][0]["bits"] < before.json()["scores"][0]["bits"]
    assert (
        look(text, "zoo")["digest"]
        == text.post("/corpora", json={"texts": ["a comet again", *TEXTS, "a comet"]}).json()["id"]
    )
    assert make(text, "zoo").status_code == 200
    assert text.delete("/corpora/zoo").status_code == 204
    for asked in (text.get("/corpora/zoo"), text.delete("/corpora/zoo"), add(text, "zoo", ["a"])):
        assert asked.status_code == 404
    assert score(text, corpus_id="zoo").status_code == 404


def test_whatever_clients_add_at_once_is_counted(text: httpx.Client, redis_of_text: str) -> None:
    """Some additions are sent twice under a key; pieces are merged under way."""
    make(text, "crowd", ["begin"])

    def client(number: int) -> None:
        for turn in range(20):
            texts = [f"common w{number}x{turn}", "common"]
            key = f"{number}-{turn}" if turn % 2 else None
            for repeated in (False, True)[: 1 + (turn % 4 == 1)]:
                answer = add(text, "crowd", texts, key)
                assert answer.status_code == 200, answer.text
                assert answer.json()["repeated"] is repeated

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(client, range(8)))
    found = look(text, "crowd")
    assert (found["texts"], found["tokens"], found["types"]) == (1 + 320, 1 + 480, 2 + 160)
    connection = Redis.from_url(redis_of_text)
    pieces = connection.lrange("vernier:text:corpora:crowd:texts", 0, -1)
    assert len(pieces) <= 161 - 2 * 63
    assert int(connection.hget("vernier:text:corpora", "crowd") or 0) == sum(map(len, pieces))
    assert connection.ttl("vernier:text:corpora:crowd") == -1
    connection.close()
    text.delete("/corpora/crowd")


def test_a_key_stands_for_its_texts(text: httpx.Client) -> None:
    make(text, "keyed")
    assert add(text, "keyed", ["a"], "k").json()["repeated"] is False
    assert add(text, "keyed", ["A."], "k").json()["repeated"] is True
    refused = add(text, "keyed", ["b"], "k")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "Idempotency-Key"
    assert look(text, "keyed")["texts"] == 4
    text.delete("/corpora/keyed")


def test_a_lifetime_begins_anew_with_each_use(text: httpx.Client, redis_of_text: str) -> None:
    connection = Redis.from_url(redis_of_text)
    keys = ["vernier:text:corpora:brief", "vernier:text:corpora:brief:texts"]
    make(text, "brief", keep_s=60)
    for use in (lambda: look(text, "brief"), lambda: add(text, "brief", ["a"]), lambda: score(text, corpus_id="brief")):
        for key in keys:
            assert 50 < connection.ttl(key) <= 60
            connection.expire(key, 20)
        use()
    connection.delete(*keys)
    connection.close()
    assert text.get("/corpora/brief").status_code == 404
    assert make(text, "brief", ["of other texts"]).status_code == 201
    text.delete("/corpora/brief")


def test_bounds(text: httpx.Client) -> None:
    made: list[str] = []
    while (answer := make(text, f"many{len(made)}", [f"text {len(made)}"])).status_code == 201:
        made.append(answer.json()["id"])
    assert answer.status_code == 503
    assert "DELETE some" in answer.json()["detail"]
    assert 0 < len(made) <= 20
    assert add(text, made[0], ["w " * 49_999]).status_code == 413
    assert look(text, made[0])["tokens"] == 2
    random = iter(range(10**6))
    for _ in range(20):
        texts = [" ".join(f"{(number := next(random)) * 2654435761 % 2**32:x}" for _ in range(4000))]
        if (answer := add(text, made[1 + number // 40_000], texts)).status_code != 200:
            break
    assert answer.status_code == 503
    for id in made:
        text.delete(f"/corpora/{id}")
    assert make(text, "many0", ["text"]).status_code == 201
    text.delete("/corpora/many0")


def test_a_corpus_without_words_is_told_when_it_is_used(text: httpx.Client) -> None:
    make(text, "silent", ["..."])
    assert look(text, "silent")["perplexity"] == 1
    answer = score(text, corpus_id="silent")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/corpus_id"
    text.delete("/corpora/silent")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "", {"texts": []}, 422),
        ("POST", "", {"texts": [1]}, 400),
        ("POST", "", {"texts": ["a"], "keep_s": 0}, 422),
        ("PUT", "/..a", {"texts": ["a"]}, 422),
        ("POST", "/none/texts", {"texts": ["a"]}, 404),
        ("POST", "/none/texts", {"texts": ["a"], "keep_s": 5}, 400),
    ],
)
def test_refusals(text: httpx.Client, method: str, path: str, body: Any, status: int) -> None:
    assert text.request(method, f"/corpora{path}", json=body).status_code == status


def test_redis_away_is_said() -> None:
    async def run() -> None:
        settings = TextSettings()
        client, workers = connect("redis://127.0.0.1:9/0", timeout_s=1), Workers(settings, Metrics())
        corpora = Corpora(CorpusStore(client, Limits(1, 1000, 1000, 1, 1)), workers, 0)
        for asked in (corpora.look("a"), corpora.make("a", [["b"]], None), corpora.add("a", [["b"]], None)):
            with pytest.raises(Unavailable, match="without being counted twice"):
                await asked
        workers.close()
        await client.aclose()

    asyncio.run(run())


def test_without_redis_texts_can_be_sent(client: httpx.Client, text_url: str) -> None:
    answer = client.put(f"{text_url}/v1/text/corpora/a", json={"texts": ["a"]})
    assert answer.status_code == 503
    assert "send the texts as `corpus`" in answer.json()["detail"]


def test_ready_references_are_the_last_used_up_to_so_many_words() -> None:
    def reference(words: int) -> Reference:
        return Reference([["a"] * words], Method(), own=False)

    ready = Ready(10)
    ready.put(("large",), reference(11))
    for name in ("one", "two"):
        ready.put((name,), reference(4))
    assert ready.get(("one",)) is not None
    ready.put(("three",), reference(4))
    assert [ready.get((name,)) is not None for name in ("large", "one", "two", "three")] == [False, True, False, True]
