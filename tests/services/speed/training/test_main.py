from pathlib import Path

from typer.testing import CliRunner

from services.speed.camera import PRESETS
from services.speed.render import render_clip
from services.speed.training.__main__ import app
from shared.onnx import OnnxModel
from tests.services.speed.drives import MODEL

CAMERA = PRESETS["kitti-03"].scaled(310, 94)


def test_train_makes_a_model_that_loads(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for prefix, seconds in (("train", 6), ("val", 1)):
        render_clip(data / f"{prefix}_odom03_0.mp4", seconds=seconds, fps=10, seed=2, camera=CAMERA)
    out = tmp_path / "9.9.9"
    options = f"--work {tmp_path / 'work'} --cycles 1 --variants 1 --rendered 1 --threads 1".split()
    run = CliRunner().invoke(app, ["train", "--data", str(data), "--out", str(out), *options])
    assert run.exit_code == 0, run.output
    model = OnnxModel.load(out, providers=["CPUExecutionProvider"])
    assert (model.name, model.version) == ("speed", "9.9.9")
    assert "val_odom03_0" in (out / "CARD.md").read_text()


def test_render_and_evaluate(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    run = CliRunner().invoke(app, ["render", str(clip), "--seconds", "1", "--fps", "10"])
    assert run.exit_code == 0, run.output
    run = CliRunner().invoke(app, ["evaluate", str(MODEL), str(clip), "--camera", "kitti"])
    assert run.exit_code == 0, run.output
    assert "clip" in run.output
