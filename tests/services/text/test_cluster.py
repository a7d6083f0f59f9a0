"""/v1/text/cluster over a real socket."""

from typing import Any

import httpx
import pytest

from services.text.examples import CLUSTER
from tests.services.text.served import MODEL_VERSION

TEXTS = CLUSTER["Three topics"]["texts"]


def post(client: httpx.Client, url: str, **body: Any) -> httpx.Response:
    return client.post(f"{url}/v1/text/cluster", json=body)


def test_topics_are_told_apart(client: httpx.Client, text_url: str) -> None:
    answer = post(client, text_url, texts=TEXTS, k=3, seed=1).json()
    assert answer["model"] == {"name": "text-embedding", "version": MODEL_VERSION}
    assert answer["labels"] == [0, 0, 0, 1, 1, 1, 2, 2, 2, -1]
    assert [cluster["size"] for cluster in answer["clusters"]] == [3, 3, 3]
    assert "pin" in answer["clusters"][1]["terms"]
    assert "transfer" in answer["clusters"][2]["terms"]
    nearest = answer["clusters"][1]["representatives"]
    assert {each["index"] for each in nearest} == {3, 4, 5}
    assert all(TEXTS[each["index"]] == each["text"] for each in nearest)
    assert answer["silhouette"] > 0.2
    assert answer["curve"] is None
    assert answer["projection"]["method"] == "pca"
    assert answer["projection"]["x"][9] is answer["projection"]["y"][9] is None
    assert None not in answer["projection"]["x"][:9]


def test_auto_answers_its_curve(client: httpx.Client, text_url: str) -> None:
    answer = post(client, text_url, texts=TEXTS, k="auto", projection=None).json()
    assert answer["k"] == 3
    assert [point["k"] for point in answer["curve"]] == [2, 3, 4]
    assert answer["projection"] is None


def test_the_same_request_has_the_same_answer(client: httpx.Client, text_url: str) -> None:
    body = {
        "texts": [f"{text} {number}" for number in range(3) for text in TEXTS],
        "k": 4,
        "projection": "tsne",
        "seed": 5,
    }
    assert post(client, text_url, **body).content == post(client, text_url, **body).content


def test_stage_directions_and_short_texts_are_left_out(client: httpx.Client, text_url: str) -> None:
    texts = ["one two three", "[crosstalk 00:58:01] one two", "four five six seven"]
    answer = post(client, text_url, texts=texts, k=1, min_words=3).json()
    assert answer["labels"] == [0, -1, 0]
    assert answer["clusters"][0]["size"] == 2


def test_long_texts_are_grouped_by_their_beginnings(client: httpx.Client, text_url: str) -> None:
    answer = post(client, text_url, texts=["word " * 400, "other"], k=1).json()
    assert answer["warnings"] == ["texts longer than 256 tokens, grouped by their beginnings: 1"]


def test_texts_all_alike_are_one_cluster(client: httpx.Client, text_url: str) -> None:
    answer = post(client, text_url, texts=["the same thing"] * 30, k=5, projection="tsne").json()
    assert answer["labels"] == [0] * 30
    assert any("one cluster" in warning for warning in answer["warnings"])


def test_debate(client: httpx.Client, text_url: str, debate: list[str]) -> None:
    answer = post(client, text_url, texts=debate, k=10, min_words=11, projection="tsne", seed=0).json()
    assert len(answer["labels"]) == len(debate)
    assert answer["labels"].count(-1) > 300
    terms = [set(cluster["terms"]) for cluster in answer["clusters"]]
    assert any({"ballots", "vote"} <= each for each in terms)
    assert any({"tax"} <= each for each in terms)
    assert not any({"crosstalk"} & each for each in terms)
    # Statements of one conversation hardly part: .066 to .099 at every k, by an independent count for one speaker.
    assert 0.03 < answer["silhouette"] < 0.15
    assert answer["projection"]["method"] == "tsne"


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({}, 400, "/texts"),
        ({"texts": []}, 422, "/texts"),
        ({"texts": "a"}, 400, "/texts"),
        ({"texts": ["a", 1]}, 400, "/texts/1"),
        ({"texts": ["a", " \n"]}, 422, "/texts/1"),
        ({"texts": ["a", "b"], "k": 3}, 422, "/k"),
        ({"texts": ["a"], "k": 0}, 422, "/k"),
        ({"texts": ["a"], "k": "some"}, 422, "/k"),
        ({"texts": ["a"], "k": 1.5}, 400, "/k"),
        ({"texts": ["a"], "k": True}, 400, "/k"),
        ({"texts": ["a"], "method": "hdbscan"}, 422, "/method"),
        ({"texts": ["a"], "projection": "umap"}, 422, "/projection"),
        ({"texts": ["a"], "min_words": 0}, 422, "/min_words"),
        ({"texts": ["a b"], "min_words": 3}, 422, "/min_words"),
        ({"texts": ["[inaudible]", "..."]}, 422, "/min_words"),
        ({"texts": ["a"], "seed": -1}, 422, "/seed"),
        ({"texts": ["a"], "linkage": "ward"}, 400, "/linkage"),
    ],
)
def test_refusals_point_at_the_field(client: httpx.Client, text_url: str, body: Any, status: int, pointer: str) -> None:
    answer = client.post(f"{text_url}/v1/text/cluster", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]


def test_more_texts_than_the_limit_are_413(client: httpx.Client, text_url: str) -> None:
    answer = post(client, text_url, texts=["a"] * 5001, k=1)
    assert answer.status_code == 413
    assert "5,000" in answer.json()["detail"]


@pytest.mark.parametrize("raw", [b'{"texts": ["\\ud800"]}', b'{"texts": ["\xff"]}', b'{"texts": [', b"null"])
def test_bodies_that_are_no_json_are_400(client: httpx.Client, text_url: str, raw: bytes) -> None:
    answer = client.post(f"{text_url}/v1/text/cluster", content=raw)
    assert answer.status_code == 400, answer.text
