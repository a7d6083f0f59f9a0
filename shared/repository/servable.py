"""What a repository serves."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Protocol

from shared.batching import Batcher
from shared.inference.types import Array, TensorSpec


class Servable(Protocol):
    """One version of one model, loaded and warm."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def sha256(self) -> str: ...

    @property
    def provider(self) -> str:
        """ONNX Runtime's execution provider."""
        ...

    @property
    def inputs(self) -> Sequence[TensorSpec]: ...

    @property
    def outputs(self) -> Sequence[TensorSpec]: ...

    @property
    def batcher(self) -> Batcher[Any, Any]: ...

    def infer(self, inputs: Mapping[str, Array], parameters: Mapping[str, Any]) -> Awaitable[Mapping[str, Array]]:
        """All outputs by name. The inputs are those of `inputs`, in datatype and shape as it says; whatever else is
        wrong with them or with the parameters raises a VernierError. It gives up when the request's deadline passes or
        its client hangs up: the batcher and the workers see to that."""
        ...

    def close(self) -> None:
        """After the last lease, on a thread of its own."""
        ...
