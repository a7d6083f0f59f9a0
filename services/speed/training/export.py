"""The trained model as ONNX, with the description that it is loaded by."""

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from services.speed.training.network import SPEEDS_SEEN_MPS, SpeedModel

OPSET = 18
INPUTS = ("previous", "current", "previous_homography", "current_homography", "seconds")
OUTPUTS = ("speed_mps", "sd_mps", "tilt_rad", "tilt_sd_rad")
DESCRIBED: dict[str, dict[str, Any]] = {
    "previous": {"type": "uint8", "shape": ["N", "H", "W"], "what": "the earlier frame, grey"},
    "current": {"type": "uint8", "shape": ["N", "H", "W"], "what": "the later frame, grey"},
    "previous_homography": {
        "type": "float32",
        "shape": ["N", 3, 3],
        "what": "road point (lateral, ahead, 1) in metres to homogeneous pixels of the earlier frame, as if the car "
        "had not moved on but turned only: calibration @ rotation to the earlier frame @ pose of the later camera",
    },
    "current_homography": {
        "type": "float32",
        "shape": ["N", 3, 3],
        "what": "road point (lateral, ahead, 1) in metres to homogeneous pixels of the later frame",
    },
    "seconds": {"type": "float32", "shape": ["N"], "what": "time between the frames"},
}


def example(batch: int = 2, height: int = 188, width: int = 620) -> tuple[torch.Tensor, ...]:
    """Inputs of the graph's types and a plausible geometry, the frames noise."""
    generator = torch.Generator().manual_seed(0)
    frames = [torch.randint(0, 256, (batch, height, width), generator=generator).to(torch.uint8) for _ in range(2)]
    focal = 0.58 * width
    homography = torch.tensor([[focal, width / 2, 0], [0, height / 2, focal * 1.65], [0, 1, 0]])
    homographies = homography.expand(batch, 3, 3).clone()
    return (*frames, homographies, homographies.clone(), torch.full((batch,), 0.1))


def write_graph(
    module: nn.Module, values: tuple[torch.Tensor, ...], file: Path, axes: dict[str, dict[int, str]]
) -> None:
    """Writes the module as ONNX, traced with `values`, and checks the graph. `axes` names the free ones of the inputs,
    as many as there are values, and then of the outputs. Raises onnx.checker.ValidationError."""
    names = list(axes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", UserWarning)
        torch.onnx.export(
            module.eval(), values, str(file), input_names=names[: len(values)], output_names=names[len(values) :],
            dynamic_axes=axes, opset_version=OPSET, dynamo=False,
        )  # fmt: skip
    onnx.checker.check_model(str(file), full_check=True)


def export(model: SpeedModel, folder: Path, version: str, facts: dict[str, Any]) -> Path:
    """Writes `folder`/model.onnx and model.json; batch, height and width stay open."""
    folder.mkdir(parents=True, exist_ok=True)
    graph = folder / "model.onnx"
    frames = {0: "N", 1: "H", 2: "W"}
    axes = {name: frames if name in ("previous", "current") else {0: "N"} for name in INPUTS + OUTPUTS}
    write_graph(model, example(), graph, axes)
    described = {
        "name": "speed",
        "version": version,
        "sha256": hashlib.sha256(graph.read_bytes()).hexdigest(),
        "opset": OPSET,
        "licence": "CC BY-NC-SA 3.0",
        "speeds_seen_mps": list(SPEEDS_SEEN_MPS),
        "inputs": DESCRIBED,
        "outputs": {
            "speed_mps": {"type": "float32", "shape": ["N"], "what": "along the direction of travel"},
            "sd_mps": {"type": "float32", "shape": ["N"], "what": "standard deviation of speed_mps"},
            "tilt_rad": {
                "type": "float32",
                "shape": ["N", 2],
                "what": "pitch and roll of the road beyond those of current_homography, from this pair alone",
            },
            "tilt_sd_rad": {"type": "float32", "shape": ["N", 2], "what": "standard deviations of tilt_rad"},
        },
        **facts,
    }
    (folder / "model.json").write_text(json.dumps(described, indent=2) + "\n")
    return graph
