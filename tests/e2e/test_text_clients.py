"""The stock clients of sentence vectors, unmodified, at the gateway."""

import httpx
import numpy as np
import openai
import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError

pytestmark = pytest.mark.e2e

TEXTS = ["How old are you?", "What is your age?", "How heavy are you?"]


def test_openais_client_and_hugging_faces_get_the_same_vectors(vernier: str) -> None:
    packed = openai.OpenAI(base_url=f"{vernier}/v1", api_key="none").embeddings.create(
        model="text-embedding", input=TEXTS
    )
    vectors = np.array([each.embedding for each in packed.data], dtype=np.float32)
    stock = InferenceClient(model=f"{vernier}/embed")
    # Asked anew a text may run in other company: a cosine of 0.99999.
    np.testing.assert_allclose(stock.feature_extraction(TEXTS), vectors, atol=5e-3)
    cosines = InferenceClient(model=f"{vernier}/similarity").sentence_similarity(TEXTS[0], TEXTS[1:])
    np.testing.assert_allclose(cosines, vectors[1:] @ vectors[0], atol=5e-3)


def test_a_second_time_it_is_known_with_its_headers(vernier: str) -> None:
    first, again = (httpx.post(f"{vernier}/embed", json={"inputs": "known the second time"}) for _ in range(2))
    assert (first.headers["x-cache-status"], again.headers["x-cache-status"]) == ("MISS", "HIT")
    assert again.content == first.content
    assert again.headers["x-compute-tokens"] == first.headers["x-compute-tokens"] == "6"


def test_refusals_cross_the_gateway_in_their_shape(vernier: str) -> None:
    with pytest.raises(HfHubHTTPError, match="input 1 is empty"):
        InferenceClient(model=f"{vernier}/embed").feature_extraction(["a", ""])
    too_large = b'{"inputs": "' + b"a" * (65 << 20) + b'"}'
    own = httpx.post(f"{vernier}/embed", content=too_large, headers={"content-type": "application/json"})
    assert own.status_code == 413
    assert own.json().keys() == {"error", "error_type"}
    assert httpx.get(f"{vernier}/info").json()["max_input_length"] == 256
