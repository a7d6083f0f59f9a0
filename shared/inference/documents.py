"""What the OpenAPI page says of the inference protocol's operations."""

from typing import Any

from pydantic import BaseModel

from shared.inference.schemas import Control, IndexRequest, InferenceRequest, InferenceResponse
from shared.openapi import CACHEABLE, json_request, problems

LENGTH = "How many bytes of the body are JSON, where binary tensors follow; 0: the whole body is the one input's data"

INFER = """Tensors as JSON, or in the binary extension: the JSON first, its length in `Inference-Header-Content-Length`,
then the little-endian data of each input that has `parameters.binary_data_size`, in order. BYTES elements are each
preceded by their length in four bytes. In JSON, BYTES are text, or base64 with `parameters.content_type: base64`;
null is NaN, both ways. Outputs come as JSON unless `binary_data` or `binary_data_output` ask for binary.

`parameters.timeout` (microseconds) shortens the deadline; `priority` is taken and does nothing. `id` comes back and
counts for the cache like all of the body: leave it out where answers are to be shared, X-Request-ID does not count."""

LOAD = """The version that `parameters.version` names, or those that the version policy selects, are built and warmed
beside what serves now, and then take its place in one step; no request is dropped. A folder that cannot be served
changes nothing: 409 says what is wrong with it. Off unless VERNIER_REPOSITORY_CONTROL is set."""

_BINARY = {"schema": {"type": "string", "format": "binary"}}

INFER_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": InferenceResponse,
        "description": "Outputs in the order in which they were asked for",
        "content": {"application/octet-stream": _BINARY},
    },
    **problems(404, 415, 422),
}


def _optional(model: type[BaseModel]) -> dict[str, Any]:
    extra = json_request(model)
    extra["requestBody"]["required"] = False
    return extra


_EXAMPLE = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["the deficit doubled"]}]}

INFER_EXTRA: dict[str, Any] = {**CACHEABLE, **json_request(InferenceRequest, {"one text": _EXAMPLE})}
INFER_EXTRA["requestBody"]["content"]["application/octet-stream"] = _BINARY
INDEX_EXTRA = _optional(IndexRequest)
CONTROL_EXTRA = _optional(Control)
