"""Tensors of every datatype, for hypothesis."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from shared.inference.types import DATATYPES, Array

SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
NUMBERS = [name for name in DATATYPES if name != "BYTES"]


@st.composite
def tensors(draw: st.DrawFn, *, text: bool = False, finite: bool = False) -> tuple[str, Array]:
    """A datatype and an array of it; `text`: BYTES are UTF-8."""
    datatype = draw(st.sampled_from(list(DATATYPES)))
    shape = draw(SHAPES)
    if datatype == "BYTES":
        count = int(np.prod(shape))
        one: Any = st.text(max_size=6).map(str.encode) if text else st.binary(max_size=6)
        array = np.empty(count, np.object_)
        array[:] = draw(st.lists(one, min_size=count, max_size=count))
        return datatype, array.reshape(shape)
    dtype = DATATYPES[datatype]
    elements: Any = None
    if dtype.kind == "f":
        elements = st.floats(width=8 * dtype.itemsize, allow_nan=not finite, allow_infinity=not finite)  # type: ignore[arg-type]
    return datatype, draw(arrays.arrays(dtype, shape, elements=elements))


def same(one: Array, other: Array) -> bool:
    """Bit for bit, but for NaN, of which there are many."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype.kind == "f":
        signs = (np.signbit(one) == np.signbit(other))[one == 0]
        return bool(np.array_equal(one, other, equal_nan=True) and signs.all())
    return bool(one.tolist() == other.tolist())
