"""POST /embed, POST /similarity and GET /info to the letter of text-embeddings-inference."""

from typing import Any

import httpx
import numpy as np
import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError

from services.text.embedder import Embedder
from services.text.examples import EMBED, SIMILARITY
from tests.services.text.served import MODEL_VERSION, NEAR

TEXTS = ["A man is riding a horse.", "unemployment", "How do I top up my card?"]
LONG = "first " + "word " * 300 + "last"
TIMES = ("x-compute-time", "x-total-time", "x-tokenization-time", "x-queue-time", "x-inference-time")


def embed(client: httpx.Client, url: str, **body: Any) -> httpx.Response:
    return client.post(f"{url}/embed", json=body)


def test_the_stock_client_reads_vectors(text_url: str, embedder: Embedder) -> None:
    stock = InferenceClient(model=f"{text_url}/embed")
    one = stock.feature_extraction(TEXTS[0])
    assert one.shape == (1, 384)
    assert one.dtype == np.float32
    np.testing.assert_allclose(one[0], embedder.embed(TEXTS[:1])[0], atol=NEAR)
    several = stock.feature_extraction([*TEXTS, LONG], normalize=True, truncate=True, truncation_direction="left")
    np.testing.assert_allclose(several[:3], embedder.embed(TEXTS), atol=NEAR)
    ids = embedder.prepare([LONG], left=True).distinct
    np.testing.assert_allclose(several[3], embedder.run(ids)[0, :-1], atol=NEAR)
    raw = stock.feature_extraction(TEXTS, normalize=False)
    norms = embedder.run(embedder.prepare(TEXTS[:1]).distinct)[0, -1]
    assert np.linalg.norm(raw[0]) == pytest.approx(norms, rel=1e-3)
    assert abs(norms - 1) > 0.1
    cut = stock.feature_extraction(TEXTS[0], dimensions=64)
    np.testing.assert_allclose(cut[0], one[0, :64] / np.linalg.norm(one[0, :64]), atol=NEAR)


def test_the_stock_client_reads_similarities(text_url: str, embedder: Embedder) -> None:
    stock = InferenceClient(model=f"{text_url}/similarity")
    found = stock.sentence_similarity("How old are you?", ["What is your age?", "How heavy are you?"])
    vectors = embedder.embed(["How old are you?", "What is your age?", "How heavy are you?"])
    np.testing.assert_allclose(found, vectors[1:] @ vectors[0], atol=NEAR)
    assert found[0] > found[1]


def test_the_stock_client_shows_our_refusals(text_url: str) -> None:
    with pytest.raises(HfHubHTTPError, match="input 1 is empty") as refused:
        InferenceClient(model=f"{text_url}/embed").feature_extraction(["a", " "])
    assert refused.value.response.status_code == 422


def test_headers_say_what_it_took(client: httpx.Client, text_url: str) -> None:
    answer = embed(client, text_url, inputs=["größer", LONG])
    assert answer.headers["x-compute-type"] == "cpu+optimized"
    assert answer.headers["x-compute-characters"] == str(6 + len(LONG))
    assert int(answer.headers["x-compute-tokens"]) == 256 + 6
    assert answer.headers["x-truncated"] == "1"
    assert answer.headers["x-model-version"] == MODEL_VERSION
    times = {name: int(answer.headers[name]) for name in TIMES}
    assert times["x-compute-time"] == times["x-total-time"] >= times["x-inference-time"]
    assert times["x-inference-time"] > 0
    assert "x-truncated" not in embed(client, text_url, inputs="a").headers
    similar = client.post(f"{text_url}/similarity", json=next(iter(SIMILARITY.values())))
    assert set(TIMES) <= set(similar.headers)


def test_long_texts_are_cut_unless_that_is_not_wanted(client: httpx.Client, text_url: str) -> None:
    right = embed(client, text_url, inputs=LONG).json()
    left = embed(client, text_url, inputs=LONG, truncation_direction="Left").json()
    assert not np.allclose(right, left, atol=NEAR)
    refused = embed(client, text_url, inputs=["a", LONG], truncate=False)
    assert refused.status_code == 422
    assert refused.json() == {
        "error": "input 1 has more than the 256 tokens that are read; let `truncate` be true",
        "error_type": "Validation",
    }


@pytest.mark.parametrize(
    ("path", "body", "status", "kind", "says"),
    [
        ("embed", {}, 422, "Validation", "inputs"),
        ("embed", {"inputs": []}, 400, "Empty", "`inputs` cannot be empty"),
        ("embed", {"inputs": ["a", "\u200b", " "]}, 422, "Validation", "2 of the 3 inputs are empty"),
        ("embed", {"inputs": [101, 102]}, 422, "Validation", "token ids are not taken"),
        ("embed", {"inputs": [[101, 102]]}, 422, "Validation", "token ids are not taken"),
        ("embed", {"inputs": "a", "dimensions": 0}, 422, "Validation", "greater than or equal to 1"),
        ("embed", {"inputs": "a", "dimensions": 385}, 422, "Validation", "384"),
        ("embed", {"inputs": "a", "prompt_name": "query"}, 422, "Validation", "no prompt 'query'"),
        ("embed", {"inputs": "a", "truncation_direction": "Up"}, 422, "Validation", "truncation_direction"),
        ("embed", {"inputs": "a", "normalize": "yes"}, 422, "Validation", "normalize"),
        ("embed", {"inputs": ["a"] * 2049}, 422, "Validation", "batch size 2049 > maximum allowed batch size 2048"),
        ("embed", {"inputs": [LONG + str(n) for n in range(1200)]}, 413, "Validation", "300,000"),
        ("similarity", {"inputs": {"source_sentence": "a", "sentences": []}}, 400, "Empty", "cannot be empty"),
        ("similarity", {"inputs": {"source_sentence": "a"}}, 422, "Validation", "sentences"),
        ("similarity", {"inputs": {"source_sentence": "a", "sentences": "b"}}, 422, "Validation", "array"),
        ("similarity", {"inputs": {"source_sentence": "a", "sentences": [1]}}, 422, "Validation", "token ids"),
        ("similarity", {"inputs": {"source_sentence": "", "sentences": ["b"]}}, 422, "Validation", "input 0 is empty"),
        ("similarity", {"inputs": "a"}, 422, "Validation", "inputs"),
    ],
)
def test_refusals_have_its_shape(
    client: httpx.Client, text_url: str, path: str, body: Any, status: int, kind: str, says: str
) -> None:
    answer = client.post(f"{text_url}/{path}", json=body)
    assert answer.status_code == status, answer.text
    assert answer.json().keys() == {"error", "error_type"}
    assert answer.json()["error_type"] == kind
    assert says in answer.json()["error"]


@pytest.mark.parametrize("raw", [b"", b"{", b'{"inputs": "\\ud800"}', b'{"inputs": "\xff"}', b"\x00"])
def test_bodies_that_are_no_json_are_400(client: httpx.Client, text_url: str, raw: bytes) -> None:
    answer = client.post(f"{text_url}/embed", content=raw, headers={"content-type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error_type"] == "Validation"


def test_other_faults_have_its_shape_too(client: httpx.Client, text_url: str) -> None:
    answer = client.post(f"{text_url}/embed", content=b"a", headers={"content-type": "text/plain"})
    assert (answer.status_code, answer.json()["error_type"]) == (415, "Validation")
    body = {"inputs": [f"{number} " + "word " * 250 for number in range(200)]}
    answer = client.post(f"{text_url}/embed", json=body, headers={"x-request-timeout-ms": "50"})
    assert (answer.status_code, answer.json()["error_type"]) == (504, "Backend")
    assert client.get(f"{text_url}/embed").json()["error_type"] == "Validation"


def test_fields_that_it_does_not_know_are_passed_over(client: httpx.Client, text_url: str) -> None:
    assert embed(client, text_url, inputs="a", encoding_format="float", parameters={}).status_code == 200


def test_a_megabyte_without_a_space_is_one_token(client: httpx.Client, text_url: str) -> None:
    assert embed(client, text_url, inputs="a" * 1_000_000).headers["x-compute-tokens"] == "3"


def test_info_describes_the_model(client: httpx.Client, text_url: str) -> None:
    facts = client.get(f"{text_url}/info").json()
    assert facts["model_id"] == "all-MiniLM-L6-v2"
    assert facts["model_sha"].startswith("53aa5117")
    assert facts["model_dtype"] == ("int8" if "int8" in MODEL_VERSION else "float32")
    assert facts["model_type"] == {"embedding": {"pooling": "mean"}}
    assert facts["max_input_length"] == 256
    assert facts["max_client_batch_size"] == 2048
    assert facts["auto_truncate"] is True
    assert facts["model"] == {"name": "text-embedding", "version": MODEL_VERSION}


@pytest.mark.parametrize(("path", "shown"), [("/embed", EMBED), ("/similarity", SIMILARITY)])
def test_it_is_documented_and_its_examples_run(client: httpx.Client, text_url: str, path: str, shown: Any) -> None:
    operation = client.get(f"{text_url}/openapi.json").json()["paths"][path]["post"]
    assert operation["x-vernier-cacheable"] is True
    assert operation["x-vernier-errors"] == "tei"
    assert {"200", "400", "413", "422", "429", "503", "504"} <= operation["responses"].keys()
    assert set(TIMES) <= operation["responses"]["200"]["headers"].keys()
    for example in shown.values():
        assert client.post(text_url + path, json=example).status_code == 200
