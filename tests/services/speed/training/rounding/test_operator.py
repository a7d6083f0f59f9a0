"""The same numbers whichever form computes them, and those that decimal arithmetic gives."""

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from services.speed.training.rounding import MOST_DECIMALS, compiled, round_decimals
from services.speed.training.rounding.build import missing
from services.speed.training.rounding.operator import integers_only, plain
from shared.runtime import onnxruntime

Form = Callable[[Tensor, int], Tensor]
FLOATS = (torch.float32, torch.float64)
SPECIAL = [0.0, -0.0, float("nan"), float("inf"), -float("inf"), 3e38, -3e38, 1e-40, 8388607.5, 4503599627370495.5]


def compiled_form(x: Tensor, decimals: int) -> Tensor:
    if lacking := missing():
        pytest.skip(f"the kernel is not compiled here: no {' and no '.join(lacking)}")
    assert compiled()
    return round_decimals(x, decimals)


forms = pytest.mark.parametrize("form", [plain, compiled_form], ids=["plain", "compiled"])


def same(a: Tensor, b: Tensor) -> bool:
    """To the bit, the sign of zero included; NaN is NaN."""
    alike = (a == b) | (a.isnan() & b.isnan())
    return bool(alike.all()) and torch.equal(a.signbit() & ~a.isnan(), b.signbit() & ~b.isnan())


def spread(dtype: torch.dtype, count: int = 20_001) -> Tensor:
    """Numbers of every size, ties and the odd ones among them."""
    draw = torch.Generator().manual_seed(3)
    powers = torch.tensor(10.0, dtype=dtype) ** torch.randint(-12, 30, (count,), generator=draw).to(dtype)
    ties = torch.arange(-500, 500).to(dtype) / 8
    return torch.cat(
        [torch.randn(count, generator=draw, dtype=dtype) * powers, ties, torch.tensor(SPECIAL, dtype=dtype)]
    )


@forms
@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        (0.5, 0, 0.0), (1.5, 0, 2.0), (2.5, 0, 2.0), (-0.5, 0, -0.0), (0.125, 2, 0.12), (0.375, 2, 0.38),
        (-0.125, 2, -0.12), (25.0, -1, 20.0), (35.0, -1, 40.0), (-350.0, -2, -400.0), (1234.5678, 3, 1234.568),
        (1234.5678, -3, 1000.0), (13.88885, 4, 13.8888), (1e300, 4, 1e300), (1e-9, 4, 0.0),
    ],
)  # fmt: skip
def test_known_values(form: Form, value: float, decimals: int, expected: float) -> None:
    found = form(torch.tensor([value], dtype=torch.float64), decimals)
    assert same(found, torch.tensor([expected], dtype=torch.float64))


@forms
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("decimals", [-38, -2, 0, 1, 4, 38])
def test_what_has_no_decimals_stays(form: Form, dtype: torch.dtype, decimals: int) -> None:
    power = 10.0**decimals
    huge = [value for value in (3e38, -3e38, 1.7e38) if value * power >= integers_only(dtype)]
    values = torch.tensor([*huge, 0.0, -0.0, float("nan"), float("inf"), -float("inf")], dtype=dtype)
    assert same(form(values, decimals), values)


@forms
@settings(max_examples=300, deadline=None)
@given(value=st.floats(-1e9, 1e9), decimals=st.integers(-6, 6))
def test_it_is_decimal_rounding_but_for_what_scaling_rounds(form: Form, value: float, decimals: int) -> None:
    """The exact tie is decided in binary: where the scaled number lies within two of its last places of a tie, either
    neighbour is right; everywhere else the result is the float nearest to the decimal."""
    found = form(torch.tensor([value], dtype=torch.float64), decimals).item()
    exact = Decimal(value).scaleb(decimals)
    nearest = exact.quantize(Decimal(1), ROUND_HALF_EVEN)
    last = abs(exact) * Decimal(2) ** -51
    if abs(abs(exact - nearest) - Decimal("0.5")) <= last:
        assert abs(Decimal(found).scaleb(decimals) - exact) <= Decimal("0.5") + 2 * last
    else:
        assert found == pytest.approx(float(nearest.scaleb(-decimals)), rel=2**-52, abs=0)


@forms
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("decimals", [-2, 0, 4])
def test_rounding_again_changes_nothing(form: Form, dtype: torch.dtype, decimals: int) -> None:
    """Below half the numbers that are whole: there two roundings stay under half a step."""
    values = spread(dtype)
    values = values[(values * 10.0**decimals).abs() < integers_only(dtype) / 2]
    once = form(values, decimals)
    assert same(form(once, decimals), once)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("decimals", [-38, -7, -2, 0, 1, 4, 7, 38])
def test_compiled_and_plain_agree_to_the_bit(dtype: torch.dtype, decimals: int) -> None:
    values = spread(dtype)
    assert same(compiled_form(values, decimals), plain(values, decimals))


def laid_out() -> dict[str, Tensor]:
    base = torch.linspace(-30, 30, 4 * 6 * 8).reshape(4, 6, 8)
    return {
        "empty": base[:0],
        "scalar": base[0, 0, 0],
        "strided": base[:, ::2, 1::3],
        "transposed": base.transpose(0, 2),
        "expanded": base[:1, :, :1].expand(4, 6, 8),
        "channels last": torch.randn(2, 3, 5, 7).contiguous(memory_format=torch.channels_last),
    }


@forms
@pytest.mark.parametrize("name", laid_out())
def test_any_shape_and_strides(form: Form, name: str) -> None:
    values = laid_out()[name]
    found = form(values, 1)
    assert found.shape == values.shape
    assert found.dtype == values.dtype
    expected = np.round(values.numpy() * np.float32(10)) / np.float32(10)
    assert np.array_equal(found.numpy(), expected)


@forms
def test_what_cannot_be_rounded_is_refused(form: Form) -> None:
    with pytest.raises(ValueError, match="decimals must lie between -38 and 38, not 39"):
        form(torch.ones(1), MOST_DECIMALS + 1)
    with pytest.raises(TypeError, match="rounds float32 and float64, not"):
        form(torch.ones(1, dtype=torch.int64), 1)


@pytest.mark.parametrize("gradient", [False, True])
@pytest.mark.parametrize("dtype", FLOATS)
def test_the_operator_keeps_torchs_contracts(dtype: torch.dtype, gradient: bool) -> None:
    """Schema, shapes without data, autograd and tracing, as torch itself checks them."""
    compiled()
    values = torch.randn(3, 4, dtype=dtype, requires_grad=gradient)
    torch.library.opcheck(torch.ops.vernier.round_decimals.default, (values, 2))


def test_gradients_pass_straight_through() -> None:
    """Of sin(round(x)) the gradient is cos(round(x)) and the second one -sin(round(x)), where those of the steps would
    be 0."""
    values = torch.randn(5, 7, dtype=torch.float64, requires_grad=True)
    rounded = round_decimals(values, 2)
    (first,) = torch.autograd.grad(rounded.sin().sum(), values, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), values)
    assert torch.equal(first, rounded.cos())
    assert torch.equal(second, -rounded.sin())


class Rounding(torch.nn.Module):
    def __init__(self, decimals: int) -> None:
        super().__init__()
        self.decimals = decimals

    def forward(self, x: Tensor) -> Tensor:
        return round_decimals(x, self.decimals)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the exporter, at itself
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("decimals", [-2, 0, 1, 4])
def test_its_onnx_gives_the_same_numbers(tmp_path: Path, dtype: torch.dtype, decimals: int) -> None:
    """But for the sign of zero, which ONNX Runtime's Where loses."""
    file = tmp_path / "rounding.onnx"
    values = spread(dtype)
    torch.onnx.export(
        Rounding(decimals), (values[:3],), str(file), input_names=["x"], output_names=["y"],
        dynamic_axes={"x": {0: "n"}, "y": {0: "n"}}, opset_version=18, dynamo=False,
    )  # fmt: skip
    graph = onnx.load(file)
    onnx.checker.check_model(graph, full_check=True)
    used = {node.op_type for node in graph.graph.node}
    assert used <= {"Constant", "Mul", "Div", "Round", "Abs", "Less", "Where"}
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": values.numpy()})
    np.testing.assert_array_equal(found, round_decimals(values, decimals).numpy())
