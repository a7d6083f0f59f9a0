"""The recurrent head as ONNX: one step, its state in and out."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from services.speed.training.export import OPSET, write_graph
from services.speed.training.network import DECIMALS
from services.speed.training.recurrent import Recurrent, State
from services.speed.training.rounding import round_decimals

STATE = State._fields
INPUTS = ("features", "measured_mps", "measured_sd_mps", *STATE)
OUTPUTS = ("speed_mps", "sd_mps", *(f"next_{name}" for name in STATE))


class OneStep(nn.Module):
    """The graph: standard deviations instead of their logs, answers rounded, the state exact."""

    def __init__(self, net: Recurrent) -> None:
        super().__init__()
        self.net = net

    def forward(self, features: Tensor, measured: Tensor, sd: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        step = self.net(features, measured, sd.log(), State(*state))
        return round_decimals(step.speed, DECIMALS), round_decimals(step.log_sd.exp(), DECIMALS), *step.state


def example(net: Recurrent, rows: int = 2) -> tuple[Tensor, ...]:
    features = torch.randn(rows, len(net.centre), generator=torch.Generator().manual_seed(0))
    return features, torch.full((rows,), 5.0), torch.full((rows,), 0.2), *net.begin(rows)


def export_step(net: Recurrent, folder: Path, version: str, facts: dict[str, Any]) -> Path:
    """Writes `folder`/model.onnx and model.json. All state is 0 before a video's first pair."""
    folder.mkdir(parents=True, exist_ok=True)
    graph = folder / "model.onnx"
    write_graph(OneStep(net), example(net), graph, {name: {0: "N"} for name in INPUTS + OUTPUTS})
    sizes = {"features": ["N", len(net.centre)], "hidden": ["N", net.hidden], "memory": ["N", net.hidden]}
    shaped = {
        name: {"type": "float32", "shape": sizes.get(name.removeprefix("next_"), ["N"])} for name in INPUTS + OUTPUTS
    }
    described = {
        "name": "speed-recurrent",
        "version": version,
        "sha256": hashlib.sha256(graph.read_bytes()).hexdigest(),
        "opset": OPSET,
        "inputs": {name: shaped[name] for name in INPUTS},
        "outputs": {name: shaped[name] for name in OUTPUTS},
        **facts,
    }
    (folder / "model.json").write_text(json.dumps(described, indent=2) + "\n")
    return graph
