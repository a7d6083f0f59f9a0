"""Tensors of the Open Inference Protocol, as numpy arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""Of the dtype that DATATYPES gives; BYTES are arrays of `bytes` objects."""

DATATYPES: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {
        "BOOL": np.dtype(np.bool_),
        "UINT8": np.dtype("<u1"),
        "UINT16": np.dtype("<u2"),
        "UINT32": np.dtype("<u4"),
        "UINT64": np.dtype("<u8"),
        "INT8": np.dtype("<i1"),
        "INT16": np.dtype("<i2"),
        "INT32": np.dtype("<i4"),
        "INT64": np.dtype("<i8"),
        "FP16": np.dtype("<f2"),
        "FP32": np.dtype("<f4"),
        "FP64": np.dtype("<f8"),
        "BYTES": np.dtype(np.object_),
    }
)
"""Little-endian, as the binary extension has them on the wire. BF16, which numpy lacks, is not among them."""

VARIABLE = -1
"""A dimension of any size."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What a model takes or gives; -1 in `shape` is a dimension of any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    optional: bool = False

    def describe(self) -> dict[str, Any]:
        """As the protocol's metadata has it, and `optional` where it holds."""
        facts: dict[str, Any] = {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}
        return {**facts, "optional": True} if self.optional else facts

    def admits(self, shape: tuple[int, ...]) -> bool:
        return len(shape) == len(self.shape) and all(
            wanted in (VARIABLE, given) for wanted, given in zip(self.shape, shape, strict=True)
        )


def of_texts(values: list[str]) -> Array:
    """A BYTES tensor [N] of UTF-8."""
    array = np.empty(len(values), dtype=np.object_)
    array[:] = [value.encode() for value in values]
    return array
