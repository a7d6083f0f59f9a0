"""The protocol on the wire, past what its stock client sends."""

import gzip
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import validate

from tests.polling import until
from tests.processes import Process
from tests.sockets import connect, exchange

INFER = "/v2/models/double/infer"
LENGTH = "Inference-Header-Content-Length"
ONE = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}
LIMIT = 200_000
"""Of the service's bodies."""


@pytest.fixture
def web(scaler: Process) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=scaler.address, timeout=60) as it:
        yield it


def serves(web: httpx.Client) -> None:
    answer = web.post(INFER, json={"inputs": [ONE]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["outputs"][0] == {"name": "y", "datatype": "FP32", "shape": [1, 2], "data": [20.0, 40.0]}


def refused(answer: httpx.Response, status: int, says: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert says in body["error"]
    assert (body["detail"], body["status"]) == (body["error"], status)


def test_the_answer_names_its_model(web: httpx.Client) -> None:
    serves(web)
    answer = web.post("/v2/models/double/versions/1/infer", json={"inputs": [ONE], "id": "7"})
    assert answer.headers["vernier-model"] == "double/1"
    assert (answer.json()["model_name"], answer.json()["model_version"], answer.json()["id"]) == ("double", "1", "7")
    assert answer.headers["content-type"] == "application/json"
    assert LENGTH not in answer.headers


def test_missing_numbers_are_null_both_ways(web: httpx.Client) -> None:
    answer = web.post(INFER, json={"inputs": [{**ONE, "data": [None, 3e38]}]})
    assert answer.json()["outputs"][0]["data"] == [None, None]


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        None,
        "Application/JSON; charset=utf-8",
    ],
)
def test_types_that_are_read(web: httpx.Client, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    assert web.post(INFER, content=orjson.dumps({"inputs": [ONE]}), headers=headers).status_code == 200


def test_other_types_and_encodings_are_not(web: httpx.Client) -> None:
    body = orjson.dumps({"inputs": [ONE]})
    refused(web.post(INFER, content=body, headers={"Content-Type": "text/csv"}), 415, "application/json")
    refused(web.post(INFER, content=body, headers={"Content-Encoding": "br"}), 415, "gzip, deflate or none")
    serves(web)


def test_a_raw_body(web: httpx.Client) -> None:
    answer = web.post("/v2/models/words/infer", content="grüß".encode(), headers={LENGTH: "0"})
    length = int(answer.headers[LENGTH])
    assert answer.headers["content-type"] == "application/octet-stream"
    sizes = [each["parameters"]["binary_data_size"] for each in orjson.loads(answer.content[:length])["outputs"]]
    assert sum(sizes) == len(answer.content) - length
    assert answer.content[length : length + sizes[0]][4:] == "grüß".encode()


@pytest.mark.parametrize("length", ["-1", "x", "1.0", "", "99999999999999", "1e3", "²"])
def test_a_length_that_is_none(web: httpx.Client, length: str) -> None:
    headers: Any = [(LENGTH.encode(), length.encode())]
    refused(web.post(INFER, content=b"{}", headers=headers), 400, LENGTH)


def test_bodies_beyond_the_limit_are_refused_by_their_length(scaler: Process, web: httpx.Client) -> None:
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {LIMIT + 1}\r\n\r\n"
    assert exchange(scaler.address, head.encode()).startswith(b"HTTP/1.1 413 ")
    refused(web.post(INFER, content=(b" " * 1000 for _ in range(LIMIT // 1000 + 1))), 413, f"{LIMIT:,} bytes")
    bomb = gzip.compress(bytes(50 << 20))
    assert len(bomb) < LIMIT
    refused(web.post(INFER, content=bomb, headers={"Content-Encoding": "gzip"}), 413, f"{LIMIT:,} bytes")
    refused(web.post("/v2/repository/index", content=bytes(65_537)), 413, "65,536 bytes")
    serves(web)


def test_as_much_as_the_limit_allows(web: httpx.Client) -> None:
    x = np.ones((1, 40_000), np.float32)
    entry = {"name": "x", "shape": [1, 40_000], "datatype": "FP32", "parameters": {"binary_data_size": x.nbytes}}
    head = orjson.dumps({"inputs": [entry], "outputs": [{"name": "y"}]})
    answer = web.post(INFER, content=head + x.tobytes(), headers={LENGTH: str(len(head))})
    assert answer.json()["outputs"][0]["data"] == [20.0] * 40_000


def test_a_client_that_hangs_up_takes_its_request_with_it(scaler: Process, web: httpx.Client) -> None:
    def held() -> int:
        found: int = web.get("/held/double").json()["held"]
        return found

    body = orjson.dumps({"inputs": [ONE], "parameters": {"hold_s": 600}})
    with connect(scaler.address) as sock:
        sock.sendall(b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (INFER.encode(), len(body), body))
        until(lambda: held() == 1, "the model works on it")
    until(lambda: held() == 0, "the model has left it")
    serves(web)


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("POST", "/v2/models/nothing/infer", 404, "there is no model 'nothing'"),
        ("POST", "/v2/models/double/versions/7/infer", 404, "version '7' of model double is not loaded"),
        ("POST", "/v2/models/..%2Fdouble/infer", 400, "the path holds"),
        ("POST", "/v2/models/.../infer", 404, "there is no model '...'"),
        ("GET", "/v2/models/double/infer", 405, "POST is"),
        ("GET", "/v2/models/nothing/ready", 404, "there is no model"),
        ("GET", "/v2/models/double/versions/7/stats", 404, "not loaded"),
        ("POST", "/v2/repository/models/nothing/load", 404, "there is no model 'nothing'"),
        ("POST", "/v2/repository/models/..%2f..%2fetc/load", 400, "the path holds"),
    ],
)
def test_what_is_not_there(web: httpx.Client, method: str, path: str, status: int, says: str) -> None:
    content = orjson.dumps({"inputs": [ONE]}) if path.endswith("infer") else b""
    refused(web.request(method, path, content=content), status, says)


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("models/double/load", b"[", "no JSON"),
        ("models/double/load", b'{"parameters": [1]}', "parameters is an object"),
        ("models/double/load", b'{"parameters": {"version": 1}}', "version is a string"),
        ("models/double/load", b'{"parameters": {"file:1/model.onnx": "x"}}', "from the repository's folders alone"),
        ("models/double/unload", b"7", "no JSON object"),
        ("index", b'{"ready": "yes"}', "ready is true or false"),
    ],
)
def test_control_that_is_malformed(web: httpx.Client, path: str, body: bytes, says: str) -> None:
    refused(web.post(f"/v2/repository/{path}", content=body), 400, says)
    serves(web)


def test_one_version_is_loaded_and_unloaded(web: httpx.Client) -> None:
    gone = web.post("/v2/repository/models/double/unload", json={"parameters": {"version": "1"}})
    assert gone.json() == {"name": "double", "unload": True, "versions": ["10"]}
    refused(web.get("/v2/models/double/versions/1/ready"), 404, "loaded: 10")
    ready = web.post("/v2/repository/index", json={"ready": True}).json()
    assert {each["version"] for each in ready if each["name"] == "double"} == {"10"}
    back = web.post("/v2/repository/models/double/load", json={"parameters": {"version": "1"}})
    assert back.json()["versions"] == ["10", "1"]
    assert web.get("/v2/models/double/versions/1/ready").json() == {"name": "double", "ready": True}


def test_the_document_is_valid_and_says_what_may_be_kept(web: httpx.Client) -> None:
    document = web.get("/openapi.json").json()
    validate(document)
    operation = document["paths"]["/v2/models/{model}/infer"]["post"]
    assert operation["x-vernier-cacheable"] is True
    assert {each["name"] for each in operation["parameters"] if each["in"] == "header"} >= {LENGTH}
    assert operation["requestBody"]["content"].keys() == {"application/json", "application/octet-stream"}
    assert {"200", "400", "404", "413", "415", "422", "503", "504"} <= operation["responses"].keys()


@given(body=st.binary(max_size=120), length=st.none() | st.integers(0, 130), model=st.sampled_from(["double", "words"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_any_body_is_refused_or_answered(web: httpx.Client, body: bytes, length: int | None, model: str) -> None:
    headers = {} if length is None else {LENGTH: str(length)}
    answer = web.post(f"/v2/models/{model}/infer", content=body, headers=headers)
    assert answer.status_code == 200 or 400 <= answer.status_code < 500, answer.text


SPOILT: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=6,
)


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_a_good_request_with_one_field_spoilt_is_refused_or_answered(web: httpx.Client, data: st.DataObject) -> None:
    document: dict[str, Any] = {
        "id": "1",
        "inputs": [{**ONE, "parameters": {"binary_data_size": 8}}],
        "outputs": [{"name": "y", "parameters": {"binary_data": True}}],
        "parameters": {"binary_data_output": True, "timeout": 10_000_000, "priority": 0},
    }
    del document["inputs"][0]["data"]
    place: Any = data.draw(
        st.sampled_from([document, document["inputs"][0], document["outputs"][0], document["parameters"]])
    )
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(SPOILT)
    head = orjson.dumps(document)
    answer = web.post(INFER, content=head + bytes(8), headers={LENGTH: str(len(head))})
    assert answer.status_code in {200, 400, 413, 504}, answer.text
