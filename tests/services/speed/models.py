"""Model folders for tests, made out of the one that is served."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
import orjson
from onnx import helper, numpy_helper

from services.speed.settings import SpeedSettings
from shared.repository.folders import Folders

ROOT = SpeedSettings().models
FOLDER = ROOT / "speed" / Folders(ROOT).versions("speed")[0]


def write_folder(folder: Path, model: onnx.ModelProto, version: str, name: str = "speed") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = model.SerializeToString()
    (folder / "model.onnx").write_bytes(content)
    card = orjson.loads((FOLDER / "model.json").read_bytes())
    card |= {"name": name, "version": version, "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "model.json").write_bytes(orjson.dumps(card))


def served() -> onnx.ModelProto:
    return onnx.load(FOLDER / "model.onnx")


def scaled(factor: float) -> onnx.ModelProto:
    """The same model, whose speeds are `factor` times as high."""
    model = served()
    (maker,) = (node for node in model.graph.node if "speed_mps" in node.output)
    maker.output[list(maker.output).index("speed_mps")] = "unscaled"
    model.graph.initializer.append(numpy_helper.from_array(np.array(factor, np.float32), "factor"))
    model.graph.node.append(helper.make_node("Mul", ["unscaled", "factor"], ["speed_mps"]))
    return model


def without_seconds() -> onnx.ModelProto:
    """A graph of another signature: the input `seconds` is a constant."""
    model = served()
    (seconds,) = (each for each in model.graph.input if each.name == "seconds")
    model.graph.input.remove(seconds)
    model.graph.initializer.append(numpy_helper.from_array(np.array([0.1], np.float32), "seconds"))
    return model
