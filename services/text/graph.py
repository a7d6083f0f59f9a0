"""A sentence model as an ONNX graph, written node by node from its weights.

BERT encoder (Devlin et al. 2019: post-norm blocks, erf-GELU, learned positions), mean over the attended tokens or the
first one, then L2 normalisation. Opset 18; `GraphWriter` writes float32, `services.text.eightbit` eight bits.

Inputs   `input_ids`, `attention_mask`: int64 (batch, length), length at most that of the position table.
Outputs  `embedding`: float32 (batch, hidden), each row of length 1; `norm`: float32 (batch, 1), the length it had.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from services.text.architecture import MINILM, Architecture
from services.text.weights import Tensors

OPSET = 18
RUNTIME = "com.microsoft"
"""The domain of ONNX Runtime's own operators."""
IR_VERSION = 9
# Added to the scores of padding before the softmax: e**-10000 is 0 in float32, and no row turns into NaN.
MASKED = -10000.0
WORDS = "embeddings.word_embeddings.weight"


class GraphWriter:
    """Collects nodes and initializers; each call adds one node and returns the name of its output."""

    def __init__(self, tensors: Tensors, shape: Architecture = MINILM) -> None:
        self.tensors = tensors
        self.shape = shape
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}

    def __call__(self, operator: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:
        output = out or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))
        return output

    def constant(self, name: str, value: NDArray[Any]) -> str:
        if name not in self.initializers:
            self.initializers[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def integers(self, *values: int) -> str:
        return self.constant("i_" + "_".join(map(str, values)), np.array(values, dtype=np.int64))

    def scalar(self, name: str, value: float) -> str:
        return self.constant(name, np.array(value, dtype=np.float32))

    def linear(self, x: str, name: str) -> str:
        """`x W^T + b`; the transposed weight is stored, so that the graph multiplies plainly."""
        weight = self.constant(f"{name}.weight", self.tensors[f"{name}.weight"].T)
        bias = self.constant(f"{name}.bias", self.tensors[f"{name}.bias"])
        return self("Add", self("MatMul", x, weight), bias)

    def words(self, ids: str) -> str:
        return self("Gather", self.constant("words", self.tensors[WORDS]), ids)

    def layer_norm(self, x: str, name: str, more: NDArray[np.float32] | None = None) -> str:
        """The normalisation, plus `more`."""
        scale = self.constant(f"{name}.weight", self.tensors[f"{name}.weight"])
        bias = self.constant(f"{name}.bias", self.tensors[f"{name}.bias"] + (0 if more is None else more))
        return self("LayerNormalization", x, scale, bias, axis=-1, epsilon=self.shape.epsilon)


def build(graph: GraphWriter) -> onnx.ModelProto:
    mask, penalty = masks(graph)
    x = graph.layer_norm(embedded(graph), "embeddings.LayerNorm")
    for layer in range(graph.shape.layers):
        x = _block(graph, x, penalty, f"encoder.layer.{layer}")
    pool(graph, x, mask)
    return model_of(graph)


def masks(graph: GraphWriter) -> tuple[str, str]:
    """1 for text and 0 for padding, (batch, length); and what that adds to scores, (batch, 1, 1, length)."""
    mask = graph("Cast", "attention_mask", to=TensorProto.FLOAT)
    absent = graph("Sub", graph.scalar("one", 1.0), mask)
    return mask, graph("Mul", graph("Unsqueeze", absent, graph.integers(1, 2)), graph.scalar("masked", MASKED))


def embedded(graph: GraphWriter) -> str:
    """Words and positions, (batch, length, hidden), not normalised yet."""
    # A sentence is segment 0 throughout: its row of the segment table is added to the positions once and for all.
    table = graph.tensors["embeddings.position_embeddings.weight"]
    positions = graph.constant("positions", table + graph.tensors["embeddings.token_type_embeddings.weight"][0])
    length = graph("Shape", "input_ids", start=1, end=2)
    here = graph("Slice", positions, graph.integers(0), length, graph.integers(0))
    return graph("Add", graph.words("input_ids"), here)


def _block(graph: GraphWriter, x: str, penalty: str, name: str) -> str:
    context = _attention(graph, x, penalty, f"{name}.attention.self")
    attended = graph("Add", graph.linear(context, f"{name}.attention.output.dense"), x)
    attended = graph.layer_norm(attended, f"{name}.attention.output.LayerNorm")
    inner = gelu(graph, graph.linear(attended, f"{name}.intermediate.dense"))
    return graph.layer_norm(
        graph("Add", graph.linear(inner, f"{name}.output.dense"), attended), f"{name}.output.LayerNorm"
    )


def _attention(graph: GraphWriter, x: str, penalty: str, name: str) -> str:
    shape = graph.shape

    def heads(part: str, order: list[int]) -> str:
        split = graph("Reshape", graph.linear(x, f"{name}.{part}"), graph.integers(0, 0, shape.heads, shape.head))
        return graph("Transpose", split, perm=order)

    query, key, value = heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1]), heads("value", [0, 2, 1, 3])
    scores = graph("Mul", graph("MatMul", query, key), graph.scalar("head_scale", shape.head**-0.5))
    weights = graph("Softmax", graph("Add", scores, penalty), axis=-1)
    merged = graph("Transpose", graph("MatMul", weights, value), perm=[0, 2, 1, 3])
    return graph("Reshape", merged, graph.integers(0, 0, shape.hidden))


def gelu(graph: GraphWriter, x: str) -> str:
    """`x/2 (1 + erf(x / sqrt 2))`, Hendrycks and Gimpel 2016, in the order that runtimes recognise."""
    erf = graph("Erf", graph("Div", x, graph.scalar("sqrt_2", 2**0.5)))
    return graph("Mul", graph("Mul", x, graph("Add", erf, graph.scalar("one", 1.0))), graph.scalar("half", 0.5))


def pool(graph: GraphWriter, x: str, mask: str) -> None:
    """The outputs, of the last block's (batch, length, hidden)."""
    last = graph.integers(-1)
    if graph.shape.pooling == "cls":
        pooled = graph("Gather", x, graph.constant("first", np.array(0, dtype=np.int64)), axis=1)
    else:
        kept = graph("Mul", x, graph("Unsqueeze", mask, last))
        total = graph("ReduceSum", kept, graph.integers(1), keepdims=0)
        pooled = graph("Div", total, graph("ReduceSum", mask, graph.integers(1), keepdims=1))
    graph("ReduceL2", pooled, last, keepdims=1, out="norm")
    graph("Div", pooled, "norm", out="embedding")


def model_of(graph: GraphWriter) -> onnx.ModelProto:
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"])
        for name in ("input_ids", "attention_mask")
    ]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width])
        for name, width in (("embedding", graph.shape.hidden), ("norm", 1))
    ]
    body = helper.make_graph(graph.nodes, graph.shape.name, inputs, outputs, list(graph.initializers.values()))
    domains = {node.domain for node in graph.nodes}
    opsets = [helper.make_opsetid(domain, {"": OPSET, RUNTIME: 1}[domain]) for domain in sorted(domains)]
    model = helper.make_model(body, opset_imports=opsets, producer_name="vernier")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    return model
