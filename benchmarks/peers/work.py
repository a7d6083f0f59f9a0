"""What every server in the comparison does for one request, without a server: the same lines, whoever serves them.

Imported within the peers' own environments: needs numpy, OpenCV, onnxruntime and tokenizers only. `BENCH_WORK` names
the work, `BENCH_MODEL` the folder of its model.
"""

import base64
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import cv2
import numpy as np
import onnxruntime

MAX_TOKENS = 256


def load(threads: int = 1) -> Any:
    """The work that the environment names."""
    return {"frame": Frame, "sentences": Sentences, "speed": Speed}[name()](model(), threads)


def name() -> str:
    return os.environ["BENCH_WORK"]


def model() -> Path:
    return Path(os.environ["BENCH_MODEL"])


def session(folder: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    cv2.setNumThreads(1)
    return onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])


def decoded(image: bytes, flags: int) -> Any:
    return cv2.imdecode(np.frombuffer(image, np.uint8), flags)


class Frame:
    """JPEG bytes to `{"scores": [10 numbers]}`."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self.session = session(folder, threads)
        self.side = self.session.get_inputs()[0].shape[1]

    def __call__(self, jpeg: bytes) -> dict[str, list[float]]:
        image = decoded(jpeg, cv2.IMREAD_COLOR)
        small = cv2.resize(image, (self.side, self.side))
        scores = self.session.run(["scores"], {"image": small[np.newaxis]})[0]
        return {"scores": scores[0].tolist()}


class Sentences:
    """Texts to one vector each, float32 in base64 as OpenAI's interface has it; all of a call go in one padded run."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        from tokenizers import Tokenizer

        self.session = session(folder, threads)
        self.inputs = {each.name for each in self.session.get_inputs()}
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.tokenizer.enable_padding()

    def vectors(self, texts: Sequence[str]) -> Any:
        """float32 [texts, dimensions]."""
        encoded = self.tokenizer.encode_batch(list(texts))
        ids = np.array([each.ids for each in encoded], np.int64)
        mask = np.array([each.attention_mask for each in encoded], np.int64)
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return self.session.run(None, {key: value for key, value in feeds.items() if key in self.inputs})[0]

    def __call__(self, texts: Sequence[str]) -> dict[str, list[str]]:
        return self.many([texts])[0]

    def many(self, requests: Sequence[Sequence[str]]) -> list[dict[str, list[str]]]:
        """Several requests in one run."""
        rows = self.vectors([text for texts in requests for text in texts])
        encoded = iter([base64.b64encode(row.tobytes()).decode() for row in rows])
        return [{"embeddings": [next(encoded) for _ in texts]} for texts in requests]


class Speed:
    """A form of JPEG images, taken at 10 a second, to `{"speed_mps": [one a frame]}`: Vernier's own speed model."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        from services.speed.camera import PRESETS
        from services.speed.estimator import Estimator

        card = json.loads((folder / "model.json").read_text())
        self.name, self.version = card["name"], card["version"]
        self.session = session(folder, threads)
        self.outputs = [each.name for each in self.session.get_outputs()]
        self.estimator = Estimator(self)
        self.camera = PRESETS["kitti"]

    def run(self, feeds: dict[str, Any]) -> list[Any]:
        return list(self.session.run(self.outputs, feeds))

    def __call__(self, form: bytes) -> dict[str, list[float | None]]:
        from benchmarks.forms import images_of
        from services.speed.estimator import Frame as Picture

        grey = [decoded(each, cv2.IMREAD_GRAYSCALE) for each in images_of(form)]
        camera = self.camera.scaled(grey[0].shape[1], grey[0].shape[0])
        pictures = (Picture(index / 10, each) for index, each in enumerate(grey))
        speeds = [float(each.speed_mps) for each in self.estimator.measure(pictures, camera)]
        return {"speed_mps": [None if speed != speed else speed for speed in speeds]}
