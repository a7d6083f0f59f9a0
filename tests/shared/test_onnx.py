import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import orjson
import pytest
from onnx import TensorProto, helper

from shared.onnx import ModelError, OnnxModel
from shared.providers import Providers


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model that doubles."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "double", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = model.SerializeToString()
    (tmp_path / "model.onnx").write_bytes(content)
    card = {"name": "double", "version": "1.2.3", "sha256": hashlib.sha256(content).hexdigest()}
    (tmp_path / "model.json").write_bytes(orjson.dumps(card))
    onnx.checker.check_model(model)
    return tmp_path


def test_a_model_is_loaded_and_run(folder: Path) -> None:
    model = OnnxModel.load(folder, threads=1)
    assert (model.name, model.version) == ("double", "1.2.3")
    assert model.provider in {"CPUExecutionProvider", "CUDAExecutionProvider"}
    (y,) = model.run({"x": np.array([1.0, 2.5], np.float32)})
    assert y.tolist() == [2.0, 5.0]


def test_another_graph_than_described_is_refused(folder: Path) -> None:
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes() + b"\0")
    with pytest.raises(ModelError, match="sha256"):
        OnnxModel.load(folder)


@pytest.mark.parametrize("missing", ["model.onnx", "model.json"])
def test_a_missing_file_is_named(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(ModelError, match=missing):
        OnnxModel.load(folder)


def test_a_description_without_version_is_refused(folder: Path) -> None:
    (folder / "model.json").write_bytes(b'{"name": "double", "sha256": ""}')
    with pytest.raises(ModelError, match="lacks version"):
        OnnxModel.load(folder)


def rewrite(folder: Path, content: bytes) -> None:
    """Another graph, described as it is."""
    (folder / "model.onnx").write_bytes(content)
    card = {"name": "double", "version": "1.2.3", "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "model.json").write_bytes(orjson.dumps(card))


@pytest.mark.parametrize("keep", [0, 10, -3])
def test_what_is_no_graph_is_said_so(folder: Path, keep: int) -> None:
    rewrite(folder, (folder / "model.onnx").read_bytes()[:keep])
    with pytest.raises(ModelError, match="no graph that can be run"):
        OnnxModel.load(folder)


def test_a_description_that_is_no_object_is_refused(folder: Path) -> None:
    (folder / "model.json").write_bytes(b"[]")
    with pytest.raises(ModelError, match="is no object"):
        OnnxModel.load(folder)


@pytest.mark.parametrize(
    ("inputs", "outputs", "says"),
    [
        ({"x": "float", "z": "float"}, {"y": "float"}, r"has the inputs x \(float\); it must have x \(float\), z"),
        ({"x": "double"}, {"y": "float"}, r"it must have x \(double\)"),
        ({}, {"y": "float"}, "it must have none"),
        ({"x": "float"}, {"z": "float"}, "has the outputs none; it must have z"),
    ],
)
def test_another_signature_is_refused(folder: Path, inputs: dict[str, str], outputs: dict[str, str], says: str) -> None:
    model = OnnxModel.load(folder)
    model.expect({"x": "float"}, {"y": "float"})
    model.expect({"x": "float"}, {})
    with pytest.raises(ModelError, match=says):
        model.expect(inputs, outputs)


def test_nothing_is_reported_to_anyone(tmp_path: Path) -> None:
    """ONNX Runtime's telemetry, where it is on, opens a session file among the temporary ones at import."""
    environment = {k: v for k, v in os.environ.items() if k not in ("ORT_DISABLE_TELEMETRY", "CI")}
    command = [sys.executable, "-c", "import shared.onnx"]
    subprocess.run(command, cwd=Path(__file__).parents[2], env={**environment, "TMPDIR": str(tmp_path)}, check=True)
    assert list(tmp_path.iterdir()) == []


def test_a_provider_that_is_required_and_absent_is_no_model(folder: Path) -> None:
    with pytest.raises(
        ModelError, match=r"TensorrtExecutionProvider is required and does not run: .*not in this build"
    ):
        OnnxModel.load(folder, providers=Providers(("tensorrt", "cpu"), required=True))
    assert OnnxModel.load(folder, providers=Providers(("cpu",), required=True)).provider == "CPUExecutionProvider"


def test_bound_memory_gives_the_same(folder: Path) -> None:
    plain, bound = OnnxModel.load(folder), OnnxModel.load(folder, device="cpu")
    feeds = {"x": np.array([1.0, 2.5], np.float32)}
    assert [each.tolist() for each in bound.run(feeds)] == [each.tolist() for each in plain.run(feeds)] == [[2.0, 5.0]]
