"""The answer to an inference request, as JSON or as JSON and binary tensors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.errors import FieldError, Malformed
from shared.inference.requests import InferRequest, Requested
from shared.inference.tensors import to_binary, to_json
from shared.inference.types import Array, TensorSpec
from shared.responses import json_bytes


@dataclass(frozen=True, slots=True)
class Encoded:
    """A body; `json_length` says how much of it is JSON where binary tensors follow."""

    body: bytes
    json_length: int | None


def chosen(request: InferRequest, specs: Mapping[str, TensorSpec]) -> list[Requested]:
    """The outputs to answer with. Raises Malformed for one that the model does not give."""
    if request.outputs is None:
        return [Requested(name, request.binary) for name in specs]
    for index, output in enumerate(request.outputs):
        if output.name not in specs:
            detail = f"there is no output {output.name!r}; the model gives {', '.join(specs)}"
            raise Malformed(detail, errors=[FieldError(f"/outputs/{index}/name", detail)])
    return list(request.outputs)


def encode(
    request: InferRequest, specs: Mapping[str, TensorSpec], arrays: Mapping[str, Array], model: str, version: str
) -> Encoded:
    outputs, parts = [], []
    for output in chosen(request, specs):
        array, datatype = arrays[output.name], specs[output.name].datatype
        entry: dict[str, Any] = {"name": output.name, "datatype": datatype, "shape": list(array.shape)}
        if output.binary:
            data = to_binary(datatype, array)
            parts.append(data)
            entry["parameters"] = {"binary_data_size": len(data)}
        else:
            entry["data"] = to_json(datatype, array, f"output {output.name!r}")
        outputs.append(entry)
    head: dict[str, Any] = {"model_name": model, "model_version": version}
    if request.id is not None:
        head["id"] = request.id
    text = json_bytes({**head, "outputs": outputs})
    if not parts:
        return Encoded(text, None)
    return Encoded(b"".join([text, *parts]), len(text))
