import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from services.speed.training.augment import plain
from services.speed.training.data import Pair, load_clips, pairs_of
from services.speed.training.ensemble import Ensemble
from services.speed.training.examples import feeds
from services.speed.training.export import DESCRIBED, INPUTS, OPSET, OUTPUTS, export
from services.speed.training.fusion import PlaneNet
from services.speed.training.network import SpeedModel
from shared.onnx import OnnxModel
from tests.services.speed.drives import DRIVES, MODEL, needs_drives

Served = tuple[SpeedModel, OnnxModel]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """A model whose net says something, and its export."""
    torch.manual_seed(1)
    members = [PlaneNet(), PlaneNet()]
    for member in members:
        torch.nn.init.normal_(member.logit.weight, std=0.1)
        torch.nn.init.normal_(member.quality.weight, std=0.1)
    model = SpeedModel(Ensemble(members, (1.5, 2.0))).eval()
    folder = tmp_path_factory.mktemp("model")
    export(model, folder, "0.0.1", {"extra": 1})
    return model, OnnxModel.load(folder, providers=["CPUExecutionProvider"])


def named(values: tuple[torch.Tensor, ...]) -> dict[str, NDArray[Any]]:
    return {name: value.numpy() for name, value in zip(INPUTS, values, strict=True)}


def test_the_graph_answers_as_the_network_does(served: Served, pairs: list[Pair]) -> None:
    agree(served, feeds([plain(pair) for pair in pairs[-8:]]))


@needs_drives
def test_on_recorded_frames_too(served: Served) -> None:
    (clip,) = load_clips(DRIVES, "tiny_")
    short = replace(clip, frames=clip.frames[:14], time_s=clip.time_s[:14], speed_mps=clip.speed_mps[:14])
    agree(served, feeds([plain(pair) for pair in pairs_of(short, (1, 2))]))


def agree(served: Served, values: tuple[torch.Tensor, ...]) -> None:
    """Single precision, and another order of the sums over the samples of the road: speeds to a mm/s or a part in ten
    thousand, what is rounded to one step more."""
    model, graph = served
    with torch.no_grad():
        expected = model(*values)
    for ours, theirs in zip(graph.run(named(values)), expected, strict=True):
        assert ours.shape == tuple(theirs.shape)
        assert ours == pytest.approx(theirs.numpy(), rel=1e-4, abs=1e-3)


def textured(batch: int, height: int, width: int, seed: int = 1) -> tuple[torch.Tensor, ...]:
    """Random frames in which the road has moved by 0.4 m and more, so that no peak is a matter of chance; each row has
    a camera of its own."""
    draw = np.random.default_rng(seed)
    noise = draw.integers(0, 256, (batch, height, width), np.uint8)
    later = np.stack([cv2.GaussianBlur(each, (0, 0), 2) for each in noise])
    later = np.stack([cv2.equalizeHist(each) for each in later])
    earlier, homographies = [], []
    for row, frame in enumerate(later):
        focal = width * draw.uniform(0.5, 0.7)
        road = np.array([[focal, width / 2, 0], [0, height / 2, focal * draw.uniform(1.2, 2)], [0, 1, 0]])
        ahead = np.eye(3)
        ahead[1, 2] = 0.4 + 0.3 * (row % 8)
        moved = road @ ahead @ np.linalg.inv(road)
        earlier.append(cv2.warpPerspective(frame, moved, (width, height)))
        homographies.append(road)
    roads = torch.tensor(np.stack(homographies), dtype=torch.float32)
    seconds = torch.linspace(0.05, 0.2, batch)
    return torch.from_numpy(np.stack(earlier)), torch.from_numpy(later), roads, roads.clone(), seconds


@pytest.mark.parametrize("batch", [1, 2, 7, 16])
@pytest.mark.parametrize(("height", "width"), [(188, 620), (240, 320), (94, 310), (361, 641)])
def test_batch_and_size_are_free(served: Served, batch: int, height: int, width: int) -> None:
    agree(served, textured(batch, height, width))


def test_the_graph_is_valid_and_of_the_opset_that_is_stated(served: Served) -> None:
    model = onnx.load(served[1].session._model_path)
    onnx.checker.check_model(model, full_check=True)
    assert {each.domain: each.version for each in model.opset_import} == {"": OPSET}


@pytest.mark.parametrize("count", [2, 5, 16])
def test_a_batch_is_its_rows(served: Served, count: int) -> None:
    """Neighbours in a batch change nothing but the order of sums in a matrix product, 1e-6 m/s, which can move a
    number across a tie of the rounding: one step of it, 1e-4 m/s."""
    values = named(textured(count, 188, 620, seed=2))
    together = served[1].run(values)
    rows = [served[1].run({name: value[k : k + 1] for name, value in values.items()}) for k in range(count)]
    for k, whole in enumerate(together):
        alone = np.concatenate([row[k] for row in rows])
        assert whole == pytest.approx(alone, rel=1e-5, abs=1.01e-4)


def test_a_batch_in_another_order_answers_in_that_order(served: Served) -> None:
    values = named(textured(6, 188, 620, seed=3))
    turned = {name: np.ascontiguousarray(value[::-1]) for name, value in values.items()}
    for forwards, backwards in zip(served[1].run(values), served[1].run(turned), strict=True):
        assert forwards == pytest.approx(backwards[::-1], rel=1e-5, abs=1.01e-4)


def test_what_it_writes_has_four_decimals(served: Served) -> None:
    speed, sd, *_ = served[1].run(named(textured(8, 188, 620, seed=4)))
    for written in (speed, sd):
        assert np.array_equal(written, (np.round(written * np.float32(1e4)) / np.float32(1e4)))
    assert sd.min() >= np.float32(1e-4)


@pytest.mark.parametrize("name", ["speed", "speed-rendered"])
def test_the_models_that_ship_are_valid_and_answer_by_row(name: str) -> None:
    folders = sorted((MODEL.parent.parent / name).glob("*/model.onnx"))
    if not folders:
        pytest.skip(f"there is no model {name} in {MODEL.parent.parent}")
    for file in folders:
        onnx.checker.check_model(str(file), full_check=True)
        graph = OnnxModel.load(file.parent, providers=["cpu"])
        values = named(textured(4, 188, 620, seed=5))
        together = graph.run(values)[0]
        alone = [graph.run({key: value[k : k + 1] for key, value in values.items()})[0][0] for k in range(4)]
        assert together == pytest.approx(np.array(alone), abs=2e-4)
        assert np.isfinite(together).all()


def test_the_description_matches_the_graph(served: Served) -> None:
    session = served[1].session
    assert tuple(each.name for each in session.get_inputs()) == INPUTS == tuple(DESCRIBED)
    assert tuple(each.name for each in session.get_outputs()) == OUTPUTS
    types = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}
    for each in session.get_inputs():
        assert types[each.type] == DESCRIBED[each.name]["type"]
        assert each.shape == DESCRIBED[each.name]["shape"]


def test_the_model_that_is_kept_is_the_one_described() -> None:
    card = json.loads((MODEL / "model.json").read_text())
    assert card["sha256"] == hashlib.sha256((MODEL / "model.onnx").read_bytes()).hexdigest()
    assert (card["name"], card["version"], card["opset"]) == ("speed", MODEL.name, OPSET)
    assert "CC BY-NC-SA 3.0" in (Path(MODEL) / "CARD.md").read_text()
