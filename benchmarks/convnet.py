"""A small convnet and the frames to ask it about, drawn from a seed: what every server in the comparison serves."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

NAME, VERSION = "convnet", "1"
SIDE, CLASSES = 224, 10
WIDTH, HEIGHT = 640, 480
CHANNELS = (32, 64, 96, 128)
"""Output channels of the 3x3 convolutions, each with stride 2."""


def build(folder: Path) -> Path:
    """Writes model.onnx and model.json into `folder`/convnet/1 and returns that folder.

    Input `image`: uint8 [batch, 224, 224, 3], BGR. Output `scores`: float32 [batch, 10].
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    draw = np.random.default_rng(7)
    weights: dict[str, NDArray[Any]] = {"scale": np.array(1 / 127.5, "f4"), "one": np.array(1, "f4")}
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "one"], ["centred"]),
        helper.make_node("Transpose", ["centred"], ["x0"], perm=[0, 3, 1, 2]),
    ]
    inside = 3
    for index, outside in enumerate(CHANNELS):
        weights[f"w{index}"] = (draw.normal(size=(outside, inside, 3, 3)) * np.sqrt(2 / (9 * inside))).astype("f4")
        weights[f"b{index}"] = np.zeros(outside, "f4")
        names = [f"x{index}", f"w{index}", f"b{index}"]
        nodes.append(helper.make_node("Conv", names, [f"c{index}"], pads=[1] * 4, strides=[2, 2]))
        nodes.append(helper.make_node("Relu", [f"c{index}"], [f"x{index + 1}"]))
        inside = outside
    weights["w"] = (draw.normal(size=(CLASSES, inside)) / np.sqrt(inside)).astype("f4")
    nodes += [
        helper.make_node("GlobalAveragePool", [f"x{len(CHANNELS)}"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w"], ["scores"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        NAME,
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", CLASSES])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    data = model.SerializeToString()
    into = folder / NAME / VERSION
    into.mkdir(parents=True, exist_ok=True)
    (into / "model.onnx").write_bytes(data)
    card = {"name": NAME, "version": VERSION, "sha256": hashlib.sha256(data).hexdigest()}
    (into / "model.json").write_bytes(orjson.dumps(card))
    return into


def pictures(count: int) -> list[bytes]:
    """So many different JPEG images of 640 x 480 pixels, with about as much in them as a photograph has."""
    import cv2

    draw = np.random.default_rng(11)
    encoded = []
    for _ in range(count):
        coarse = draw.integers(0, 256, (HEIGHT // 16, WIDTH // 16, 3), dtype=np.uint8)
        smooth = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        noise = draw.normal(0, 5, smooth.shape)
        image = np.clip(smooth + noise, 0, 255).astype(np.uint8)
        encoded.append(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes())
    return encoded
