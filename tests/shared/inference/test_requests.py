"""Inference requests, whole and broken."""

import contextlib
from functools import partial
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Malformed, TooLarge
from shared.inference.answers import encode
from shared.inference.check import admit, check
from shared.inference.requests import MAX_JSON_BYTES, InferRequest, Requested, raw_request, read_request
from shared.inference.tensors import to_binary, to_json
from shared.inference.types import Array, TensorSpec
from shared.responses import json_bytes
from tests.shared.inference.tensors import same, tensors

ONE = {"name": "x", "shape": [2], "datatype": "FP32", "data": [1, 2]}
CHOSEN = st.lists(st.tuples(tensors(text=True, finite=True), st.booleans()), min_size=1, max_size=4)
"""Tensors, each with whether it travels in binary."""
UNSENT = {"name": "x", "shape": [2], "datatype": "FP32"}


def body(**fields: Any) -> bytes:
    return orjson.dumps({"inputs": [ONE], **fields})


@given(
    st.lists(st.tuples(tensors(text=True, finite=True), st.booleans()), min_size=1, max_size=4),
    st.none() | st.text(max_size=4),
)
def test_a_request_there_and_back(given_: list[tuple[tuple[str, Array], bool]], identity: str | None) -> None:
    """Inputs in binary and as JSON, in any mixture."""
    entries, parts = [], []
    for index, ((datatype, array), binary) in enumerate(given_):
        entry: dict[str, Any] = {"name": f"t{index}", "datatype": datatype, "shape": list(array.shape)}
        if binary:
            parts.append(to_binary(datatype, array))
            entry["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            entry["data"] = to_json(datatype, array, "t")
        entries.append(entry)
    head = json_bytes({"inputs": entries, **({} if identity is None else {"id": identity})})
    request = read_request(head + b"".join(parts), len(head) if parts else None)
    assert request.id == identity
    for index, ((datatype, array), _) in enumerate(given_):
        found = request.inputs[f"t{index}"]
        assert found.datatype == datatype
        assert same(found.array, array)


@given(CHOSEN)
def test_an_answer_reads_as_a_request_does(outputs: list[tuple[tuple[str, Array], bool]]) -> None:
    specs = {f"t{k}": TensorSpec(f"t{k}", datatype, array.shape) for k, ((datatype, array), _) in enumerate(outputs)}
    arrays = {f"t{k}": array for k, ((_, array), _) in enumerate(outputs)}
    asked = [Requested(f"t{k}", binary) for k, (_, binary) in enumerate(outputs)]
    encoded = encode(InferRequest({}, id="7", outputs=asked), specs, arrays, "m", "3")
    length = len(encoded.body) if encoded.json_length is None else encoded.json_length
    head = orjson.loads(encoded.body[:length])
    assert (head["model_name"], head["model_version"], head["id"]) == ("m", "3", "7")
    sent = orjson.dumps({"inputs": head["outputs"]})
    again = read_request(sent + encoded.body[length:], None if encoded.json_length is None else len(sent))
    for name, array in arrays.items():
        assert same(again.inputs[name].array, array)


@given(st.binary(max_size=200), st.none() | st.integers(0, 300))
def test_any_bytes_are_a_request_or_a_refusal(data: bytes, length: int | None) -> None:
    with pytest.raises((Malformed, TooLarge)):
        read_request(data, length)


NAMES = ["inputs", "outputs", "name", "shape", "datatype", "data", "parameters", "id", "binary_data_size"]
JSON: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(["FP32", "BYTES", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["inputs", "outputs", "name", "shape", "datatype", "data", "parameters", "id", "binary_data_size"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(JSON, st.binary(max_size=16))
def test_any_json_is_a_request_or_a_refusal(document: Any, rest: bytes) -> None:
    try:
        head = orjson.dumps(document)
    except TypeError:
        return
    for data, length in ((head, None), (head + rest, len(head))):
        try:
            read_request(data, length)
        except (Malformed, TooLarge):
            continue


@given(st.data())
def test_a_good_request_with_one_field_spoilt(data: st.DataObject) -> None:
    document: dict[str, Any] = {"id": "1", "inputs": [{**ONE}], "outputs": [{"name": "y"}], "parameters": {}}
    place: Any = data.draw(st.sampled_from([document, document["inputs"][0], document["outputs"][0]]))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(JSON)
    with contextlib.suppress(Malformed, TooLarge, TypeError):
        read_request(orjson.dumps(document))


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (b"", "empty"),
        (b"{", "no JSON"),
        (b"[]", "no JSON object"),
        (b"\xff", "no JSON"),
        (b'{"inputs": [NaN]}', "no JSON"),
        (b'{"inputs":' + b"[" * 5000 + b"]" * 5000 + b"}", "no JSON"),
        (b"{}", "inputs is missing"),
        (b'{"inputs": []}', "inputs is empty"),
        (b'{"inputs": {}}', "inputs is a list"),
        (b'{"inputs": [1]}', "inputs 0 is no object with a name"),
        (b'{"inputs": [{"name": ""}]}', "inputs 0 is no object with a name"),
        (body(inputs=[ONE, ONE]), "'x' is given twice"),
        (body(inputs=[{**ONE, "name": str(k)} for k in range(65)]), "65 inputs; 64 are the most"),
        (body(inputs=[{**ONE, "shape": [-1]}]), "'x'.*whole numbers from 0"),
        (body(inputs=[{**ONE, "shape": [2.0]}]), "whole numbers from 0"),
        (body(inputs=[{**ONE, "shape": [True]}]), "whole numbers from 0"),
        (body(inputs=[{**ONE, "shape": 2}]), "whole numbers from 0"),
        (body(inputs=[{**ONE, "datatype": "BF16"}]), "BF16.*send FP32"),
        (body(inputs=[{k: v for k, v in ONE.items() if k != "data"}]), "neither data nor"),
        (body(inputs=[{**ONE, "parameters": {"binary_data_size": 8}}]), "both data and"),
        (body(inputs=[{**ONE, "parameters": []}]), "'x': parameters is an object"),
        (body(inputs=[{**UNSENT, "parameters": {"binary_data_size": 8}}]), "0 are left"),
        (body(inputs=[{**UNSENT, "parameters": {"binary_data_size": "8"}}]), "a number of bytes"),
        (body(inputs=[{**ONE, "parameters": {"shared_memory_region": "r"}}]), "no shared memory"),
        (body(id=7), "id is a string"),
        (body(parameters=[1]), "parameters is an object"),
        (body(parameters={"binary_data_output": 1}), "binary_data_output is true or false"),
        (body(parameters={"sequence_id": 3}), "no sequences"),
        (body(outputs={}), "outputs is a list"),
        (body(outputs=[{}]), "outputs 0 is no object"),
        (body(outputs=[{"name": "y"}, {"name": "y"}]), "asked for twice"),
        (body(outputs=[{"name": "y", "parameters": {"classification": 3}}]), "classification is not offered"),
        (body(outputs=[{"name": "y", "parameters": {"binary_data": "yes"}}]), "true or false"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(sent: bytes, says: str) -> None:
    with pytest.raises(Malformed, match=says):
        read_request(sent)


def test_lengths_that_do_not_fit() -> None:
    with pytest.raises(Malformed, match="is 99, the body has"):
        read_request(body(), 99)
    with pytest.raises(Malformed, match="3 bytes follow"):
        read_request(body() + b"abc", len(body()))
    with pytest.raises(TooLarge, match="bytes of JSON"):
        read_request(bytes(MAX_JSON_BYTES + 1))


def test_which_outputs_come_in_binary() -> None:
    assert read_request(body()).binary is False
    asked = [{"name": "a"}, {"name": "b", "parameters": {"binary_data": False}}]
    request = read_request(body(outputs=asked, parameters={"binary_data_output": True}))
    assert request.outputs == [Requested("a", True), Requested("b", False)]


SPECS = (TensorSpec("x", "FP32", (-1, 2)), TensorSpec("n", "INT32", (1,), optional=True))


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ([{**ONE, "name": "z"}], "no input 'z'; the model takes x .FP32 \\[-1, 2\\]., n .optional, INT32 \\[1\\]."),
        ([{**ONE, "datatype": "FP64"}], "input 'x' is FP64; it must be FP32"),
        ([ONE], "input 'x' has shape \\[2\\]; it must be \\[-1, 2\\]"),
        ([{**ONE, "shape": [2, 1]}], "has shape \\[2, 1\\]"),
        ([{"name": "n", "shape": [1], "datatype": "INT32", "data": [1]}], "input 'x' is missing"),
    ],
)
def test_inputs_that_the_model_does_not_take(inputs: list[Any], says: str) -> None:
    with pytest.raises(Malformed, match=says) as caught:
        check(read_request(body(inputs=inputs)).inputs, SPECS)
    assert not caught.value.errors or caught.value.errors[0].pointer == "/inputs/0"


def test_what_the_model_does_not_take_is_refused_before_its_data_are_read() -> None:
    entry = {"name": "x", "shape": [1, 2], "datatype": "BYTES", "parameters": {"binary_data_size": 1 << 40}}
    with pytest.raises(Malformed, match="input 'x' is BYTES; it must be FP32"):
        read_request(body(inputs=[entry]), None, partial(admit, SPECS))


def test_an_optional_input_may_be_left_out() -> None:
    assert check(read_request(body(inputs=[{**ONE, "shape": [1, 2]}])).inputs, SPECS)["x"].tolist() == [[1, 2]]


def test_a_raw_body_is_the_one_tensor() -> None:
    request = raw_request(np.arange(4, dtype="<f4").tobytes(), SPECS)
    assert check(request.inputs, SPECS)["x"].tolist() == [[0, 1], [2, 3]]
    assert request.binary
    text = raw_request(b"as it is", [TensorSpec("t", "BYTES", (-1,))])
    assert text.inputs["t"].array.tolist() == [b"as it is"]


@pytest.mark.parametrize(
    ("data", "specs", "says"),
    [
        (b"\0" * 12, SPECS, "does not take them"),
        (b"\0" * 9, SPECS, "9 bytes"),
        (b"", [*SPECS, TensorSpec("y", "FP32", (1,))], "needs 2: x, y"),
        (b"\0" * 8, [TensorSpec("x", "FP32", (-1, -1))], "how large which dimension"),
        (b"", [SPECS[1]], "needs 0: none"),
    ],
)
def test_a_raw_body_that_is_no_tensor_of_the_model(data: bytes, specs: list[TensorSpec], says: str) -> None:
    with pytest.raises(Malformed, match=says):
        raw_request(data, specs)


@given(
    st.binary(max_size=64), st.sampled_from(["FP32", "INT8", "BYTES", "BOOL"]), st.lists(st.integers(-1, 3), max_size=3)
)
def test_any_raw_body_is_a_tensor_or_a_refusal(data: bytes, datatype: str, shape: list[int]) -> None:
    specs = [TensorSpec("x", datatype, tuple(shape))]
    try:
        request = raw_request(data, specs)
    except (Malformed, TooLarge):
        return
    try:
        check(request.inputs, specs)
    except Malformed:
        assert datatype == "BYTES"
