"""The graph with its net in int8, and what that is worth: error and time of both.

Static quantisation in QDQ form: weights and activations of the net's convolutions and matrix products become int8, a
scale a channel for the weights, ranges from pairs of recorded frames. The correlation before the net, which has no
weights, and the closed forms in it stay float32.
"""

import hashlib
import json
import logging
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cv2
import onnx
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from services.speed.estimator import Estimator, Frame
from services.speed.training.data import Clip, load_clips
from services.speed.training.evaluate import Score, evaluate
from services.speed.training.notes import IN_INT8, note
from shared.onnx import OnnxModel, describe

Feeds = Mapping[str, NDArray[Any]]
NET = "/net/"
KINDS = ("Conv", "Gemm")
"""Of the net what was learnt; the matrix products of the plane's fit are arithmetic that eight bits would spoil."""
FIGURES = "int8.json"
ROUNDS = 5


@dataclass(frozen=True)
class Form:
    """The model in one form: milliseconds of CPU time a pair, one thread, and its errors."""

    bytes: int
    ms_a_pair: float
    scores: list[Score]


class Recorder:
    """A model that keeps every `every`-th pair that it is fed."""

    def __init__(self, model: OnnxModel, every: int) -> None:
        self.model, self.name, self.version = model, model.name, model.version
        self.pairs: list[Feeds] = []
        self._every, self._count = every, 0

    def run(self, feeds: dict[str, NDArray[Any]], /) -> list[NDArray[Any]]:
        if self._count % self._every == 0:
            self.pairs.append({name: value.copy() for name, value in feeds.items()})
        self._count += 1
        return self.model.run(feeds)


class Calibration:
    """As ONNX Runtime asks for it: a pair at a time, then None."""

    def __init__(self, pairs: Sequence[Feeds]) -> None:
        self._left: Iterator[Feeds] = iter(pairs)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return dict(pair) if (pair := next(self._left, None)) else None


def recorded(folder: Path, clips: Sequence[Clip], every: int) -> list[Feeds]:
    """What the graph is fed as the clips are measured."""
    recorder = Recorder(OnnxModel.load(folder, providers=["cpu"]), every)
    for clip in clips:
        frames = (Frame(float(t), grey) for t, grey in zip(clip.time_s, clip.frames, strict=True))
        for _ in Estimator(recorder).measure(frames, clip.camera):
            pass
    return recorder.pairs


def quantise(folder: Path, out: Path, pairs: Sequence[Feeds]) -> list[str]:
    """Writes `out`/model.onnx and model.json, of the same name and version; the names of the nodes that are int8.
    Raises ValueError where the graph's net has none that could be."""
    from onnxruntime import quantization  # not before shared.runtime, so that nothing is reported to anyone

    graph = onnx.load(folder / "model.onnx")
    nodes = [node.name for node in graph.graph.node if node.name.startswith(NET) and node.op_type in KINDS]
    if not nodes:
        raise ValueError(f"the graph in {folder} has no {', '.join(KINDS)} below {NET}")
    out.mkdir(parents=True, exist_ok=True)
    logging.disable(logging.WARNING)  # it advises a pre-processing that has nothing to do here
    try:
        quantization.quantize_static(
            graph, str(out / "model.onnx"), Calibration(pairs),
            nodes_to_quantize=nodes, per_channel=True, op_types_to_quantize=list(KINDS),
            activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
        )  # fmt: skip
    finally:
        logging.disable(logging.NOTSET)
    card = describe(folder)
    card |= {"sha256": hashlib.sha256((out / "model.onnx").read_bytes()).hexdigest(), "precision": "int8"}
    (out / "model.json").write_text(json.dumps(card, indent=2) + "\n")
    return nodes


def cpu_ms(folders: Sequence[Path], pairs: Sequence[Feeds]) -> list[float]:
    """Milliseconds of CPU time a pair, one thread, to the microsecond: the least of several rounds that take turns."""
    models = [OnnxModel.load(folder, providers=["cpu"], threads=1) for folder in folders]
    least = [float("inf")] * len(models)
    for _ in range(ROUNDS):
        for k, model in enumerate(models):
            begun = time.process_time()
            for pair in pairs:
                model.run(pair)
            least[k] = min(least[k], (time.process_time() - begun) / len(pairs) * 1e3)
    return [round(ms, 3) for ms in least]


def measured(folder: Path, out: Path, clips: list[Clip], pairs: Sequence[Feeds]) -> dict[str, Form]:
    """Both forms: `float32` and `int8`."""
    times = cpu_ms((folder, out), pairs[:100])
    return {
        name: Form((each / "model.onnx").stat().st_size, ms, evaluate(each, clips))
        for name, each, ms in zip(("float32", "int8"), (folder, out), times, strict=True)
    }


def figures(forms: Mapping[str, Form]) -> dict[str, Any]:
    """What is kept of them: errors a clip, without the course over time."""
    kept = ("clip", "frames", "mse_raw", "mse_kalman", "mse_rts", "bias", "within_1sd", "within_2sd")
    return {
        name: {
            "bytes": form.bytes,
            "ms_a_pair": form.ms_a_pair,
            "scores": [{key: getattr(score, key) for key in kept} for score in form.scores],
        }
        for name, form in forms.items()
    }


def command(
    model: Annotated[Path, typer.Argument(help="Folder of the model.")],
    data: Annotated[Path, typer.Option(help="Folder with train_*.mp4 and val_*.mp4, each with its csv.")],
    out: Annotated[Path | None, typer.Option(help="Folder for the int8 model; else it is thrown away.")] = None,
    every: Annotated[int, typer.Option(help="Calibrates on every so many-th pair of the training clips.")] = 10,
) -> None:
    """Makes the int8 form of a model, prints errors and times of both, and leaves them in the model's int8.json."""
    cv2.setNumThreads(1)
    training = load_clips(data, "train_")
    pairs = recorded(model, training, every)
    with tempfile.TemporaryDirectory() as scratch:
        folder = out or Path(scratch, describe(model)["version"])
        nodes = quantise(model, folder, pairs)
        forms = measured(model, folder, training + load_clips(data, "val_"), pairs)
    told = {"nodes": len(nodes), "calibrated_on": len(pairs), **figures(forms)}
    (model / FIGURES).write_text(json.dumps(told, indent=2) + "\n")
    note(model, IN_INT8, described(forms, len(nodes), len(pairs)))
    show(forms)


def described(forms: Mapping[str, Form], nodes: int, pairs: int) -> str:
    """For the card."""
    sizes = "; ".join(
        f"{name} {form.ms_a_pair:.2f} ms a pair, {form.bytes / 1e3:.0f} kB" for name, form in forms.items()
    )
    lines = [
        f"The net's {nodes} convolutions and matrix products in int8 (static, QDQ, calibrated on {pairs} pairs), beside"
        f" float32, in CPU time of the graph on one thread: {sizes}. Mean squared errors:\n",
        "| clip | " + " | ".join(f"{what} {name}" for what in ("raw", "causal", "RTS") for name in forms) + " |",
        "|---|" + "---|" * 3 * len(forms),
    ]
    for row in zip(*(form.scores for form in forms.values()), strict=True):
        errors = (getattr(score, mse) for mse in ("mse_raw", "mse_kalman", "mse_rts") for score in row)
        lines.append(f"| {row[0].clip} | " + " | ".join(f"{error:.4f}" for error in errors) + " |")
    return "\n".join(lines)


def show(forms: Mapping[str, Form]) -> None:
    table = Table(
        title=", ".join(f"{name}: {form.ms_a_pair:.2f} ms, {form.bytes} bytes" for name, form in forms.items())
    )
    for name in ("clip", *(f"{what} {name}" for what in ("raw", "causal", "RTS") for name in forms)):
        table.add_column(name, justify="left" if name == "clip" else "right")
    for row in zip(*(form.scores for form in forms.values()), strict=True):
        errors = (getattr(score, mse) for mse in ("mse_raw", "mse_kalman", "mse_rts") for score in row)
        table.add_row(row[0].clip, *(f"{error:.4f}" for error in errors))
    Console().print(table)
