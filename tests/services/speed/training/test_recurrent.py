"""The recurrent head: its cell, how it filters, what it learns, its gates and its ONNX."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from typer.testing import CliRunner

from services.speed.camera import PRESETS
from services.speed.render import render_clip
from services.speed.training import recurrent_gates as gates
from services.speed.training.__main__ import app
from services.speed.training.data import Clip, Pair
from services.speed.training.examples import Examples
from services.speed.training.recurrent import HIDDEN, LOG_SD, Cell, Gates, Recurrent
from services.speed.training.recurrent_command import FIGURES, pooled
from services.speed.training.recurrent_export import INPUTS, OUTPUTS, STATE, export_step
from services.speed.training.recurrent_features import Reel, reel, reels
from services.speed.training.recurrent_train import RecurrentRecipe, compare, fit, loss_of, pieces, watch
from shared.onnx import OnnxModel

RECIPE = RecurrentRecipe(epochs=2, steps=3, pieces=4, length=8)
FEATURES = 5


def drive(length: int = 120, seed: int = 0, noise: float = 0.4) -> Reel:
    """A car that speeds up and slows down, measured with noise; a feature says how much."""
    draw = np.random.default_rng(seed)
    time = np.arange(length) / 10
    truth = 8 + 3 * np.sin(time / 3 + draw.uniform(0, 6))
    sd = noise * draw.uniform(0.3, 2, length)
    features = np.column_stack([np.log(sd), draw.normal(size=(length, FEATURES - 1))])
    columns = (features, truth + sd * draw.normal(size=length), np.log(sd), truth)
    read, measured, log_sd, true = (torch.tensor(each).float() for each in columns)
    return Reel("clip_odom03_0", read, measured, log_sd, true, torch.tensor(time))


@pytest.fixture(scope="module")
def net() -> Recurrent:
    """A head that says something."""
    torch.manual_seed(4)
    made = Recurrent(FEATURES).eval()
    torch.nn.init.normal_(made.tell.weight, std=0.7)
    return made


def test_the_cell_is_torchs_lstm() -> None:
    """Thirty steps and the gradients of all weights; sums in another order, so to 1e-5."""
    torch.manual_seed(1)
    ours, theirs = Cell(7, 6), torch.nn.LSTM(7, 6)
    weights = {name.removesuffix("_l0"): value for name, value in theirs.named_parameters()}
    ours.load_state_dict({name: value.detach() for name, value in weights.items()})
    x = torch.randn(30, 4, 7)
    hidden = memory = torch.zeros(4, 6)
    found = []
    for row in x:
        after: Gates = ours(row, hidden, memory)
        hidden, memory = after.hidden, after.memory
        found.append(hidden)
    expected, (last_hidden, last_memory) = theirs(x)
    assert torch.allclose(torch.stack(found), expected, atol=1e-5)
    assert torch.allclose(hidden, last_hidden[0], atol=1e-5)
    assert torch.allclose(memory, last_memory[0], atol=1e-5)
    torch.autograd.backward([torch.stack(found).square().sum(), expected.square().sum()])
    for name, value in ours.named_parameters():
        assert torch.allclose(value.grad, weights[name].grad, rtol=1e-4, atol=1e-4), name  # type: ignore[arg-type]


def test_untrained_it_is_an_average_that_forgets_by_half() -> None:
    made = Recurrent(FEATURES).eval()
    measured = torch.tensor([[4.0], [8.0], [8.0]])
    with torch.no_grad():
        steps = made.run(torch.zeros(3, 1, FEATURES), measured, torch.zeros(3, 1))
    assert [float(step.speed) for step in steps] == pytest.approx([4.0, 6.0, 7.0])
    assert [float(step.gain) for step in steps] == [1.0, 0.5, 0.5]
    assert [float(step.log_sd) for step in steps] == [0.0] * 3


def test_what_was_not_measured_leaves_the_speed_and_says_so(net: Recurrent) -> None:
    nan = float("nan")
    measured = torch.tensor([[nan], [5.0], [nan], [6.0]])
    features = torch.where(measured.isnan(), nan, 0.3)[..., None].expand(-1, -1, FEATURES)
    with torch.no_grad():
        steps = net.run(features, measured, torch.zeros(4, 1))
    assert [float(step.gain) for step in steps][:3] == [0.0, 1.0, 0.0]
    assert float(steps[2].speed) == float(steps[1].speed)
    assert steps[2].log_sd > steps[3].log_sd
    assert all(bool(torch.isfinite(value).all()) for step in steps for value in (step.speed, step.log_sd, *step.gates))


def test_each_video_of_a_batch_is_its_own(net: Recurrent) -> None:
    one, two = drive(30, 1), drive(30, 2)
    with torch.no_grad():
        both = net.run(
            *(torch.stack([getattr(r, n) for r in (one, two)], 1) for n in ("features", "measured", "log_sd"))
        )
    for k, alone in enumerate((watch(net, one), watch(net, two))):
        assert [float(step.speed[k]) for step in both] == pytest.approx([float(step.speed) for step in alone], abs=1e-5)


def test_gradients_reach_every_weight_through_time(net: Recurrent) -> None:
    net.zero_grad()
    torch.autograd.backward(loss_of(net, pieces([drive()], RECIPE, np.random.default_rng(0)), 6))
    for name, weight in net.named_parameters():
        assert weight.grad is not None, name
        assert bool(torch.isfinite(weight.grad).all()), name
        assert weight.grad.abs().sum() > 0, name


def test_it_learns_to_filter() -> None:
    """On drives that it has not seen it halves the error of the pair by itself, and knows how wrong it is."""
    recipe = replace(RECIPE, epochs=10, steps=10, pieces=16, length=16)
    trained = fit([drive(200, seed) for seed in range(8)], recipe)
    compared = [compare(trained, drive(200, seed), "other") for seed in (100, 101, 102)]
    assert pooled(compared)["mse_recurrent"] < 0.5 * pooled(compared)["mse_raw"]
    assert 0.5 < pooled(compared)["within_1sd"] < 0.85
    assert pooled(compared)["within_2sd"] > 0.85


def test_the_same_seed_gives_the_same_head() -> None:
    first, second = (fit([drive()], RECIPE).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = fit([drive()], replace(RECIPE, seed=8)).state_dict()
    assert not torch.equal(first["tell.weight"], other["tell.weight"])


def test_its_step_in_onnx_says_the_same(net: Recurrent, tmp_path: Path) -> None:
    """A drive with a gap, step by step, the state handed on: single precision, so to 1e-4; two videos at once."""
    graph = export_step(net, tmp_path / "1.0.0", "1.0.0", {})
    onnx.checker.check_model(onnx.load(graph), full_check=True)
    model = OnnxModel.load(tmp_path / "1.0.0", providers=["cpu"])
    model.expect(dict.fromkeys(INPUTS, "float"), dict.fromkeys(OUTPUTS, "float"))
    film = [drive(40, 5), drive(40, 6)]
    film[0].measured[10:13] = float("nan")
    with torch.no_grad():
        expected = net.run(*(torch.stack([getattr(r, n) for r in film], 1) for n in ("features", "measured", "log_sd")))
    state = {name: value.numpy() for name, value in zip(STATE, net.begin(2), strict=True)}
    for k, step in enumerate(expected):
        feeds = {
            "features": torch.stack([r.features[k] for r in film]).numpy(),
            "measured_mps": torch.stack([r.measured[k] for r in film]).numpy(),
            "measured_sd_mps": torch.stack([r.log_sd[k] for r in film]).exp().numpy(),
        }
        speed, sd, *after = model.run({**feeds, **state})
        state = dict(zip(STATE, after, strict=True))
        assert speed == pytest.approx(step.speed.numpy(), abs=1e-4)
        assert sd == pytest.approx(step.log_sd.exp().numpy(), rel=1e-3, abs=1e-4)
        for name in STATE:
            assert state[name] == pytest.approx(getattr(step.state, name).numpy(), abs=1e-4), name


def test_the_gates_are_data_and_a_picture(net: Recurrent, tmp_path: Path) -> None:
    film = drive(25)
    found = gates.gathered(film, watch(net, film))
    table, columns, picture = gates.save(found, tmp_path / "gates")
    stored = np.load(table)
    assert {name: stored[name].shape for name in Gates._fields} == dict.fromkeys(Gates._fields, (25, HIDDEN))
    for name in ("input", "forget", "output"):
        assert 0 < stored[name].min() < stored[name].max() < 1
    memory = stored["forget"][1:] * stored["memory"][:-1] + stored["input"][1:] * stored["cell"][1:]
    assert memory == pytest.approx(stored["memory"][1:], abs=1e-6)
    assert stored["hidden"] == pytest.approx(stored["output"] * np.tanh(stored["memory"]), abs=1e-6)
    with columns.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 25
    assert [float(row["forget_3"]) for row in rows] == pytest.approx(stored["forget"][:, 3].tolist(), rel=1e-4)
    assert [float(row["speed_mps"]) for row in rows] == pytest.approx(stored["speed_mps"].tolist(), rel=1e-4)
    image = cv2.imread(str(picture))
    assert image is not None
    assert image.std() > 10


def test_what_is_read_of_a_clip(clips: list[Clip], pairs: list[Pair], volumes: Examples, tmp_path: Path) -> None:
    found = reels(clips[-1], tmp_path, (1, 2))
    whole = [each for each in found if each.name.endswith("/1")]
    assert len(whole) == 1
    assert len({each.features.shape[1] for each in found}) == 1
    own = [k for k, pair in enumerate(pairs) if pair.clip.name == clips[-1].name]
    again = reel("again", [pairs[k] for k in own], volumes.at(torch.tensor(own)))
    assert torch.equal(again.truth, whole[0].truth)
    assert torch.allclose(again.measured, whole[0].measured, atol=1e-4)
    for each in found:
        assert bool((each.time_s.diff() > 0).all())
        assert bool(torch.isfinite(each.features).all())
        assert each.features.shape[0] == len(each) == len(each.measured)
    assert len(list(tmp_path.iterdir())) == len(found)


def test_the_command_trains_compares_and_writes(tmp_path: Path) -> None:
    data, out, model = tmp_path / "data", tmp_path / "0.1.0", tmp_path / "model"
    data.mkdir()
    model.mkdir()
    (model / "CARD.md").write_text("# speed\n")
    for name, seed in (("train_odom03_0", 1), ("train_odom09_0", 2), ("val_odom03_1", 3)):
        camera = PRESETS["kitti-" + name.split("_")[1].removeprefix("odom")].scaled(310, 94)
        render_clip(data / f"{name}.mp4", seconds=1.5, fps=10, seed=seed, camera=camera)
    options = f"--work {tmp_path / 'work'} --model {model} --rendered 1 --epochs 1".split()
    run = CliRunner().invoke(app, ["recurrent", "--data", str(data), "--out", str(out), *options])
    assert run.exit_code == 0, run.output
    figures = json.loads((model / FIGURES).read_text())
    assert [(each["clip"], each["trained_on"]) for each in figures["across_drives"]] == [
        ("train_odom09_0", "odom03"),
        ("train_odom03_0", "odom09"),
    ]
    assert set(figures["pooled"]) == {"mse_raw", "mse_kalman", "mse_recurrent", "within_1sd", "within_2sd"}
    assert "| train_odom09_0 | 14 | " in (model / "CARD.md").read_text()
    assert OnnxModel.load(out).name == "speed-recurrent"
    assert {each.name for each in out.glob("gates-*")} == {
        f"gates-val_odom03_1.{kind}" for kind in ("npz", "csv", "png")
    }


def test_a_standard_deviation_stays_within_bounds(net: Recurrent) -> None:
    wild = drive(20)
    with torch.no_grad():
        steps = net.run(wild.features[:, None] * 1e4, wild.measured[:, None] * 1e3, wild.log_sd[:, None] - 50)
    assert all(LOG_SD[0] <= float(step.log_sd) <= LOG_SD[1] for step in steps)
