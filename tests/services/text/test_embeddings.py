"""/v1/embeddings over a real socket, with OpenAI's own client and with what no client would send."""

import base64
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from numpy.typing import NDArray

from services.text.embedder import Embedder
from tests.services.text.served import MODEL_VERSION, NEAR
from tests.sockets import exchange

TEXTS = ["A man is riding a horse.", "unemployment", "hello " * 400]


@pytest.fixture
def stock(text_url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{text_url}/v1", api_key="none", max_retries=0)


def post(client: httpx.Client, url: str, body: Any) -> httpx.Response:
    return client.post(f"{url}/v1/embeddings", json=body)


def unpacked(text: str) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(text), dtype="<f4")


def test_the_stock_client_works_unchanged(stock: openai.OpenAI, embedder: Embedder) -> None:
    answer = stock.embeddings.create(model="text-embedding", input=TEXTS)
    assert answer.object == "list"
    assert answer.model == "text-embedding"
    assert [each.index for each in answer.data] == [0, 1, 2]
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 9 + 3 + 256
    np.testing.assert_allclose([each.embedding for each in answer.data], embedder.embed(TEXTS), atol=NEAR)
    as_floats = stock.embeddings.create(model="text-embedding", input=TEXTS[0], encoding_format="float")
    np.testing.assert_allclose(as_floats.data[0].embedding, answer.data[0].embedding, atol=1e-6)


def test_the_stock_client_reads_our_refusals(stock: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="input 1 is empty") as refused:
        stock.embeddings.create(model="text-embedding", input=["a", ""])
    assert refused.value.param == "input"
    assert refused.value.type == "invalid_request_error"
    with pytest.raises(openai.NotFoundError, match="text-embedding") as unknown:
        stock.embeddings.create(model="text-embedding-3-small", input="a")
    assert unknown.value.code == "model_not_found"


def test_floats_and_base64_are_the_same_numbers(client: httpx.Client, text_url: str) -> None:
    floats = post(client, text_url, {"input": TEXTS}).json()
    packed = post(client, text_url, {"input": TEXTS, "encoding_format": "base64"}).json()
    for one, two in zip(floats["data"], packed["data"], strict=True):
        assert np.array_equal(np.float32(one["embedding"]), unpacked(two["embedding"]))
    assert floats["model_version"] == MODEL_VERSION


def test_dimensions_are_cut_then_brought_to_length_1(client: httpx.Client, text_url: str) -> None:
    whole = unpacked(
        post(client, text_url, {"input": "a cat", "encoding_format": "base64"}).json()["data"][0]["embedding"]
    )
    cut = post(client, text_url, {"input": "a cat", "dimensions": 64}).json()["data"][0]["embedding"]
    np.testing.assert_allclose(cut, whole[:64] / np.linalg.norm(whole[:64]), atol=1e-6)
    same = post(client, text_url, {"input": "a cat", "dimensions": 384}).json()["data"][0]["embedding"]
    assert np.array_equal(np.float32(same), whole)


def test_every_item_says_its_tokens_and_whether_it_was_cut(stock: openai.OpenAI) -> None:
    data = stock.embeddings.create(model="text-embedding", input=TEXTS).data
    assert [(each.tokens, each.truncated) for each in data] == [(9, False), (3, False), (256, True)]  # type: ignore[attr-defined]


def test_truncation_is_said(client: httpx.Client, text_url: str) -> None:
    assert post(client, text_url, {"input": [*TEXTS, "word " * 500]}).headers["x-truncated"] == "2"
    assert "x-truncated" not in post(client, text_url, {"input": TEXTS[:2]}).headers


def test_every_statement_of_a_debate(
    client: httpx.Client, text_url: str, embedder: Embedder, debate: list[str]
) -> None:
    answer = post(client, text_url, {"input": debate, "encoding_format": "base64"})
    assert answer.status_code == 200
    assert "x-truncated" not in answer.headers
    vectors = [unpacked(each["embedding"]) for each in answer.json()["data"]]
    assert len(vectors) == len(debate)
    for index in range(0, len(debate), 100):
        np.testing.assert_allclose(vectors[index], embedder.embed([debate[index]])[0], atol=NEAR)


@pytest.mark.parametrize(
    ("body", "status", "param", "says"),
    [
        ({}, 400, "input", "required"),
        ({"input": ""}, 400, "input", "input 0 is empty"),
        ({"input": ["a", " \u200b"]}, 400, "input", "input 1 is empty"),
        (
            {"input": ["", "a", " ", "b", "\t"]},
            400,
            "input",
            "3 of the 5 inputs are empty",
        ),
        ({"input": []}, 400, "input", "non-empty"),
        ({"input": None}, 400, "input", "string"),
        ({"input": {"a": 1}}, 400, "input", "string"),
        ({"input": [101, 102]}, 400, "input", "token ids are not taken"),
        ({"input": [[101, 102]]}, 400, "input", "token ids are not taken"),
        ({"input": ["a", None]}, 400, "input", "item 1"),
        ({"input": ["a"] * 2049}, 400, "input", "2,048"),
        ({"input": "a", "model": "gpt-4"}, 404, "model", "text-embedding"),
        ({"input": "a", "model": 3}, 400, "model", "string"),
        ({"input": "a", "dimensions": 0}, 400, "dimensions", "greater than or equal to 1"),
        ({"input": "a", "dimensions": 385}, 400, "dimensions", "384"),
        ({"input": "a", "dimensions": "many"}, 400, "dimensions", "integer"),
        ({"input": "a", "encoding_format": "hex"}, 400, "encoding_format", "base64"),
        ({"input": "a", "truncate": True}, 400, "truncate", "not permitted"),
        ({"input": ["word " * 254 + str(number) for number in range(1200)]}, 413, None, "300,000"),
    ],
)
def test_refusals_have_openais_shape(
    client: httpx.Client, text_url: str, body: Any, status: int, param: str | None, says: str
) -> None:
    answer = post(client, text_url, body)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert says in error["message"]


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b'"a"', b'{"input": "\\ud800"}', b'{"input": "\xff"}', b'{"input": NaN}', b"\x00"]
)
def test_bodies_that_are_no_json_are_400(client: httpx.Client, text_url: str, raw: bytes) -> None:
    answer = client.post(f"{text_url}/v1/embeddings", content=raw, headers={"content-type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_another_content_type_is_415(client: httpx.Client, text_url: str) -> None:
    answer = client.post(f"{text_url}/v1/embeddings", content=b"a,b", headers={"content-type": "text/csv"})
    assert answer.status_code == 415
    assert "application/json" in answer.json()["error"]["message"]


def test_an_announced_body_beyond_the_limit_is_refused_unread(text_url: str) -> None:
    head = b"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99999999"
    assert exchange(text_url, head + b"\r\n\r\n").startswith(b"HTTP/1.1 413")


def test_a_word_of_a_megabyte_is_one_token(client: httpx.Client, text_url: str) -> None:
    answer = post(client, text_url, {"input": "a" * 1_000_000})
    assert answer.json()["usage"]["prompt_tokens"] == 3


def test_a_passed_deadline_has_openais_shape_too(client: httpx.Client, text_url: str) -> None:
    body = {"input": [f"{number} " + "word " * 250 for number in range(200)]}
    answer = client.post(f"{text_url}/v1/embeddings", json=body, headers={"x-request-timeout-ms": "50"})
    assert answer.status_code == 504
    assert answer.json()["error"]["type"] == "server_error"
