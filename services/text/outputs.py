"""What a sentence model's graph takes and gives, whoever exported it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.text.architecture import Pooling
from shared.onnx import ModelError, OnnxModel

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
POOLED = ("embedding", "sentence_embedding")
"""Outputs (batch, dimensions): one vector a text. `norm` (batch, 1) beside it is the length that it had."""
BY_TOKEN = ("token_embeddings", "last_hidden_state")
"""Outputs (batch, length, dimensions), to be pooled here."""

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Outputs:
    inputs: frozenset[str]
    vectors: int
    norm: int | None
    pooling: Pooling | None
    """How vectors of tokens become one of the text; None where the graph does it."""

    @classmethod
    def of(cls, model: OnnxModel, pooling: Pooling) -> Outputs:
        """Raises ModelError for a graph that is no sentence model's."""
        inputs = frozenset(each.name for each in model.session.get_inputs())
        if not {"input_ids", "attention_mask"} <= inputs <= {*INPUTS}:
            raise _wrong(model, "inputs", sorted(inputs), f"input_ids and attention_mask, {INPUTS[2]} if it likes")
        outputs = model.outputs
        norm = outputs.index("norm") if "norm" in outputs else None
        for names, pooled_by in ((POOLED, None), (BY_TOKEN, pooling)):
            for name in names:
                if name in outputs:
                    return cls(inputs, outputs.index(name), norm, pooled_by)
        raise _wrong(model, "outputs", outputs, f"one of {', '.join((*POOLED, *BY_TOKEN))}")

    def feeds(self, ids: Array, mask: Array) -> dict[str, Array]:
        feeds = {"input_ids": ids, "attention_mask": mask}
        return feeds | {"token_type_ids": np.zeros_like(ids)} if "token_type_ids" in self.inputs else feeds

    def pooled(self, outputs: Sequence[Array], mask: Array) -> NDArray[np.float32]:
        """float32 (batch, dimensions + 1): vectors of length 1, and the length that each had."""
        vectors = outputs[self.vectors]
        if self.norm is not None:
            return np.concatenate((vectors, outputs[self.norm]), axis=1)
        if self.pooling == "cls":
            vectors = vectors[:, 0]
        elif self.pooling == "mean":
            weights = mask[:, :, None].astype(np.float32)
            vectors = (vectors * weights).sum(axis=1) / weights.sum(axis=1)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.concatenate((vectors / np.maximum(norms, np.finfo(np.float32).tiny), norms), axis=1, dtype=np.float32)


def _wrong(model: OnnxModel, what: str, found: Sequence[str], wanted: str) -> ModelError:
    return ModelError(
        f"the graph of {model.name} {model.version} has the {what} {', '.join(found) or 'none'}; it must have {wanted}"
    )
