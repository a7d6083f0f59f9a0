"""The stock client of the protocol, binary by default, against a service of ours."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.http import InferenceServerClient as Client
from tritonclient.utils import InferenceServerException

from shared.inference.types import Array

X = np.arange(6, dtype=np.float32).reshape(2, 3)


def tensor(name: str, array: Array, datatype: str, *, binary: bool = True) -> triton.InferInput:
    given = triton.InferInput(name, list(array.shape), datatype)
    given.set_data_from_numpy(array, binary_data=binary)
    return given


def words(*values: bytes) -> Array:
    array = np.empty(len(values), np.object_)
    array[:] = values
    return array


def test_server_and_models(client: Client) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    server = client.get_server_metadata()
    assert server["name"] == "vernier"
    assert {"binary_tensor_data", "statistics", "model_repository"} <= set(server["extensions"])
    assert client.is_model_ready("double")
    assert client.is_model_ready("double", "1")
    assert not client.is_model_ready("double", "7")
    assert not client.is_model_ready("nothing")


def test_metadata_and_configuration(client: Client) -> None:
    described = client.get_model_metadata("double")
    assert described["versions"] == ["10", "1"]
    assert described["model"]["version"] == "10"
    assert described["inputs"][0] == {"name": "x", "datatype": "FP32", "shape": [-1, -1]}
    assert described["inputs"][1]["optional"] is True
    assert client.get_model_metadata("double", "1")["model"]["version"] == "1"
    config = client.get_model_config("words")
    assert config["input"][0] == {"name": "x", "data_type": "TYPE_STRING", "dims": [-1]}
    assert config["max_batch_size"] == 0
    assert config["version_policy"] == {"all": {}}


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("packing", [None, "gzip", "deflate"])
def test_a_model_is_run(client: Client, binary: bool, packing: str | None) -> None:
    found = client.infer(
        "double", [tensor("x", X, "FP32", binary=binary)], request_compression_algorithm=packing,
        response_compression_algorithm=packing,
    )  # fmt: skip
    assert found.as_numpy("y").tolist() == (20 * X).tolist()
    assert found.as_numpy("scale").tolist() == [20]
    head = found.get_response()
    assert (head["model_name"], head["model_version"]) == ("double", "10")
    assert "id" not in head


def test_version_outputs_and_id(client: Client) -> None:
    asked = [triton.InferRequestedOutput("scale", binary_data=False), triton.InferRequestedOutput("y")]
    found = client.infer("double", [tensor("x", X, "FP32")], model_version="1", outputs=asked, request_id="mine")
    head = found.get_response()
    assert (head["id"], head["model_version"]) == ("mine", "1")
    assert [output["name"] for output in head["outputs"]] == ["scale", "y"]
    assert head["outputs"][0]["data"] == [2.0]
    assert "data" not in head["outputs"][1]
    assert found.as_numpy("y").tolist() == (2 * X).tolist()


def test_several_at_once(client: Client) -> None:
    asked = [client.async_infer("double", [tensor("x", X + k, "FP32")]) for k in range(8)]
    for k, each in enumerate(asked):
        assert each.get_result().as_numpy("y").tolist() == (20 * (X + k)).tolist()


def test_bytes_and_whole_numbers_are_exact(client: Client) -> None:
    data = words(b"\xff\xd8", b"", "ä".encode(), b"\0\n")
    assert client.infer("words", [tensor("x", data, "BYTES")]).as_numpy("y").tolist() == data.tolist()
    text = words(b"a", "ä".encode())
    asked = [triton.InferRequestedOutput("y", binary_data=False)]
    found = client.infer("words", [tensor("x", text, "BYTES", binary=False)], outputs=asked)
    assert found.get_output("y")["data"] == ["a", "ä"]
    large = np.array([0, (1 << 64) - 1, (1 << 53) + 1], np.uint64)
    for binary in (True, False):
        given = tensor("x", large, "UINT64", binary=binary)
        found = client.infer("count", [given], outputs=[triton.InferRequestedOutput("y", binary_data=binary)])
        assert found.as_numpy("y").tolist() == large.tolist()


def test_an_optional_input_and_empty_tensors(client: Client) -> None:
    offset = np.array([0.5])
    found = client.infer("double", [tensor("x", X, "FP32"), tensor("offset", offset, "FP64")])
    assert found.as_numpy("y").tolist() == (20 * X + 0.5).tolist()
    empty = np.empty((0, 3), np.float32)
    for binary in (True, False):
        assert client.infer("double", [tensor("x", empty, "FP32", binary=binary)]).as_numpy("y").shape == (0, 3)


def test_statistics(client: Client) -> None:
    def counted() -> dict[str, Any]:
        (entry,) = client.get_inference_statistics("words")["model_stats"]
        return dict(entry)

    before = counted()
    client.infer("words", [tensor("x", words(b"a"), "BYTES")])
    after = counted()
    assert (after["name"], after["version"]) == ("words", "1")
    assert after["inference_count"] == before["inference_count"] + 1
    assert after["inference_stats"]["success"]["count"] == before["inference_stats"]["success"]["count"] + 1
    assert after["inference_stats"]["compute_infer"]["ns"] > before["inference_stats"]["compute_infer"]["ns"]
    assert {entry["name"] for entry in client.get_inference_statistics()["model_stats"]} >= {"words", "double"}
    assert len(client.get_inference_statistics("double")["model_stats"]) == 2
    assert len(client.get_inference_statistics("double", "1")["model_stats"]) == 1


def infer(**options: Any) -> Callable[[Client], object]:
    given = {"model_name": "double", "inputs": [tensor("x", X, "FP32")], **options}
    return lambda client: client.infer(**given)


@pytest.mark.parametrize(
    ("ask", "status", "says"),
    [
        (infer(model_name="nothing"), 404, "there is no model 'nothing'; there are: away, count, double, words"),
        (infer(model_version="7"), 404, "version '7' of model double is not loaded; loaded: 10, 1"),
        (infer(inputs=[tensor("z", X, "FP32")]), 400, "there is no input 'z'; the model takes x (FP32 [-1, -1])"),
        (infer(inputs=[tensor("offset", np.zeros(1), "FP64")]), 400, "input 'x' is missing"),
        (infer(inputs=[tensor("x", X.astype(np.float64), "FP64")]), 400, "input 'x' is FP64; it must be FP32"),
        (infer(inputs=[tensor("x", X[0], "FP32")]), 400, "input 'x' has shape [3]; it must be [-1, -1]"),
        (infer(inputs=[tensor("x", X, "FP32")] * 2), 400, "input 'x' is given twice"),
        (infer(outputs=[triton.InferRequestedOutput("z")]), 400, "there is no output 'z'; the model gives y, scale"),
        (infer(outputs=[triton.InferRequestedOutput("y", class_count=2)]), 400, "classification is not offered"),
        (infer(sequence_id=7), 400, "keep no sequences"),
        (infer(timeout=1), 504, "deadline"),
        (infer(parameters={"timeouts": 1}, inputs=[]), 400, "inputs is empty"),
        (lambda client: client.get_model_metadata("nothing"), 404, "there is no model 'nothing'"),
        (lambda client: client.get_model_config("double", "7"), 404, "version '7'"),
        (lambda client: client.get_inference_statistics("nothing"), 404, "there is no model"),
        (lambda client: client.load_model("nothing"), 404, "there is no model 'nothing'"),
        (lambda client: client.load_model("double", config="{}"), 400, "the parameter config is not taken"),
        (lambda client: client.load_model("double", files={"file:1/model.onnx": b""}, config="{}"), 400, "not taken"),
        (lambda client: client.unload_model("nothing"), 404, "there is no model 'nothing'"),
    ],
)
def test_a_refusal_says_what_is_wrong(client: Client, ask: Callable[[Client], object], status: int, says: str) -> None:
    with pytest.raises(InferenceServerException) as caught:
        ask(client)
    assert caught.value.status() == str(status)
    assert says in caught.value.message()
    assert client.infer("double", [tensor("x", X, "FP32")]).as_numpy("scale").tolist() == [20]


def test_a_deadline_in_microseconds(client: Client) -> None:
    with pytest.raises(InferenceServerException, match="deadline"):
        client.infer("double", [tensor("x", X, "FP32")], parameters={"hold_s": 30.0}, timeout=50_000)
    assert client.infer("double", [tensor("x", X, "FP32")], timeout=60_000_000, priority=1).as_numpy("y") is not None


def test_load_and_unload(client: Client) -> None:
    def index() -> dict[str, str]:
        return {f"{each['name']}/{each['version']}": each["state"] for each in client.get_model_repository_index()}

    assert index()["away/1"] == "READY"
    client.unload_model("away")
    assert index()["away/1"] == "UNAVAILABLE"
    assert not client.is_model_ready("away")
    with pytest.raises(InferenceServerException, match="away is not loaded; POST /v2/repository/models/away/load"):
        client.infer("away", [tensor("x", X, "FP32")])
    client.load_model("away")
    assert client.infer("away", [tensor("x", X, "FP32")]).as_numpy("y").tolist() == X.tolist()
