"""The sentence model by the Open Inference Protocol, asked by its stock client."""

import csv
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from services.text.embedder import Embedder
from services.text.model import MODEL_NAME
from tests.services.text.served import MODEL_VERSION, NEAR

TEXTS = ["A man is riding a horse.", "größer", "hello " * 400]


@pytest.fixture
def stock(text_url: str) -> Any:
    client = triton.InferenceServerClient(urlsplit(text_url).netloc)
    yield client
    client.close()


def asked(texts: list[str], *, binary: bool = True) -> Any:
    tensor = triton.InferInput("text", [len(texts)], "BYTES")
    return tensor.set_data_from_numpy(np.array([text.encode() for text in texts], dtype=object), binary_data=binary)


@pytest.mark.parametrize("binary", [True, False])
def test_the_stock_client_gets_the_same_vectors(stock: Any, embedder: Embedder, binary: bool) -> None:
    wanted = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("embedding", "tokens", "truncated")]
    answer = stock.infer(MODEL_NAME, [asked(TEXTS, binary=binary)], outputs=wanted, request_id="7")
    np.testing.assert_allclose(answer.as_numpy("embedding"), embedder.embed(TEXTS), atol=NEAR)
    assert answer.as_numpy("embedding").dtype == np.float32
    assert answer.as_numpy("tokens").tolist()[0] == 9
    assert answer.as_numpy("truncated").tolist() == [False, False, True]
    described = answer.get_response()
    assert (described["model_name"], described["model_version"], described["id"]) == (MODEL_NAME, MODEL_VERSION, "7")


def test_a_version_can_be_named(stock: Any) -> None:
    answer = stock.infer(MODEL_NAME, [asked(["a"])], model_version=MODEL_VERSION)
    assert answer.get_response()["model_version"] == MODEL_VERSION
    with pytest.raises(InferenceServerException, match="version '0-none'"):
        stock.infer(MODEL_NAME, [asked(["a"])], model_version="0-none")


def test_the_model_describes_itself(stock: Any) -> None:
    assert stock.is_model_ready(MODEL_NAME)
    facts = stock.get_model_metadata(MODEL_NAME)
    assert facts["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    assert [(each["name"], each["datatype"], each["shape"]) for each in facts["outputs"]] == [
        ("embedding", "FP32", [-1, 384]),
        ("tokens", "INT32", [-1]),
        ("truncated", "BOOL", [-1]),
        ("cached", "BOOL", [-1]),
    ]


def test_texts_of_every_way_count_in_one_place(stock: Any, client: httpx.Client, text_url: str) -> None:
    def counted() -> int:
        (facts,) = stock.get_inference_statistics(MODEL_NAME)["model_stats"]
        assert facts["version"] == MODEL_VERSION
        return int(facts["inference_count"])

    before = counted()
    stock.infer(MODEL_NAME, [asked(["one", "two"])])
    client.post(f"{text_url}/v1/embeddings", json={"input": "three"})
    client.post(f"{text_url}/v1/text/cluster", json={"texts": ["four of them", "five"], "k": 1})
    assert counted() - before == 5


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "says"),
    [
        ("FP32", [1], [1.0], "BYTES"),
        ("BYTES", [2], ["a"], "shape"),
        ("BYTES", [1, 1], ["a"], "shape"),
        ("BYTES", [1], [""], "empty"),
    ],
)
def test_faults_are_the_requests(
    client: httpx.Client, text_url: str, datatype: str, shape: list[int], data: list[Any], says: str
) -> None:
    tensor = {"name": "text", "datatype": datatype, "shape": shape, "data": data}
    answer = client.post(f"{text_url}/v2/models/{MODEL_NAME}/infer", json={"inputs": [tensor]})
    assert answer.status_code in {400, 422}
    assert says in answer.json()["error"]


def test_hundred_questions_at_once_are_answered_each_by_its_own(
    text_url: str, client: httpx.Client, embedder: Embedder, data: Path
) -> None:
    with (data / "text" / "banking77_train.csv").open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)][:100]
    stock = triton.InferenceServerClient(urlsplit(text_url).netloc, concurrency=16)
    pending = [stock.async_infer(MODEL_NAME, [asked([text])]) for text in texts]
    found = np.concatenate([each.get_result().as_numpy("embedding") for each in pending])
    stock.close()
    np.testing.assert_allclose(found, embedder.embed(texts), atol=NEAR)
    (facts,) = client.get(f"{text_url}/v2/models/{MODEL_NAME}/stats").json()["model_stats"]
    assert facts["execution_count"] < facts["inference_count"]
