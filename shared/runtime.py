"""ONNX Runtime, imported so that it reports to nobody."""

import os

# Since 1.29 the official Linux builds send usage and model facts to Microsoft unless this is set before the import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as states

__all__ = ["FAULTS", "onnxruntime", "states"]

FAULTS: tuple[type[Exception], ...] = (
    states.EPFail,
    states.Fail,
    states.InvalidArgument,
    states.InvalidGraph,
    states.InvalidProtobuf,
    states.NoModel,
    states.NoSuchFile,
    states.NotImplemented,
    states.RuntimeException,
)
"""What ONNX Runtime raises over a graph, or over what it is fed."""
