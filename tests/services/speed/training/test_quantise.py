"""The int8 form: what of the graph it changes, how near it stays, and that its figures are kept."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner

from services.speed.camera import PRESETS
from services.speed.render import render_clip
from services.speed.training.__main__ import app
from services.speed.training.augment import plain
from services.speed.training.data import Pair
from services.speed.training.examples import feeds
from services.speed.training.export import INPUTS
from services.speed.training.quantise import FIGURES, KINDS, NET, Feeds, cpu_ms, quantise
from shared.onnx import OnnxModel
from tests.services.speed.drives import MODEL


@pytest.fixture(scope="module")
def fed(pairs: list[Pair]) -> list[Feeds]:
    return [
        {name: value.numpy() for name, value in zip(INPUTS, feeds([plain(pair)]), strict=True)} for pair in pairs[::2]
    ]


@pytest.fixture(scope="module")
def int8(fed: list[Feeds], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("int8") / MODEL.name
    quantise(MODEL, folder, fed)
    return folder


def test_the_nets_products_are_int8_and_nothing_else(int8: Path) -> None:
    before, after = onnx.load(MODEL / "model.onnx"), onnx.load(int8 / "model.onnx")
    onnx.checker.check_model(after)
    made = {output: node for node in after.graph.node for output in node.output}
    for node in after.graph.node:
        if node.op_type in (*KINDS, "GridSample"):
            quantised = [made[name].op_type == "DequantizeLinear" for name in node.input[:2] if name in made]
            assert all(quantised) if node.name.startswith(NET) else not any(quantised), node.name
    assert sum(node.op_type == "GridSample" for node in after.graph.node) == sum(
        node.op_type == "GridSample" for node in before.graph.node
    )


def test_it_is_the_same_model_and_stays_near(int8: Path, fed: list[Feeds]) -> None:
    """Eight bits of the net's activations: within a twentieth of the speed and half a standard deviation."""
    plain_, small = (OnnxModel.load(folder, providers=["cpu"]) for folder in (MODEL, int8))
    card = json.loads((int8 / "model.json").read_text())
    assert (small.name, small.version, card["precision"]) == (plain_.name, plain_.version, "int8")
    assert card["sha256"] == hashlib.sha256((int8 / "model.onnx").read_bytes()).hexdigest()
    for pair in fed:
        (speed, sd, *_), (other, *_) = plain_.run(pair), small.run(pair)
        assert np.abs(other - speed).max() < 0.05 * abs(speed[0]) + 0.5 * sd[0] + 0.05


def test_times_are_measured_of_each(int8: Path, fed: list[Feeds]) -> None:
    times = cpu_ms((MODEL, int8), fed[:2])
    assert len(times) == 2
    assert all(0 < each < 10_000 for each in times)


def test_a_graph_without_a_net_is_refused(tmp_path: Path) -> None:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "double", [x], [y])
    onnx.save(helper.make_model(graph), tmp_path / "model.onnx")
    with pytest.raises(ValueError, match="has no Conv, Gemm below /net/"):
        quantise(tmp_path, tmp_path / "out", [])


def test_the_command_compares_and_keeps_the_figures(tmp_path: Path) -> None:
    data, model, out = tmp_path / "data", tmp_path / "models" / MODEL.name, tmp_path / "int8"
    data.mkdir()
    shutil.copytree(MODEL, model)
    for name, seed in (("train_odom03_0", 2), ("val_odom03_1", 3)):
        render_clip(data / f"{name}.mp4", seconds=0.8, fps=10, seed=seed, camera=PRESETS["kitti-03"].scaled(310, 94))
    options = ["--data", str(data), "--out", str(out), "--every", "2"]
    run = CliRunner().invoke(app, ["quantise", str(model), *options])
    assert run.exit_code == 0, run.output
    told = json.loads((model / FIGURES).read_text())
    assert told["nodes"] > 0
    assert told["calibrated_on"] >= 3
    for form in ("float32", "int8"):
        assert told[form]["ms_a_pair"] > 0
        assert told[form]["bytes"] > 10_000
        assert [score["clip"] for score in told[form]["scores"]] == ["train_odom03_0", "val_odom03_1"]
    assert OnnxModel.load(out, providers=["cpu"]).version == MODEL.name
    assert "\n## In int8\n" in (model / "CARD.md").read_text()
    assert f"int8: {told['int8']['ms_a_pair']:.2f} ms" in run.output
