"""The process: what it says when it starts, and when it cannot."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from openapi_spec_validator import validate

from services.speed.estimator import Estimator
from services.speed.pairs import Feeds
from services.speed.serving import warm_up, warm_up_batches
from shared.onnx import OnnxModel, describe
from tests.processes import Process, running
from tests.services.speed import clips
from tests.services.speed.models import FOLDER, scaled, served, write_folder


def test_ready_with_its_model(speed_url: str) -> None:
    answer = httpx.get(f"{speed_url}/readyz")
    card = describe(FOLDER)
    assert (answer.status_code, answer.json()["models"]) == (200, {card["name"]: card["version"]})
    assert f'version="{card["version"]}"' in httpx.get(f"{speed_url}/metrics").text


def test_document_is_valid(speed_url: str) -> None:
    validate(httpx.get(f"{speed_url}/openapi.json").json())


def test_no_model_no_service(tmp_path: Path) -> None:
    process = Process("-m", "services.speed", env={"VERNIER_SPEED_PORT": "0", "VERNIER_SPEED_MODELS": str(tmp_path)})
    process.popen.wait(60)
    assert process.stop() != 0
    assert any("no model in" in str(line) for line in process.lines)


@pytest.fixture(scope="module")
def two_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    write_folder(root / "speed" / "1.0.0", served(), "1.0.0")
    write_folder(root / "speed-doubled" / "2.0.0", scaled(2.0), "2.0.0", name="speed-doubled")
    return root


def test_the_model_that_is_chosen_answers_and_no_other_is_loaded(two_models: Path) -> None:
    settings = {
        "MODELS": str(two_models),
        "MODEL": "speed-doubled",
        "PROVIDERS": "NoSuch,cpu",
        "REPOSITORY_CONTROL": "1",
    }
    with running("services.speed", **{f"VERNIER_SPEED_{name}": value for name, value in settings.items()}) as process:
        assert httpx.get(f"{process.address}/readyz").json()["models"] == {"speed-doubled": "2.0.0"}
        files = [("frames", (f"{k}.png", clips.image(k, "PNG"), "image/png")) for k in range(3)]
        query = {"fps": "10", "camera": "kitti"}
        answer = httpx.post(f"{process.address}/v1/speed/frames", files=files, params=query, timeout=60)
        assert answer.headers["vernier-model"] == "speed-doubled/2.0.0"
        said = {"name": "speed-doubled", "version": "2.0.0", "provider": "CPUExecutionProvider"}
        assert answer.json()["model"] == said
        metrics = httpx.get(f"{process.address}/metrics").text
        (info,) = (line for line in metrics.splitlines() if line.startswith("model_info{"))
        assert 'model="speed-doubled"' in info
        assert 'provider="CPUExecutionProvider"' in info
        assert httpx.post(f"{process.address}/v2/repository/models/speed/load", timeout=60).status_code == 200
        loaded = httpx.get(f"{process.address}/readyz").json()["models"]
        assert loaded == {"speed": "1.0.0", "speed-doubled": "2.0.0"}
        again = httpx.post(f"{process.address}/v1/speed/frames", files=files, params=query, timeout=60)
        assert again.json()["model"] == said
    warnings = [line for line in process.lines if line.get("event") == "provider not usable"]
    assert [(line["level"], line["runs"]) for line in warnings] == 2 * [("warning", "CPUExecutionProvider")]  # a model


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("MODEL", "speed-of-light", "the models there are: speed, speed-doubled"),
        ("MODEL", "../speed", "VERNIER_SPEED_MODEL: String should match"),
        ("PROVIDER_OPTIONS", "{", "provider_options"),
    ],
)
def test_a_choice_that_cannot_be_is_said_at_start(two_models: Path, name: str, value: str, says: str) -> None:
    given = {"PORT": "0", "MODELS": str(two_models), name: value}
    process = Process("-m", "services.speed", env={f"VERNIER_SPEED_{key}": each for key, each in given.items()})
    process.popen.wait(60)
    assert process.stop() != 0
    assert any(says in str(line) for line in process.lines)


def test_a_provider_that_is_required_and_absent_is_said_at_start(two_models: Path) -> None:
    given = {"PORT": "0", "MODELS": str(two_models), "PROVIDERS": "NoSuch", "PROVIDER_REQUIRED": "1"}
    process = Process("-m", "services.speed", env={f"VERNIER_SPEED_{key}": each for key, each in given.items()})
    process.popen.wait(60)
    assert process.stop() != 0
    assert any("NoSuchExecutionProvider is required and does not run" in str(line) for line in process.lines)


def test_warming_up_runs_the_model() -> None:
    class Counting:
        """The model, counting its runs."""

        def __init__(self, model: OnnxModel) -> None:
            self.model, self.name, self.version, self.runs = model, model.name, model.version, 0

        def run(self, feeds: dict[str, Any]) -> list[Any]:
            self.runs += 1
            return self.model.run(feeds)

    counting = Counting(OnnxModel.load(FOLDER))
    warm_up(Estimator(counting))
    assert counting.runs > 0


def test_a_gpu_is_warmed_up_with_the_batches_that_it_will_run() -> None:
    """From as many pairs as a run may hold down to one, halving, for each size of frame."""
    runs: list[tuple[int, ...]] = []
    graph = OnnxModel.load(FOLDER, device="cpu")

    def run_all(pairs: Sequence[Feeds]) -> None:
        runs.append((len(pairs), *pairs[0]["current"].shape[1:]))
        if len(pairs) == 1:
            assert np.isfinite(graph.run(pairs[0])[0]).all()

    warm_up_batches(run_all, 1 << 20)
    sizes = {188: [8, 4, 2, 1], 360: [4, 2, 1], 480: [3, 1]}
    assert runs == [
        (count, height, 620 if height == 188 else 640) for height, counts in sizes.items() for count in counts
    ]
    runs.clear()
    warm_up_batches(run_all, 1)
    assert [count for count, *_ in runs] == [1, 1, 1]
