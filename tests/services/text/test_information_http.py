"""/v1/text/information over a real socket."""

from math import fsum, log2
from typing import Any

import httpx
import pytest


def post(client: httpx.Client, url: str, **body: Any) -> httpx.Response:
    return client.post(f"{url}/v1/text/information", json=body)


def test_bits_by_hand(client: httpx.Client, text_url: str) -> None:
    answer = post(client, text_url, texts=["A b. Z!"], corpus=["a a b", "a"], smoothing=1, per_token=True).json()
    expected = [log2(7 / 4), log2(7 / 2), log2(7)]
    (score,) = answer["scores"]
    assert [each["bits"] for each in score["token_bits"]] == pytest.approx(expected, rel=1e-15)
    assert [each["token"] for each in score["token_bits"]] == ["a", "b", "z"]
    assert score["bits"] == pytest.approx(fsum(expected), rel=1e-15)
    assert score["bits_per_token"] == pytest.approx(fsum(expected) / 3, rel=1e-15)
    assert answer["unit"] == "bits"
    assert answer["model"] == {"name": "unigram", "version": "2"}
    entropy = 2 - 0.75 * log2(3)
    figures = {"entropy_bits": pytest.approx(entropy), "perplexity": pytest.approx(2**entropy)}
    assert answer["corpus"] == {"texts": 2, "tokens": 4, "types": 2, **figures}
    assert answer["background"] is None


def test_words_in_their_order_and_the_end_of_the_text(client: httpx.Client, text_url: str) -> None:
    answer = post(client, text_url, texts=["a b", "b c a", "..."], estimator="ngram", per_token=True).json()
    assert answer["model"]["name"] == "kneser-ney-3"
    assert [each["token"] for each in answer["scores"][1]["token_bits"]] == ["b", "c", "a", "</s>"]
    assert answer["scores"][2]["bits"] == 0
    for score in answer["scores"]:
        assert fsum(each["bits"] for each in score["token_bits"]) == pytest.approx(score["bits"])


def test_compression_tells_what_it_could_not_see(client: httpx.Client, text_url: str) -> None:
    answer = post(client, text_url, texts=["a b", "b c a"], estimator="compression").json()
    assert answer["model"]["name"] == "deflate"
    assert answer["warnings"] == []
    assert all(0 <= score["ncd"] <= 1.1 and score["bits"] % 8 == 0 for score in answer["scores"])
    corpus = [" ".join(f"word{row}x{column}" for column in range(60)) for row in range(100)]
    answer = post(client, text_url, texts=["a b"], corpus=corpus, estimator="compression").json()
    assert "32 KB" in answer["warnings"][0]


@pytest.mark.parametrize("estimator", ["unigram", "ngram"])
def test_fillers_say_little_and_ohio_much(client: httpx.Client, text_url: str, estimator: str) -> None:
    texts = ["Yeah, mmm-hmm", "The unemployment rate in Ohio rose to five percent.", "I don't know.", "Um, yeah."]
    answer = post(client, text_url, texts=texts, background="spoken", estimator=estimator).json()
    assert answer["background"]["version"].startswith("wordfreq")
    bits = [score["bits"] for score in answer["scores"]]
    assert max(bits) == bits[1] > 4 * bits[0]
    assert answer["scores"][1]["percentile"] > 80


def test_token_bits_only_when_asked_for(client: httpx.Client, text_url: str) -> None:
    answer = post(client, text_url, texts=["a b", "b c"]).json()
    assert all("token_bits" not in score for score in answer["scores"])
    assert answer["warnings"] == []


def test_a_text_alone_is_told_to_bring_a_corpus(client: httpx.Client, text_url: str) -> None:
    answer = post(client, text_url, texts=["a b c"]).json()
    assert answer["scores"][0]["bits"] == pytest.approx(3 * log2(4))
    assert "send a corpus" in answer["warnings"][0]


def test_debate(client: httpx.Client, text_url: str, debate: list[str]) -> None:
    answer = post(client, text_url, texts=debate).json()
    assert len(answer["scores"]) == len(debate)
    assert answer["corpus"]["tokens"] > 15_000
    shortest = min(range(len(debate)), key=lambda index: answer["scores"][index]["bits"])
    longest = max(range(len(debate)), key=lambda index: answer["scores"][index]["bits"])
    assert answer["scores"][shortest]["tokens"] <= 1
    assert answer["scores"][longest]["tokens"] > 150
    silent = [score for score in answer["scores"] if score["tokens"] == 0]
    assert all(score["bits"] == 0 and score["bits_per_token"] is None for score in silent)


def test_a_word_of_a_megabyte_is_one_word(client: httpx.Client, text_url: str) -> None:
    answer = post(client, text_url, texts=["a" * 1_000_000, "b"]).json()
    assert answer["scores"][0]["tokens"] == 1


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({}, 400, "/texts"),
        ({"texts": []}, 422, "/texts"),
        ({"texts": {"a": 1}}, 400, "/texts"),
        ({"texts": ["a", None]}, 400, "/texts/1"),
        ({"texts": ["a", "b", ""]}, 422, "/texts/2"),
        ({"texts": ["..."]}, 422, "/texts"),
        ({"texts": ["a"], "corpus": []}, 422, "/corpus"),
        ({"texts": ["a"], "corpus": ["a", "\t"]}, 422, "/corpus/1"),
        ({"texts": ["a"], "corpus": ["!"]}, 422, "/corpus"),
        ({"texts": ["a"], "estimator": "bigram"}, 422, "/estimator"),
        ({"texts": ["a"], "estimator": "compression", "background": "spoken"}, 422, "/background"),
        ({"texts": ["a"], "estimator": "compression", "per_token": True}, 422, "/per_token"),
        ({"texts": ["a"], "corpus": ["a"], "corpus_id": "b"}, 422, "/corpus_id"),
        ({"texts": ["a"], "corpus_id": "../b"}, 422, "/corpus_id"),
        ({"texts": ["a"], "background_weight": 1.5}, 422, "/background_weight"),
        ({"texts": ["a"], "smoothing": 0}, 422, "/smoothing"),
        ({"texts": ["a"], "smoothing": "much"}, 400, "/smoothing"),
        ({"texts": ["a"], "per_token": "maybe"}, 400, "/per_token"),
        ({"texts": ["a"], "background": "written"}, 422, "/background"),
    ],
)
def test_refusals_point_at_the_field(client: httpx.Client, text_url: str, body: Any, status: int, pointer: str) -> None:
    answer = client.post(f"{text_url}/v1/text/information", json=body)
    assert answer.status_code == status, answer.text
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize("raw", [b'{"texts": ["\\udfff"]}', b'{"texts": ["\xc3"]}', b"", b"{}x"])
def test_bodies_that_are_no_json_are_400(client: httpx.Client, text_url: str, raw: bytes) -> None:
    answer = client.post(f"{text_url}/v1/text/information", content=raw)
    assert answer.status_code == 400, answer.text


def test_more_words_than_the_limit_are_413(client: httpx.Client, text_url: str, whole_text: str) -> None:
    for more in ({}, {"corpus": ["b"]}):
        answer = post(client, whole_text, texts=["a " * 25_000, "a " * (25_001 - len(more))], estimator="ngram", **more)
        assert answer.status_code == 413
        assert "50,000 words" in answer.json()["detail"]
    answer = post(client, text_url, texts=["a"] * 5_001, estimator="compression")
    assert "5,001 texts" in answer.json()["detail"]


@pytest.mark.parametrize("estimator", ["unigram", "ngram", "compression"])
def test_texts_that_are_all_the_same(client: httpx.Client, text_url: str, estimator: str) -> None:
    answer = post(client, text_url, texts=["the same again"] * 20, estimator=estimator).json()
    assert {score["percentile"] for score in answer["scores"]} == {50}
    assert len({score["bits"] for score in answer["scores"]}) == 1


@pytest.mark.parametrize("estimator", ["unigram", "ngram"])
def test_a_hundred_thousand_texts(client: httpx.Client, text_url: str, estimator: str) -> None:
    answer = post(client, text_url, texts=["yes", "no", "well, no"] * 33_333 + ["news"], estimator=estimator).json()
    assert len(answer["scores"]) == 100_000
    assert answer["scores"][-1]["bits"] > answer["scores"][0]["bits"]


def test_more_texts_than_the_limit_are_413(client: httpx.Client, text_url: str) -> None:
    answer = post(client, text_url, texts=["a"] * 100_000, corpus=["a"])
    assert answer.status_code == 413
    assert "100,001 texts" in answer.json()["detail"]
