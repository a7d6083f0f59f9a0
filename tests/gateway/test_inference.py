"""The inference protocol through the gateway: what it gathers, and that no answer is ever another's."""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pytest
import tritonclient.http as triton
from tritonclient.http import InferenceServerClient as Client
from tritonclient.utils import InferenceServerException

from tests.gateway.conftest import gateway_before
from tests.polling import until
from tests.processes import running
from tests.shared.scaler import write_model

X = np.arange(1, 7, dtype=np.float32)
LENGTH = "Inference-Header-Content-Length"


@dataclass
class House:
    """A gateway before two services with models: `root` is the repository of the one that may be controlled."""

    gateway: str
    service: str
    root: Path
    web: httpx.Client

    def infer(self, model: str, body: Mapping[str, Any], version: str = "", **headers: str) -> httpx.Response:
        place = f"{model}/versions/{version}" if version else model
        return self.web.post(f"/v2/models/{place}/infer", content=orjson.dumps(body), headers=headers)

    def load(self, model: str, **parameters: str) -> httpx.Response:
        return self.web.post(f"/v2/repository/models/{model}/load", json={"parameters": parameters})


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    root, other = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("other")
    for model, scale in (("twice", 2.0), ("thrice", 3.0), ("moving", 1.0)):
        write_model(root, model, "1", scale=scale)
    write_model(root, "twice", "2", scale=20.0)
    write_model(other, "words", "1", datatype="BYTES", shape=(-1,))
    control = {"VERNIER_SCALER_REPOSITORY_CONTROL": "1", "VERNIER_SCALER_MODEL_VERSIONS": "all"}
    with ExitStack() as stack:
        one = stack.enter_context(running("tests.shared.scaler", VERNIER_SCALER_MODELS=str(root), **control))
        two = stack.enter_context(running("tests.shared.scaler", VERNIER_SCALER_MODELS=str(other)))
        gateway = stack.enter_context(gateway_before({"speed": one.address, "text": two.address}))
        web = stack.enter_context(httpx.Client(base_url=gateway.address, timeout=60))
        yield House(gateway.address, one.address, root, web)


@pytest.fixture
def client(house: House) -> Iterator[Client]:
    with Client(house.gateway.removeprefix("http://"), concurrency=4) as it:
        yield it


def request(**more: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "x", "shape": [2, 3], "datatype": "FP32", "data": X.tolist()}], **more}


def y(answer: httpx.Response) -> list[float]:
    assert answer.status_code == 200, answer.text
    values: list[float] = next(each["data"] for each in answer.json()["outputs"] if each["name"] == "y")
    return values


def test_what_concerns_the_whole_server_is_gathered(house: House, client: Client) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    assert house.web.get("/v2/models").json() == {"models": ["moving", "thrice", "twice", "words"]}
    found = client.get_inference_statistics()["model_stats"]
    assert {each["name"] for each in found} == {"moving", "thrice", "twice", "words"}
    index = client.get_model_repository_index()
    assert {(each["name"], each["version"]) for each in index} >= {("twice", "1"), ("twice", "2"), ("words", "1")}
    refused = house.web.post("/v2/repository/index", content=b"[")
    assert (refused.status_code, "no JSON" in refused.json()["error"]) == (400, True)
    listed = house.web.get("/openapi.json").json()["paths"]
    assert {"/v2", "/v2/models", "/v2/repository/index", "/v2/models/{model}/infer"} <= listed.keys()


def test_a_model_is_found_by_its_name(client: Client) -> None:
    given = triton.InferInput("x", [1], "BYTES")
    given.set_data_from_numpy(np.array([b"\xff"], np.object_))
    assert client.infer("words", [given]).as_numpy("y").tolist() == [b"\xff"]
    assert client.get_model_metadata("thrice")["versions"] == ["1"]
    assert client.is_model_ready("twice", "1")
    asks: tuple[Callable[[], object], ...] = (
        lambda: client.infer("nothing", [given]),
        lambda: client.get_model_metadata("nothing"),
    )
    for ask in asks:
        with pytest.raises(InferenceServerException, match="there is no model 'nothing'; there are: moving") as caught:
            ask()
        assert caught.value.status() == "404"


def test_two_models_and_two_versions_never_share_an_answer(house: House) -> None:
    body = request(parameters={"two": 1})
    for _ in range(2):
        assert y(house.infer("twice", body)) == (20 * X).tolist()
        assert y(house.infer("thrice", body)) == (3 * X).tolist()
        assert y(house.infer("twice", body, "1")) == (2 * X).tolist()
        assert y(house.infer("twice", body, "2")) == (20 * X).tolist()
    again = house.infer("twice", body, "1")
    assert again.headers["x-cache-status"] == "HIT"
    assert (again.json()["model_name"], again.json()["model_version"]) == ("twice", "1")


def binary(shape: list[int], datatype: str, data: bytes, **more: Any) -> tuple[bytes, dict[str, str]]:
    entry = {"name": "x", "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": len(data)}}
    head = orjson.dumps({"inputs": [entry], **more})
    return head + data, {LENGTH: str(len(head)), "Content-Type": "application/octet-stream"}


def test_equal_bytes_of_another_shape_or_datatype_are_another_request(house: House) -> None:
    url, data = "/v2/models/thrice/infer", X.tobytes()
    shapes: list[list[int]] = [[2, 3], [3, 2], [6, 1], [1, 6]]
    for _ in range(2):
        for shape in shapes:
            body, headers = binary(shape, "FP32", data)
            answer = house.web.post(url, content=body, headers=headers).json()
            assert answer["outputs"][0]["shape"] == shape
    body, headers = binary([2, 3], "INT32", data)
    refused = house.web.post(url, content=body, headers=headers)
    assert (refused.status_code, refused.json()["error"]) == (400, "input 'x' is INT32; it must be FP32")


def test_what_is_asked_for_is_part_of_the_request(house: House) -> None:
    one = {"name": "y"}
    asked: list[list[dict[str, Any]]] = [
        [one],
        [{"name": "scale"}],
        [{**one, "parameters": {"binary_data": True}}],
        [one, {"name": "scale"}],
        [{"name": "scale"}, one],
    ]
    for _ in range(2):
        for outputs in asked:
            answer = house.infer("thrice", request(outputs=outputs))
            length = int(answer.headers.get(LENGTH, len(answer.content)))
            head = orjson.loads(answer.content[:length])
            assert [each["name"] for each in head["outputs"]] == [each["name"] for each in outputs]
            assert ("parameters" in head["outputs"][0]) == ("parameters" in outputs[0])
            assert (LENGTH in answer.headers) == ("parameters" in outputs[0])
            if LENGTH in answer.headers:
                assert np.frombuffer(answer.content[length:], np.float32).tolist() == (3 * X).tolist()
                assert answer.headers["content-type"] == "application/octet-stream"


def test_equal_bodies_cut_at_another_place_are_another_request(house: House) -> None:
    body, headers = binary([2, 3], "FP32", X.tobytes(), id="cut")
    good = house.web.post("/v2/models/thrice/infer", content=body, headers=headers)
    assert good.status_code == 200
    for length in (str(int(headers[LENGTH]) - 1), str(len(body)), "0"):
        bad = house.web.post("/v2/models/thrice/infer", content=body, headers={**headers, LENGTH: length})
        assert bad.status_code == 400
    assert house.web.post("/v2/models/thrice/infer", content=body, headers=headers).headers["x-cache-status"] == "HIT"


def test_everyone_gets_the_own_id_back(house: House) -> None:
    statuses = []
    for identity in ("a", "b", "a", "b", None, None):
        answer = house.infer("thrice", request(**({} if identity is None else {"id": identity})))
        assert answer.json().get("id") == identity
        statuses.append(answer.headers["x-cache-status"])
    assert statuses[2:4] == ["HIT", "HIT"]
    assert statuses[5] == "HIT"


def test_a_request_id_of_the_transport_makes_no_other_request(house: House) -> None:
    body = request(parameters={"traced": 1})
    answers = [house.infer("thrice", body, **{"X-Request-ID": f"trace-{k}"}) for k in range(4)]
    assert [each.headers["x-cache-status"] for each in answers] == ["MISS", "HIT", "HIT", "HIT"]
    assert [each.headers["x-request-id"] for each in answers] == [f"trace-{k}" for k in range(4)]


def test_a_refusal_is_not_kept(house: House) -> None:
    body = request(outputs=[{"name": "z"}])
    for _ in range(2):
        answer = house.infer("thrice", body)
        assert (answer.status_code, answer.headers["x-cache-status"]) == (400, "MISS")


def test_where_control_is_off_it_says_so(client: Client) -> None:
    with pytest.raises(InferenceServerException, match="VERNIER_SCALER_REPOSITORY_CONTROL=1 switches it on") as caught:
        client.unload_model("words")
    assert caught.value.status() == "403"
    assert client.is_model_ready("words")


def test_a_model_that_is_unloaded_is_not_answered_for_from_the_cache(house: House, client: Client) -> None:
    write_model(house.root, "fleeting", "1", scale=5.0)
    until(lambda: house.load("fleeting").status_code == 200, "the gateway knows the new model")
    assert y(house.infer("fleeting", request())) == (5 * X).tolist()
    client.unload_model("fleeting")
    gone = house.infer("fleeting", request())
    assert (gone.status_code, gone.headers["retry-after"]) == (503, "1")
    assert "fleeting is not loaded" in gone.json()["error"]
    client.load_model("fleeting")
    assert y(house.infer("fleeting", request())) == (5 * X).tolist()


def test_a_reload_drops_no_request_and_no_answer_is_that_of_a_model_before(house: House) -> None:
    """One payload, asked by four all the while, so that nearly all answers come out of the cache. Whoever asks once a
    load has been answered gets that version or a later one, and what that version computes."""
    write_model(house.root, "moving", "1", scale=1.0)
    stop = threading.Event()
    newest = 1
    seen: set[tuple[str, int]] = set()

    def ask() -> None:
        with httpx.Client(base_url=house.gateway, timeout=60) as web:
            while not stop.is_set():
                floor = newest
                answer = web.post("/v2/models/moving/infer", json=request())
                version = int(answer.json()["model_version"]) if answer.status_code == 200 else 0
                assert version >= floor, f"{answer.status_code} {answer.text} after version {floor} was loaded"
                assert y(answer) == (version * X).tolist()
                seen.add((answer.headers["x-cache-status"], version))

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        try:
            for version in range(2, 22):
                write_model(house.root, "moving", str(version), scale=float(version))
                assert house.load("moving").status_code == 200
                newest = version
            until(lambda: ("HIT", newest) in seen or any(each.done() for each in asking), "the last one is kept")
        finally:
            stop.set()
        for each in asking:
            each.result(120)
    assert {status for status, _ in seen} <= {"HIT", "MISS", "COALESCED"}
    assert ("HIT", 21) in seen


def test_an_answer_begun_before_a_load_is_not_filed_as_the_new_models(house: House) -> None:
    """It takes its time while the model is loaded anew: it comes from the old one, and who asks the same afterwards
    gets the new one's answer."""
    write_model(house.root, "held", "1", scale=1.0)
    until(lambda: house.load("held").status_code == 200, "the gateway knows the new model")
    slow = request(parameters={"hold_s": 2.0})
    with ThreadPoolExecutor(1) as pool:
        before = pool.submit(house.infer, "held", slow)
        until(lambda: _pending(house.service, "held") > 0, "the request has its lease")
        write_model(house.root, "held", "1", scale=7.0)
        assert house.load("held").status_code == 200
        assert y(before.result(60)) == X.tolist()
    assert y(house.infer("held", slow)) == (7 * X).tolist()
    assert y(house.infer("held", slow)) == (7 * X).tolist()


def _pending(service: str, model: str) -> int:
    """Requests that hold the model, by the service's own count."""
    found: int = httpx.get(f"{service}/held/{model}").json()["held"]
    return found
