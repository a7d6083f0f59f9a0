"""Runs whose inputs lie on the device already: memory there is taken once a shape and used again."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from queue import Empty, LifoQueue
from typing import Any

import numpy as np

from shared.runtime import onnxruntime, states

Feeds = Mapping[str, np.ndarray[Any, Any]]
KEPT_SHAPES = 8
"""Of each input, on the device, a binding."""


class BoundRuns:
    """Runs of one session by bound memory: as many at a time as there are callers, each with a binding of its own that
    is kept for the next one."""

    def __init__(self, session: onnxruntime.InferenceSession, outputs: Sequence[str], device: str) -> None:
        self._session = session
        self._outputs = outputs
        self._device = device
        self._idle: LifoQueue[Binding] = LifoQueue()

    def run(self, feeds: Feeds) -> list[np.ndarray[Any, Any]]:
        try:
            binding = self._idle.get_nowait()
        except Empty:
            binding = Binding(self._session, self._outputs, self._device)
        found = binding.run(feeds)
        self._idle.put(binding)  # one that has failed is left to go
        return found


class Binding:
    """For one run at a time. The outputs come to the host: here they are a few numbers a row."""

    def __init__(self, session: onnxruntime.InferenceSession, outputs: Sequence[str], device: str) -> None:
        self._session = session
        self._outputs = outputs
        self._device = device
        self._io = session.io_binding()
        self._buffers: dict[str, OrderedDict[tuple[Any, ...], onnxruntime.OrtValue]] = {}

    def run(self, feeds: Feeds) -> list[np.ndarray[Any, Any]]:
        for name, array in feeds.items():
            self._io.bind_ortvalue_input(name, self._on_device(name, array))
        for name in self._outputs:
            self._io.bind_output(name, "cpu")  # anew: what a run has put there keeps its shape
        self._io.synchronize_inputs()
        try:
            self._session.run_with_iobinding(self._io)
        except RuntimeError as error:  # what a plain run raises has a type of its own
            raise states.RuntimeException(str(error)) from None
        self._io.synchronize_outputs()
        found: list[np.ndarray[Any, Any]] = self._io.copy_outputs_to_cpu()
        return found

    def _on_device(self, name: str, array: np.ndarray[Any, Any]) -> onnxruntime.OrtValue:
        """The array's copy in memory of its shape and type; of the shapes seen the last KEPT_SHAPES keep theirs."""
        kept = self._buffers.setdefault(name, OrderedDict())
        key = (array.shape, array.dtype)
        buffer = kept.pop(key, None)
        if buffer is None:
            buffer = onnxruntime.OrtValue.ortvalue_from_shape_and_type(array.shape, array.dtype, self._device)
        kept[key] = buffer
        if len(kept) > KEPT_SHAPES:
            kept.popitem(last=False)
        buffer.update_inplace(np.ascontiguousarray(array))
        return buffer
