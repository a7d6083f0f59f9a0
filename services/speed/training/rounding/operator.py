"""`vernier::round_decimals`: its schema, its form in plain torch, its gradient and its ONNX."""

from typing import Any

import torch
from torch import Tensor
from torch.onnx import register_custom_op_symbolic  # type: ignore[attr-defined]
from torch.onnx.symbolic_helper import parse_args

from services.speed.training.rounding.build import compiled

NAME = "vernier::round_decimals"
MOST_DECIMALS = 38
"""To either side of the point: single precision holds no higher power of ten."""
OPSET = 11
"""The first whose standard operators can express it (Round)."""


def round_decimals(x: Tensor, decimals: int) -> Tensor:
    """`x`, float32 or float64 of any shape, rounded half to even to so many decimals; below 0, to tens, hundreds, ...

    What is rounded is `x` times ten to the `decimals` in the precision of `x`. NaN, infinities, the sign of zero and
    numbers that have no such decimals stay. The gradient passes straight through (Bengio, Léonard & Courville, 2013).
    Raises ValueError where `decimals` is beyond MOST_DECIMALS and TypeError for another type than these two. The
    compiled kernel runs where it can be built, else the same steps in plain torch.
    """
    if not (torch._C._get_tracing_state() is not None or torch.compiler.is_compiling()):
        compiled()
    rounded: Tensor = torch.ops.vernier.round_decimals(x, decimals)
    return rounded


def plain(x: Tensor, decimals: int) -> Tensor:
    """The same numbers by operators that torch has."""
    if x.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"rounds float32 and float64, not {x.dtype}")
    if abs(decimals) > MOST_DECIMALS:
        raise ValueError(f"decimals must lie between -{MOST_DECIMALS} and {MOST_DECIMALS}, not {decimals}")
    power = torch.tensor(10.0 ** abs(decimals), dtype=x.dtype)
    scaled = x * power if decimals >= 0 else x / power
    rounded = torch.round(scaled) / power if decimals >= 0 else torch.round(scaled) * power
    return torch.where(scaled.abs() < integers_only(x.dtype), rounded, x)


def integers_only(dtype: torch.dtype) -> float:
    """From here on all numbers of the type are whole: one over half its epsilon's."""
    return 1 / torch.finfo(dtype).eps


def _fake(x: Tensor, decimals: int) -> Tensor:  # noqa: ARG001
    return torch.empty_like(x)


def _straight_through(_: Any, gradient: Tensor) -> tuple[Tensor, None]:
    return gradient, None


@parse_args("v", "i")
def _as_onnx(graph: Any, x: Any, decimals: int) -> Any:
    """Mul, Round and Div (Div, Round and Mul before the point), and the value itself where it has no such decimals."""
    dtype = torch.float64 if x.type().scalarType() == "Double" else torch.float32
    power = graph.op("Constant", value_t=torch.tensor(10.0 ** abs(decimals), dtype=dtype))
    limit = graph.op("Constant", value_t=torch.tensor(integers_only(dtype), dtype=dtype))
    there, back = ("Mul", "Div") if decimals >= 0 else ("Div", "Mul")
    scaled = graph.op(there, x, power)
    rounded = graph.op(back, graph.op("Round", scaled), power)
    few = graph.op("Less", graph.op("Abs", scaled), limit)
    return graph.op("Where", few, rounded, x).setType(x.type())


torch.library.define(NAME, "(Tensor x, int decimals) -> Tensor")
torch.library.impl(NAME, "CompositeExplicitAutograd", plain)
torch.library.register_fake(NAME, _fake)
torch.library.register_autograd(NAME, _straight_through)
register_custom_op_symbolic(NAME, _as_onnx, OPSET)
