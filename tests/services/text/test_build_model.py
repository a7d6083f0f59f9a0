import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.text import build_model, model, weights
from tests.processes import ROOT


def build(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.text.build_model", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_builds_a_described_folder_in_each_precision(wheel: Path, tmp_path: Path) -> None:
    done = build("--out", str(tmp_path), "--wheel", str(wheel))
    assert done.returncode == 0, done.stderr
    for precision in model.PRECISIONS:
        folder = build_model.folder_of(tmp_path, precision)
        description = json.loads((folder / "model.json").read_text())
        assert description["name"] == "text-embedding"
        assert description["version"] == folder.name
        assert description["precision"] == precision
        assert description["sha256"] == weights.sha256_of(folder / "model.onnx")
        assert "Apache-2.0" in (folder / "CARD.md").read_text()
    assert sorted(path.name for path in (tmp_path / model.MODEL_NAME).iterdir()) == [
        "2-fp32-53aa5117",
        "3-int8-53aa5117",
    ]


def test_a_complete_folder_is_left_alone_at_once(model_folder: Path) -> None:
    before = (model_folder / "model.onnx").stat().st_mtime_ns
    started = time.monotonic()
    assert build_model.is_complete(model_folder)
    # Two files are hashed, 91 MB: 0.1 s on a quiet core, so a second is room for a busy one.
    assert time.monotonic() - started < 1
    assert "complete" in build("--out", str(model.MODELS)).stdout
    assert (model_folder / "model.onnx").stat().st_mtime_ns == before


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "model.json"])
def test_a_missing_or_altered_file_makes_it_incomplete(model_folder: Path, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(model_folder, copy)
    assert build_model.is_complete(copy)
    with (copy / name).open("ab") as file:
        file.write(b"x")
    assert not build_model.is_complete(copy)
    (copy / name).unlink()
    assert not build_model.is_complete(copy)
