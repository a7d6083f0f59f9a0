"""Which of ONNX Runtime's execution providers run a model: by the names that people use, with their options."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
NAMES = {"cpu": CPU, "cuda": CUDA, "tensorrt": TENSORRT}
AUTOMATIC = (CUDA, CPU)
DEVICES = {CUDA: "cuda", TENSORRT: "cuda"}
"""Providers whose tensors live on a device of their own, and what ONNX Runtime calls it."""


@dataclass(frozen=True)
class Providers:
    """Which providers run a model, in order of preference; none means CUDA where it is, else the CPU.

    `options` go to ONNX Runtime as they are, by provider; they win over what is set here. `required`: the first of
    `names` or nothing. Engines of TensorRT are built anew by every process without a `tensorrt_cache`.
    """

    names: tuple[str, ...] = ()
    required: bool = False
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    tensorrt_cache: Path | None = None
    tensorrt_fp16: bool = False

    @property
    def wanted(self) -> tuple[str, ...]:
        return tuple(full_name(each) for each in self.names) or AUTOMATIC

    def of(self, name: str) -> dict[str, str]:
        """The options of one provider."""
        given = [found for each, found in self.options.items() if full_name(each) == name]
        return {**self._defaults(name), **{key: value for found in given for key, value in found.items()}}

    def _defaults(self, name: str) -> dict[str, str]:
        if name == CUDA:
            # The default tries every algorithm of a convolution anew for each size of batch and frame.
            return {"cudnn_conv_algo_search": "HEURISTIC"}
        if name == TENSORRT:
            options = {"trt_fp16_enable": "True"} if self.tensorrt_fp16 else {}
            if self.tensorrt_cache is not None:
                kept = {"trt_engine_cache_enable": "True", "trt_timing_cache_enable": "True"}
                path = str(self.tensorrt_cache)
                options |= {**kept, "trt_engine_cache_path": path, "trt_timing_cache_path": path}
            return options
        return {}


def full_name(name: str) -> str:
    """ONNX Runtime's name of "cpu", "cuda" or "tensorrt", or of any other provider, its "ExecutionProvider" written or
    not."""
    known = NAMES.get(name.lower())
    return known or (name if name.endswith("ExecutionProvider") else f"{name}ExecutionProvider")
