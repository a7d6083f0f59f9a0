"""The sentence model in eight bits whose vectors do not depend on the texts beside them.

A linear layer's input is scaled by the largest magnitude of each token's own row, not of the whole tensor: what stands
elsewhere in the batch changes nothing (stock dynamic quantisation takes one scale for all of it, and its vectors move
with their neighbours by cosines of 0.95). Weights have a scale a column. Activations are unsigned, around 128, since
that is the product which x86 multiplies in one instruction.

Some channels are a hundred times larger than others and would take all levels for themselves. SmoothQuant (Xiao et al.
2023, eq. 4) moves part of each channel's magnitude into the weights: x_j / s_j and s_j W_j with
s_j = max|x_j|^alpha / max|W_j|^(1 - alpha), the maxima of x taken over `services.text.calibration`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from services.text import graph
from services.text.architecture import Architecture
from services.text.graph import WORDS, GraphWriter
from services.text.weights import Tensors

ALPHA = 0.7
"""Of 0.5, 0.6, 0.7 and 0.8 the one with the largest mean cosine to float32: 0.9981, 0.9985, 0.9987, 0.9983."""
LEVELS = 127
ZERO_POINT = 128
SMALLEST = 1e-5
"""Magnitudes below count as this: a channel that is never used divides nothing by zero."""

Floats = NDArray[np.float32]


class Observer(GraphWriter):
    """Writes float32, and remembers what goes into each linear layer."""

    def __init__(self, tensors: Tensors, shape: Architecture) -> None:
        super().__init__(tensors, shape)
        self.inputs: dict[str, str] = {}

    def linear(self, x: str, name: str) -> str:
        self.inputs[_shared(name)] = x
        return super().linear(x, name)


class RowWise(GraphWriter):
    """Writes linear layers in eight bits; `smooth` has the divisors of each one's input channels."""

    def __init__(self, tensors: Tensors, shape: Architecture, smooth: Mapping[str, Floats]) -> None:
        super().__init__(tensors, shape)
        self._smooth = smooth
        self._quantised: dict[str, tuple[str, str]] = {}
        self._rows = ""

    def linear(self, x: str, name: str) -> str:
        smooth = self._smooth[_shared(name)]
        rows, scales = self._rows_of(x, name, smooth)
        levels, scale = _levels(self.tensors[f"{name}.weight"].T * smooth[:, None], 0)
        zero = self.constant("zero_point", np.array(ZERO_POINT, dtype=np.uint8))
        product = self(
            "Cast", self("MatMulInteger", rows, self.constant(f"{name}.levels", levels), zero), to=TensorProto.FLOAT
        )
        scaled = self("Mul", self("Mul", product, self.constant(f"{name}.scale", scale)), scales)
        bias = self.constant(f"{name}.bias", self.tensors[f"{name}.bias"])
        return self("Reshape", self("Add", scaled, bias), self._as_given())

    def words(self, ids: str) -> str:
        levels, scale = _levels(self.tensors[WORDS], 1)
        rows = self("Cast", self("Gather", self.constant("words.levels", levels), ids), to=TensorProto.FLOAT)
        return self("Mul", rows, self("Gather", self.constant("words.scale", scale[:, None]), ids))

    def _rows_of(self, x: str, name: str, smooth: Floats) -> tuple[str, str]:
        """The input as uint8 (tokens, width) and its scales (tokens, 1); queries, keys and values share them."""
        known = self._quantised.get(x)
        if known is None:
            divided = self("Mul", x, self.constant(f"{_shared(name)}.smooth", 1 / smooth))
            flat = self("Reshape", divided, self.integers(-1, len(smooth)))
            largest = self("ReduceMax", self("Abs", flat), self.integers(-1), keepdims=0)
            scale = self(
                "Mul", self("Max", largest, self.scalar("smallest", SMALLEST)), self.scalar("step", 1 / LEVELS)
            )
            middle = self.constant("middle", np.array([ZERO_POINT], dtype=np.uint8))
            zeros = self("Expand", middle, self("Shape", scale))
            rows = self("QuantizeLinear", flat, scale, zeros, axis=0)
            known = self._quantised[x] = rows, self("Unsqueeze", scale, self.integers(-1))
        return known

    def _as_given(self) -> str:
        """The shape (batch, length, whatever it is wide)."""
        if not self._rows:
            self._rows = self("Concat", self("Shape", "input_ids"), self.integers(-1), axis=0)
        return self._rows


def build(tensors: Tensors, shape: Architecture, rows: Sequence[Sequence[int]]) -> onnx.ModelProto:
    """`rows` are the token ids of the texts that the scales are taken from."""
    largest = observe(tensors, shape, rows)
    return graph.build(RowWise(tensors, shape, {name: _divisors(tensors, name, x) for name, x in largest.items()}))


def observe(tensors: Tensors, shape: Architecture, rows: Sequence[Sequence[int]]) -> dict[str, Floats]:
    """By linear layer: the largest magnitude of each channel of its input, over all tokens of `rows`."""
    from shared.runtime import onnxruntime

    writer = Observer(tensors, shape)
    model = graph.build(writer)
    del model.graph.output[:]
    model.graph.output.extend(helper.make_tensor_value_info(x, TensorProto.FLOAT, None) for x in writer.inputs.values())
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    largest: dict[str, Floats] = {}
    for row in rows:
        ids = np.array([row], dtype=np.int64)
        seen = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        for name, x in zip(writer.inputs, seen, strict=True):
            largest[name] = np.maximum(largest.get(name, 0), np.abs(x[0]).max(axis=0))
    return largest


def _levels(weight: Floats, axis: int) -> tuple[NDArray[np.int8], Floats]:
    """`weight` as int8, and the scale of each of its columns (`axis` 0) or rows (1)."""
    largest = np.abs(weight).max(axis=axis, keepdims=True)
    scale = np.maximum(largest / LEVELS, np.finfo(np.float32).tiny).astype(np.float32)
    return np.rint(weight / scale).astype(np.int8), scale.reshape(-1)


def _divisors(tensors: Tensors, name: str, largest: Floats) -> Floats:
    names = [f"{name}.{part}" for part in ("query", "key", "value")] if name.endswith(".self") else [name]
    weights = np.max([np.abs(tensors[f"{each}.weight"]).max(axis=0) for each in names], axis=0)
    divisors = np.maximum(largest, SMALLEST) ** ALPHA / np.maximum(weights, SMALLEST) ** (1 - ALPHA)
    # Powers of an eighth of an octave: processors that round sums differently still write the same file.
    rounded: Floats = np.exp2(np.rint(np.log2(divisors) * 8) / 8).astype(np.float32)
    return rounded


def _shared(name: str) -> str:
    """Layers with one input go by one name."""
    return name.rpartition(".")[0] if ".self." in name else name
