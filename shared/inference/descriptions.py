"""What the protocol says of a model: metadata, configuration, statistics."""

from collections.abc import Iterable, Sequence
from typing import Any

from shared.inference.types import TensorSpec
from shared.repository import Servable

PLATFORM = "onnx_onnxv1"
EXTENSIONS = (
    "binary_tensor_data",
    "model_configuration",
    "model_repository",
    "parameters",
    "schedule_policy",
    "statistics",
)
"""Of https://github.com/triton-inference-server/server/tree/main/docs/protocol, those that are spoken here."""


def metadata(served: Servable, versions: Iterable[str]) -> dict[str, Any]:
    return {
        "name": served.name,
        "versions": list(versions),
        "platform": PLATFORM,
        "inputs": [spec.describe() for spec in served.inputs],
        "outputs": [spec.describe() for spec in served.outputs],
        "model": {"name": served.name, "version": served.version, "sha256": served.sha256},
    }


def config(served: Servable, policy: str) -> dict[str, Any]:
    """In the names of Triton's ModelConfig. `max_batch_size` 0: the shapes are whole, without a batch dimension
    before them; what runs together is decided by cost."""
    return {
        "name": served.name,
        "platform": PLATFORM,
        "backend": "onnxruntime",
        "version_policy": _policy(policy),
        "max_batch_size": 0,
        "input": _tensors(served.inputs),
        "output": _tensors(served.outputs),
        "instance_group": [{"name": served.provider, "kind": _kind(served.provider)}],
        "dynamic_batching": {},
        "default_model_filename": "model.onnx",
        "parameters": {
            "version": {"string_value": served.version},
            "sha256": {"string_value": served.sha256},
        },
    }


def statistics(served: Iterable[Servable]) -> dict[str, Any]:
    return {"model_stats": [each.batcher.statistics.document(each.name, each.version) for each in served]}


def _policy(policy: str) -> dict[str, Any]:
    if policy == "latest":
        return {"latest": {"num_versions": 1}}
    return {"all": {}} if policy == "all" else {"specific": {"versions": policy.split(",")}}


def _kind(provider: str) -> str:
    return "KIND_CPU" if provider == "CPUExecutionProvider" else "KIND_GPU"


def _tensors(specs: Sequence[TensorSpec]) -> list[dict[str, Any]]:
    return [
        {
            "name": spec.name,
            "data_type": "TYPE_STRING" if spec.datatype == "BYTES" else f"TYPE_{spec.datatype}",
            "dims": list(spec.shape),
            **({"optional": True} if spec.optional else {}),
        }
        for spec in specs
    ]
