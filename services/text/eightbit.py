"""The sentence model in eight bits whose vectors do not depend on the texts beside them.

No scale is taken over a batch, so that what stands beside a text changes nothing (stock dynamic quantisation takes one
scale for all of it, and its vectors move with their neighbours by cosines of 0.95):

- What a layer normalisation gives has the magnitudes that its own weights give it. Its scales are constants, taken
  from `services.text.calibration`. Some channels are a hundred times larger than others; SmoothQuant (Xiao et
  al. 2023, eq. 4) moves part of a channel's magnitude into the weights: x_j / s_j and s_j W_j with
  s_j = max|x_j|^alpha / max|W_j|^(1 - alpha).
- What attention and GELU give varies from token to token: each token's row has a scale of its own, by its largest
  magnitude. GELU never gives less than -0.17, so that few of its levels stand below zero.

Weights have a scale a column. Activations are unsigned, since that is the product which x86 multiplies in one
instruction.

Most of the time goes into passes over memory, not into products, and the graph is written to make few: a product, its
scales and its bias are one node of ONNX Runtime's own (`MatMulIntegerToFloat`); a bias that is added to the residual
stands in the normalisation before, and is taken out of the biases of what else reads that one; the layout is (length,
batch), which lets `FusedMatMul` read the heads where they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from services.text import graph
from services.text.architecture import Architecture
from services.text.graph import RUNTIME, WORDS, GraphWriter
from services.text.weights import Tensors

ALPHA = 0.75
"""Of 0.7, 0.75, 0.8 and 0.85 the one with the largest mean cosine to float32: 0.99880, 0.99886, 0.99885, 0.99879."""
LEVELS = 127
ZERO_POINT = 128
HIGHEST = 255
DIP = 0.17
"""GELU's least value, of x = -0.75, is -0.16997."""
LEVELS_OF_DIP = 16
"""Of 8, 12, 16, 24 and 32: 0.99862, 0.99880, 0.99885, 0.99887, 0.99886; and the fewer, the finer what is above zero."""
SMALLEST = 1e-5
"""Magnitudes below count as this: a channel that is never used divides nothing by zero."""

FOLLOWING = (".self", ".intermediate.dense")
"""How the names of linear layers end whose input a normalisation gives."""

Floats = NDArray[np.float32]


class Observer(GraphWriter):
    """Writes float32, and remembers what goes into each linear layer."""

    def __init__(self, tensors: Tensors, shape: Architecture) -> None:
        super().__init__(tensors, shape)
        self.inputs: dict[str, str] = {}

    def linear(self, x: str, name: str) -> str:
        self.inputs[_shared(name)] = x
        return super().linear(x, name)


class EightBit(GraphWriter):
    """Writes linear layers in eight bits, of rows (tokens, width). `largest` has the largest magnitudes of each channel
    that comes from a normalisation, by the linear layers that it goes into."""

    def __init__(self, tensors: Tensors, shape: Architecture, largest: Mapping[str, Floats]) -> None:
        super().__init__(tensors, shape)
        self._largest = largest

    def words(self, ids: str) -> str:
        levels, scale = _levels(self.tensors[WORDS], 1)
        rows = self("Cast", self("Gather", self.constant("words.levels", levels), ids), to=TensorProto.FLOAT)
        return self("Mul", rows, self("Gather", self.constant("words.scale", scale[:, None]), ids))

    def of_normalised(self, x: str, *names: str) -> list[str]:
        """Linear layers of a normalisation that carries a bias."""
        shared = _shared(names[0])
        carried = carried_into(self.tensors, shared)
        divisors, step = _smoothing(self._largest[shared], self._weights(names))
        divided = self("Mul", x, self.constant(f"{shared}.smooth", 1 / divisors))
        scale = self.constant(f"{shared}.step", step)
        rows = self("QuantizeLinear", divided, scale, self._zero(ZERO_POINT))
        found = []
        for name in names:
            weight, bias = (self.tensors[f"{name}.{part}"].astype(np.float64) for part in ("weight", "bias"))
            kept = self.constant(f"{name}.bias", (bias - weight @ carried).astype(np.float32))
            found.append(self._product(rows, scale, ZERO_POINT, name, weight.T * divisors[:, None], kept))
        return found

    def of_attention(self, x: str, name: str) -> str:
        """The linear layer of what attention gives, without its bias."""
        largest = self("ReduceMax", self("Abs", x), self.integers(-1), keepdims=0)
        bounded = self("Max", largest, self.scalar("smallest", SMALLEST))
        return self._by_row(x, self("Mul", bounded, self.scalar("step", 1 / LEVELS)), ZERO_POINT, name)

    def of_gelu(self, x: str, name: str) -> str:
        """The linear layer of what GELU gives, without its bias."""
        largest = self("ReduceMax", x, self.integers(-1), keepdims=0)
        step = self("Mul", largest, self.scalar("step_of_gelu", 1 / (HIGHEST - LEVELS_OF_DIP)))
        return self._by_row(x, self("Max", step, self.scalar("dip", DIP / LEVELS_OF_DIP)), LEVELS_OF_DIP, name)

    def _by_row(self, x: str, scales: str, zero: int, name: str) -> str:
        zeros = self("Expand", self.constant(f"zeros_{zero}", np.array([zero], dtype=np.uint8)), self("Shape", scales))
        rows = self("QuantizeLinear", x, scales, zeros, axis=0)
        product = self._product(rows, self.scalar("one", 1.0), zero, name, self.tensors[f"{name}.weight"].T)
        return self("Mul", product, self("Unsqueeze", scales, self.integers(-1)))

    def _product(self, rows: str, scale: str, zero: int, name: str, weight: NDArray[Any], bias: str = "") -> str:
        levels, scales = _levels(weight, 0)
        columns = self.constant(f"{name}.levels", levels), self.constant(f"{name}.scale", scales)
        return self(
            "MatMulIntegerToFloat", rows, columns[0], scale, columns[1], self._zero(zero), "", bias, domain=RUNTIME
        )

    def _zero(self, zero: int) -> str:
        return self.constant(f"zero_{zero}", np.array(zero, dtype=np.uint8))

    def _weights(self, names: Sequence[str]) -> Floats:
        """The largest magnitude by which each input channel is multiplied."""
        largest: Floats = np.max([np.abs(self.tensors[f"{name}.weight"]).max(axis=0) for name in names], axis=0)
        return largest


def build(tensors: Tensors, shape: Architecture, rows: Sequence[Sequence[int]]) -> onnx.ModelProto:
    """`rows` are the token ids of the texts that the scales are taken from."""
    writer = EightBit(tensors, shape, observe(tensors, shape, rows))
    mask, masked = graph.masks(writer)
    # To every query its own row: what is added in whole blocks takes a fifth of the time.
    squares = writer(
        "Concat",
        writer("Shape", masked, end=2),
        writer("Shape", "input_ids", start=1),
        writer("Shape", "input_ids", start=1),
        axis=0,
    )
    penalty = writer("Expand", masked, squares)
    tokens = writer("Shape", writer("Transpose", "input_ids", perm=[1, 0]))
    heads = writer("Concat", tokens, writer.integers(shape.heads, shape.head), axis=0)
    total = writer("Transpose", graph.embedded(writer), perm=[1, 0, 2])
    x = _normalised(writer, _rows(writer, total), "embeddings.LayerNorm", f"{_block_name(0)}.attention.self")
    for layer in range(shape.layers):
        x = _block(writer, x, penalty, heads, layer)
    by_token = writer("Reshape", x, writer("Concat", tokens, writer.integers(shape.hidden), axis=0))
    graph.pool(writer, writer("Transpose", by_token, perm=[1, 0, 2]), mask)
    return graph.model_of(writer)


def observe(tensors: Tensors, shape: Architecture, rows: Sequence[Sequence[int]]) -> dict[str, Floats]:
    """By linear layer that follows a normalisation: the largest magnitude of each channel of its input, what it carries
    included, over all tokens of `rows`."""
    from shared.runtime import onnxruntime

    writer = Observer(tensors, shape)
    model = graph.build(writer)
    inputs = {name: x for name, x in writer.inputs.items() if name.endswith(FOLLOWING)}
    del model.graph.output[:]
    model.graph.output.extend(helper.make_tensor_value_info(x, TensorProto.FLOAT, None) for x in inputs.values())
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    largest: dict[str, Floats] = {}
    for row in rows:
        ids = np.array([row], dtype=np.int64)
        seen = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        for name, x in zip(inputs, seen, strict=True):
            reached = np.abs(x[0] + carried_into(tensors, name)).max(axis=0)
            largest[name] = np.maximum(largest.get(name, 0), reached)
    return largest


def carried_into(tensors: Tensors, name: str) -> Floats:
    """The bias that the normalisation before the linear layers `name` carries: that of the layer whose result is added
    to it."""
    for end in FOLLOWING:
        name = name.removesuffix(end)
    return tensors[f"{name}.output.dense.bias"]


def _block(writer: EightBit, x: str, penalty: str, heads: str, layer: int) -> str:
    name, shape = _block_name(layer), writer.shape
    attention = f"{name}.attention"
    query, key, value = (
        writer("Reshape", each, heads)
        for each in writer.of_normalised(x, *(f"{attention}.self.{part}" for part in ("query", "key", "value")))
    )
    scores = writer(
        "FusedMatMul", query, key, domain=RUNTIME, transBatchA=1, transBatchB=1, transB=1, alpha=shape.head**-0.5
    )
    weights = writer("Softmax", writer("Add", scores, penalty), axis=-1)
    context = writer("FusedMatMul", weights, value, domain=RUNTIME, transBatchB=1)
    merged = _rows(writer, writer("Transpose", context, perm=[2, 0, 1, 3]))
    total = writer("Add", writer.of_attention(merged, f"{attention}.output.dense"), x)
    attended = _normalised(writer, total, f"{attention}.output.LayerNorm", f"{name}.intermediate.dense")
    (inner,) = writer.of_normalised(attended, f"{name}.intermediate.dense")
    total = writer("Add", writer.of_gelu(graph.gelu(writer, inner), f"{name}.output.dense"), attended)
    following = f"{_block_name(layer + 1)}.attention.self" if layer + 1 < shape.layers else None
    return _normalised(writer, total, f"{name}.output.LayerNorm", following)


def _normalised(writer: EightBit, x: str, name: str, following: str | None) -> str:
    return writer.layer_norm(x, name, carried_into(writer.tensors, following) if following else None)


def _block_name(layer: int) -> str:
    return f"encoder.layer.{layer}"


def _rows(writer: EightBit, x: str) -> str:
    """(length, batch, ...) as (tokens, hidden)."""
    return writer("Reshape", x, writer.integers(-1, writer.shape.hidden))


def _levels(weight: NDArray[Any], axis: int) -> tuple[NDArray[np.int8], Floats]:
    """`weight` as int8, and the scale of each of its columns (`axis` 0) or rows (1)."""
    largest = np.abs(weight).max(axis=axis, keepdims=True)
    scale = np.maximum(largest / LEVELS, np.finfo(np.float32).tiny).astype(np.float32)
    return np.rint(weight / scale).astype(np.int8), scale.reshape(-1)


def _smoothing(largest: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """The divisor of each channel, and the step from one level of what they leave to the next."""
    bounded = np.maximum(largest, SMALLEST)
    # Powers of an eighth of an octave, and of a sixty-fourth: processors that round sums differently still write the
    # same file, but for what stands at such a bound.
    divisors = np.exp2(np.rint(np.log2(bounded**ALPHA / np.maximum(weights, SMALLEST) ** (1 - ALPHA)) * 8) / 8)
    step = np.exp2(np.ceil(np.log2((bounded / divisors).max() / LEVELS) * 64) / 64)
    return divisors.astype(np.float32), step.astype(np.float32)


def _shared(name: str) -> str:
    """Layers with one input go by one name."""
    return name.rpartition(".")[0] if ".self." in name else name
