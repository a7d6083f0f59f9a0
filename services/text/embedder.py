"""Sentence vectors: texts to rows of length 1, in runs of near-equal length under a token budget.

A run of texts whose lengths differ is padded to the longest, and padding is computed like text: a transcript in the
order it was spoken carries five padded tokens for each real one. With near-equal lengths it carries next to none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.text.architecture import Pooling
from services.text.model import DIMENSIONS, MAX_TOKENS
from services.text.outputs import Outputs
from services.text.tokenizer import Tokenizer, Tokens
from shared.batching import plan
from shared.onnx import ModelError, OnnxModel, describe
from shared.providers import Providers

RUN_TOKENS = 20
"""What a run costs beside its tokens, in tokens: it reads 11 MB of weights, however few they are for. Measured on one
core, in eight bits: 0.9 ms a run and 0.047 ms a token."""

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Batch:
    """`tokens` of each text; `distinct` are those that differ, longest first, and `rows` says for each text which of
    them is its own.
    """

    tokens: list[Tokens]
    distinct: list[list[int]]
    rows: list[int]


class Embedder:
    """`tokens_per_run` bounds the padded tokens of one run, and with them its memory (about 40 KB a token). `card` is
    what the model's folder says of it."""

    def __init__(
        self,
        model: OnnxModel,
        tokenizer: Tokenizer,
        *,
        tokens_per_run: int = MAX_TOKENS,
        dimensions: int = DIMENSIONS,
        pooling: Pooling = "mean",
        card: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.tokens_per_run = max(tokens_per_run, tokenizer.max_tokens)
        self.dimensions = dimensions
        self.card = card
        self._outputs = Outputs.of(model, pooling)

    @classmethod
    def load(
        cls, folder: Path, *, tokens_per_run: int = MAX_TOKENS, providers: Providers | Sequence[str] = ()
    ) -> Embedder:
        """Reads the folder that `services.text.build_model` wrote; one thread a run, so runs go side by side.

        Raises ModelError.
        """
        if not (folder / "tokenizer.json").is_file():
            raise ModelError(f"{folder} has no tokenizer.json")
        card = describe(folder)
        model = OnnxModel.load(folder, providers=providers, threads=1)
        return cls(
            model,
            Tokenizer(folder / "tokenizer.json", card.get("max_tokens", MAX_TOKENS)),
            tokens_per_run=tokens_per_run,
            dimensions=card.get("dimensions", DIMENSIONS),
            pooling=card.get("pooling", "mean"),
            card=card,
        )

    def prepare(self, texts: Sequence[str], *, left: bool = False) -> Batch:
        """Tokens of the texts, cut at the end or, `left`, at the beginning."""
        return self.batch(self.tokenizer.encode(texts, left=left))

    def batch(self, tokens: list[Tokens]) -> Batch:
        """What is said twice is computed once, so that it has one vector."""
        distinct = sorted({tuple(each.ids) for each in tokens}, key=len, reverse=True)
        position = {ids: index for index, ids in enumerate(distinct)}
        return Batch(tokens, [list(ids) for ids in distinct], [position[tuple(each.ids)] for each in tokens])

    def run(self, rows: Sequence[Sequence[int]]) -> Vectors:
        """One pass of token ids through the model: float32 (rows, dimensions + 1), the vector of length 1 and last the
        length that it had."""
        ids = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
        mask = np.zeros_like(ids)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
            mask[index, : len(row)] = 1
        return self._outputs.pooled(self.model.run(self._outputs.feeds(ids, mask)), mask)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """All runs one after the other on the calling thread: float32 (texts, dimensions), in the order of `texts`."""
        batch = self.prepare(texts)
        vectors = np.empty((len(batch.distinct), self.dimensions), dtype=np.float32)
        for run in plan([len(ids) for ids in batch.distinct], self.tokens_per_run, overhead=RUN_TOKENS):
            vectors[run] = self.run([batch.distinct[index] for index in run])[:, :-1]
        return vectors[batch.rows]


def shorten(vectors: Vectors, dimensions: int) -> Vectors:
    """The first `dimensions` columns, each row brought back to length 1."""
    if dimensions == vectors.shape[1]:
        return vectors
    cut = vectors[:, :dimensions]
    norms = np.linalg.norm(cut, axis=1, keepdims=True)
    # A row may be zero in its first columns; it stays zero.
    return np.ascontiguousarray(cut / np.where(norms > 0, norms, 1), dtype=np.float32)
