"""Which provider a session comes to run on."""

from pathlib import Path
from typing import Any

import onnx
import pytest
import structlog
from onnx import TensorProto, helper

from shared.providers import CPU, CUDA, TENSORRT, Providers
from shared.runtime import FAULTS, onnxruntime
from shared.sessions import ProviderError, open_session, usable


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])
    made = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "double", [x], [y])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "double.onnx")
    return tmp_path / "double.onnx"


class WithoutLibraries(onnxruntime.InferenceSession):  # type: ignore[misc]
    """What onnxruntime-gpu 1.31 does where CUDA's libraries are missing: TensorRT raises, CUDA is left out silently."""

    def __init__(self, path: str, options: Any, providers: list[tuple[str, Any]], **rest: Any) -> None:
        if any(name == TENSORRT for name, _ in providers):
            raise RuntimeError("Please install TensorRT libraries as mentioned in the GPU requirements page")
        super().__init__(path, options, [each for each in providers if each[0] != CUDA], **rest)


@pytest.fixture
def gpu_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [TENSORRT, CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", WithoutLibraries)


def test_the_cpu_stands_last() -> None:
    assert usable(["NoSuch"]) == [CPU]
    assert usable(["cpu"]) == usable(["cpu", "NoSuch"]) == [CPU]
    assert usable([])[-1] == CPU


def test_what_is_not_installed_gives_way_with_one_warning(graph: Path) -> None:
    with structlog.testing.capture_logs() as lines:
        session = open_session(graph, onnxruntime.SessionOptions(), Providers(("NoSuch", "cpu")))
    assert session.get_providers() == [CPU]
    (line,) = lines
    assert (line["log_level"], line["wanted"], line["runs"]) == ("warning", "NoSuchExecutionProvider", CPU)
    assert "NoSuchExecutionProvider: not in this build" in line["reason"]


@pytest.mark.parametrize("names", [(), ("cpu",)])
def test_what_was_asked_for_is_no_warning(graph: Path, names: tuple[str, ...]) -> None:
    if not names and CUDA in onnxruntime.get_available_providers():
        pytest.skip("this build of ONNX Runtime has CUDA")
    with structlog.testing.capture_logs() as lines:
        open_session(graph, onnxruntime.SessionOptions(), Providers(names))
    assert lines == []


@pytest.mark.usefixtures("gpu_build")
@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("tensorrt", "cuda"), "TensorrtExecutionProvider: Please install"),
        (("tensorrt", "cpu"), "TensorrtExecutionProvider: Please install"),
        (("cuda",), "libraries or its device are missing"),
        ((), "libraries or its device are missing"),
    ],
)
def test_what_is_installed_and_fails_gives_way_with_one_warning(graph: Path, names: tuple[str, ...], says: str) -> None:
    with structlog.testing.capture_logs() as lines:
        session = open_session(graph, onnxruntime.SessionOptions(), Providers(names))
    assert session.get_providers() == [CPU]
    (line,) = lines
    assert (line["runs"], line["wanted"]) == (CPU, TENSORRT if "tensorrt" in names else CUDA)
    assert says in line["reason"]


@pytest.mark.usefixtures("gpu_build")
def test_what_is_required_is_not_replaced(graph: Path) -> None:
    with pytest.raises(ProviderError, match=r"^CUDAExecutionProvider is required and does not run: "):
        open_session(graph, onnxruntime.SessionOptions(), Providers(("cuda",), required=True))


@pytest.mark.usefixtures("gpu_build")
def test_the_folder_of_engines_is_made(graph: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    open_session(graph, onnxruntime.SessionOptions(), Providers(("tensorrt",), tensorrt_cache=folder))
    assert folder.is_dir()


def test_a_graph_that_is_none_is_the_graphs_fault(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_text("no graph")
    with pytest.raises(FAULTS):
        open_session(tmp_path / "x.onnx", onnxruntime.SessionOptions(), Providers(("NoSuch",)))
