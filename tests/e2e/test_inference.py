"""The inference protocol's stock client against a whole Vernier."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import cv2
import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.http import InferenceServerClient as Client
from tritonclient.utils import InferenceServerException

pytestmark = pytest.mark.e2e

TEXTS = ["The deficit has doubled.", "It is raining in Prague.", "Es regnet."]


@pytest.fixture
def client(vernier: str) -> Iterator[Client]:
    place = urlsplit(vernier)
    with Client(place.netloc + place.path, ssl=place.scheme == "https", concurrency=4) as it:
        yield it


def words(values: list[bytes]) -> Any:
    array = np.empty(len(values), np.object_)
    array[:] = values
    return array


def tensor(name: str, array: Any, datatype: str, *, binary: bool = True) -> triton.InferInput:
    given = triton.InferInput(name, list(array.shape), datatype)
    given.set_data_from_numpy(array, binary_data=binary)
    return given


def pictures() -> list[bytes]:
    noise = np.random.default_rng(0).integers(0, 256, (188, 620), np.uint8)
    texture = cv2.GaussianBlur(noise, (0, 0), 2)
    turns = (cv2.getRotationMatrix2D((310, 94), 0, 1.02**k) for k in range(4))
    return [cv2.imencode(".png", cv2.warpAffine(texture, turn, (620, 188)))[1].tobytes() for turn in turns]


def test_both_models_are_there(client: Client, vernier: str) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    listed = httpx.get(f"{vernier}/v2/models").json()["models"]
    assert {"speed", "text-embedding"} <= set(listed)
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    for model in ("speed", "text-embedding"):
        assert client.is_model_ready(model)
        described = client.get_model_metadata(model)
        assert described["versions"] == [described["model"]["version"]]
        assert client.get_model_config(model)["backend"] == "onnxruntime"
        assert client.get_inference_statistics(model)["model_stats"][0]["name"] == model
    ready = {each["name"] for each in client.get_model_repository_index() if each["state"] == "READY"}
    assert {"speed", "text-embedding"} <= ready


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("packing", [None, "gzip"])
def test_texts(client: Client, vernier: str, binary: bool, packing: str | None) -> None:
    given = tensor("text", words([text.encode() for text in TEXTS]), "BYTES", binary=binary)
    asked = [triton.InferRequestedOutput("embedding", binary_data=binary)]
    found = client.infer("text-embedding", [given], outputs=asked, request_compression_algorithm=packing)
    vectors = found.as_numpy("embedding")
    expected = httpx.post(f"{vernier}/v1/embeddings", json={"input": TEXTS}, timeout=60).json()
    assert vectors.shape == (3, 384)
    rows = np.array([each["embedding"] for each in expected["data"]], np.float32)
    assert np.min(np.sum(vectors * rows, axis=1)) > 0.999999
    assert found.get_response()["model_version"] == expected["model_version"]


def test_frames(client: Client, vernier: str) -> None:
    images = pictures()
    inputs = [tensor("image", words(images), "BYTES"), tensor("time_s", np.arange(4) / 10, "FP64")]
    found = client.infer("speed", inputs, request_id="drive")
    files = [("frames", (f"{k}.png", each, "image/png")) for k, each in enumerate(images)]
    expected = httpx.post(f"{vernier}/v1/speed/frames?fps=10", files=files, timeout=60).json()
    assert found.as_numpy("speed_mps").tolist() == [np.nan if v is None else v for v in expected["speed_mps"]]
    assert (found.get_response()["id"], found.get_response()["model_version"]) == (
        "drive",
        expected["model"]["version"],
    )


def test_several_at_once(client: Client) -> None:
    asked = [
        client.async_infer("text-embedding", [tensor("text", words([text.encode()]), "BYTES")])
        for text in [*TEXTS, *TEXTS]
    ]
    rows = [each.get_result().as_numpy("embedding") for each in asked]
    assert all(np.allclose(rows[k], rows[k + 3], atol=1e-6) for k in range(3))


@pytest.mark.parametrize(
    ("model", "inputs", "status", "says"),
    [
        ("text-embedding", [tensor("text", np.zeros((1, 2)), "FP64")], 400, "input 'text' is FP64; it must be BYTES"),
        ("text-embedding", [tensor("text", words([b"a", b"b"]).reshape(1, 2), "BYTES")], 400, "it must be [-1]"),
        (
            "text-embedding",
            [tensor("texts", words([b"a"]), "BYTES")],
            400,
            "there is no input 'texts'; the model takes",
        ),
        ("text-embedding", [tensor("text", words([b"\xff"]), "BYTES")], 400, "UTF-8"),
        ("speed", [tensor("image", words([b"a", b"b"]), "BYTES")], 400, "input 'time_s' is missing"),
        ("speed", [tensor("image", np.zeros((1, 3, 4, 4), np.uint8), "UINT8")], 400, "it must be BYTES"),
        ("speeds", [tensor("image", words([b"a"]), "BYTES")], 404, "there is no model 'speeds'; there are: speed"),
    ],
)
def test_faults_of_shape_type_and_name(client: Client, model: str, inputs: list[Any], status: int, says: str) -> None:
    with pytest.raises(InferenceServerException) as caught:
        client.infer(model, inputs)
    assert caught.value.status() == str(status)
    assert says in caught.value.message()


def test_an_unknown_version(client: Client) -> None:
    with pytest.raises(InferenceServerException, match="version '99' of model speed is not loaded; loaded: ") as caught:
        client.get_model_metadata("speed", "99")
    assert caught.value.status() == "404"
