"""The text service as a process."""

from pathlib import Path

import httpx
import pytest

from services.text.cluster_examples import CLUSTER
from services.text.examples import EMBEDDINGS, INFORMATION, RANKING
from services.text.model import MODEL_NAME
from tests.processes import Process, running
from tests.services.text.served import MODEL_VERSION

OPERATIONS = {
    "/v1/embeddings": EMBEDDINGS,
    "/v1/text/cluster": CLUSTER,
    "/v1/text/information": INFORMATION,
    "/v1/text/information/ranking": RANKING,
}


def test_ready_names_its_model(client: httpx.Client, text_url: str) -> None:
    answer = client.get(f"{text_url}/readyz")
    assert answer.status_code == 200
    assert answer.json()["models"] == {MODEL_NAME: MODEL_VERSION}


def test_without_its_model_it_says_how_to_build_it(tmp_path: Path) -> None:
    process = Process("-m", "services.text", env={"VERNIER_TEXT_PORT": "0", "VERNIER_TEXT_MODELS": str(tmp_path)})
    reason = process.await_line("cannot start")["reason"]
    assert f"`python -m services.text.build_model --out {tmp_path}`" in reason
    assert process.popen.wait(60) == 1
    process.stop()


def test_limits_are_settings(model_folder: Path, client: httpx.Client) -> None:
    assert model_folder.is_dir()
    with running("services.text", VERNIER_TEXT_MAX_INPUTS="2", VERNIER_TEXT_MAX_WORDS="4") as process:
        refused = client.post(f"{process.address}/v1/embeddings", json={"input": ["a", "b", "c"]})
        assert refused.status_code == 400
        refused = client.post(f"{process.address}/v1/text/information", json={"texts": ["a b c"], "corpus": ["a b"]})
        assert refused.status_code == 413
        assert "more than the 4 words" in refused.json()["detail"]


@pytest.mark.parametrize("path", OPERATIONS)
def test_every_operation_is_documented_and_its_examples_run(client: httpx.Client, text_url: str, path: str) -> None:
    operation = client.get(f"{text_url}/openapi.json").json()["paths"][path]["post"]
    assert operation["summary"]
    assert len(operation["description"]) > 200
    assert operation["x-vernier-cacheable"] is True
    assert {"200", "400", "413", "503", "504"} <= operation["responses"].keys()
    assert "$ref" in operation["responses"]["200"]["content"]["application/json"]["schema"]
    shown = operation["requestBody"]["content"]["application/json"]["examples"]
    assert [each["value"] for each in shown.values()] == list(OPERATIONS[path].values())
    for example in OPERATIONS[path].values():
        answer = client.post(text_url + path, json=example)
        assert answer.status_code == 200, answer.text


def test_metrics_name_the_model_and_what_runs_it(text_url: str, client: httpx.Client) -> None:
    line = next(each for each in client.get(f"{text_url}/metrics").text.splitlines() if each.startswith("model_info{"))
    assert 'model="text-embedding"' in line
    assert 'ExecutionProvider"' in line
    assert line.endswith(" 1.0")
