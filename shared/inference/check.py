"""Whether the tensors of a request are those that a model takes."""

from collections.abc import Mapping, Sequence

from shared.errors import FieldError, Malformed
from shared.inference.requests import Input
from shared.inference.types import Array, TensorSpec


def check(inputs: Mapping[str, Input], specs: Sequence[TensorSpec]) -> dict[str, Array]:
    """The arrays by name. Raises Malformed, which names the input at fault and says what would be right."""
    for index, (name, given) in enumerate(inputs.items()):
        admit(specs, index, name, given.datatype, given.array.shape)
    missing = [spec for spec in specs if not spec.optional and spec.name not in inputs]
    if missing:
        raise Malformed(f"input {missing[0].name!r} is missing; the model takes {_all(specs)}")
    return {name: given.array for name, given in inputs.items()}


def admit(specs: Sequence[TensorSpec], index: int, name: str, datatype: str, shape: tuple[int, ...]) -> None:
    """The same of one input, the `index`th, before its data are read."""
    spec = next((spec for spec in specs if spec.name == name), None)
    if spec is None:
        raise _at(index, f"there is no input {name!r}; the model takes {_all(specs)}")
    if datatype != spec.datatype:
        raise _at(index, f"input {name!r} is {datatype}; it must be {spec.datatype}")
    if not spec.admits(shape):
        raise _at(index, f"input {name!r} has shape {list(shape)}; it must be {list(spec.shape)}, -1 being any size")


def _all(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(
        f"{spec.name} ({'optional, ' if spec.optional else ''}{spec.datatype} {list(spec.shape)})" for spec in specs
    )


def _at(index: int, detail: str) -> Malformed:
    return Malformed(detail, errors=[FieldError(f"/inputs/{index}", detail)])
