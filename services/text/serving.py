"""The sentence model as the service runs it: texts of all requests through one batcher."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from services.text.embedder import RUN_TOKENS, Batch, Embedder, Vectors
from services.text.model import DIMENSIONS, MAX_TOKENS
from services.text.settings import TextSettings
from services.text.tokenizer import SPECIAL
from shared.batching import Batcher
from shared.cores import available_cores
from shared.errors import FieldError, Malformed, TooLarge, Unprocessable
from shared.inference.types import VARIABLE, Array, TensorSpec
from shared.metrics import Metrics
from shared.onnx import FAULTS, ModelError
from shared.workers import Workers

INPUTS = (TensorSpec("text", "BYTES", (VARIABLE,)),)
OUTPUTS = (
    TensorSpec("embedding", "FP32", (VARIABLE, DIMENSIONS)),
    TensorSpec("tokens", "INT32", (VARIABLE,)),
    TensorSpec("truncated", "BOOL", (VARIABLE,)),
)
WARM_UP = ("warm", "up " * 30, "long " * 300)
INLINE_CHARACTERS = 1_000
"""Up to so many are made into tokens on the event loop, 0.3 microseconds each: the way to a thread costs more."""
CHARACTERS_PER_TOKEN = 8
"""English has 4 to 5; with more nobody is refused for tokens that are not there."""


class TextEmbedding:
    """One version of the model, loaded and warm. `workers` make long texts into tokens."""

    inputs = INPUTS
    outputs = OUTPUTS

    def __init__(self, embedder: Embedder, settings: TextSettings, workers: Workers, metrics: Metrics) -> None:
        model = embedder.model
        self.name, self.version, self.sha256, self.provider = model.name, model.version, model.sha256, model.provider
        self.embedder = embedder
        self._settings = settings
        self._workers = workers
        on_cpu = model.provider == "CPUExecutionProvider"
        self.batcher: Batcher[list[int], Vectors] = Batcher(
            lambda rows: list(embedder.run(rows)),
            model=model.name,
            version=model.version,
            cost=len,
            max_cost=embedder.tokens_per_run,
            slots=(settings.threads or available_cores()) if on_cpu else 1,
            max_queue_cost=settings.max_queue_tokens,
            metrics=metrics,
            delay_s=settings.batch_delay_s,
            max_wait_s=settings.max_wait_s,
            overhead=RUN_TOKENS,
        )

    @classmethod
    def build(cls, folder: Path, settings: TextSettings, workers: Workers, metrics: Metrics) -> TextEmbedding:
        """Raises ModelError for a folder that holds no such model."""
        embedder = Embedder.load(folder, tokens_per_run=settings.tokens_per_run, providers=settings.execution)
        try:
            embedder.embed(WARM_UP)
        except FAULTS as error:
            raise ModelError(f"the graph in {folder} does not run: {error}") from None
        return cls(embedder, settings, workers, metrics)

    async def embed(
        self,
        texts: Sequence[str],
        check: Callable[[Batch], None] = lambda _: None,
        report: Callable[[float], None] | None = None,
    ) -> tuple[Batch, Vectors]:
        """The texts as tokens, and float32 (texts, 384) in their order. `check` may refuse them before they queue,
        `report` hears what share is done.

        Raises TooLarge and what the batcher raises.
        """
        started = time.monotonic()
        if sum(map(len, texts)) <= INLINE_CHARACTERS:
            batch = self.embedder.prepare(texts)
        else:
            self.batcher.check(min(sum(map(_fewest_tokens, texts)), self._settings.max_queue_tokens))
            batch = await self._workers.run(self.embedder.prepare, texts)
        self._check(batch)
        check(batch)
        self.batcher.statistics.prepared(time.monotonic() - started)
        vectors = await self.batcher.submit(batch.distinct, report)
        return batch, np.array([vectors[row] for row in batch.rows], dtype=np.float32).reshape(-1, DIMENSIONS)

    async def infer(self, inputs: Mapping[str, Array], parameters: Mapping[str, Any]) -> Mapping[str, Array]:
        """`text`, UTF-8 [N], to `embedding` [N, 384], `tokens` [N] and `truncated` [N]."""
        del parameters
        texts = _decoded(inputs["text"])
        if len(texts) > self._settings.max_inputs:
            raise TooLarge(f"{len(texts):,} texts, more than the {self._settings.max_inputs:,} of one request")
        batch, vectors = await self.embed(texts, refuse_empty)
        return {
            "embedding": vectors,
            "tokens": np.array([len(each.ids) for each in batch.tokens], dtype=np.int32),
            "truncated": np.array([each.truncated for each in batch.tokens], dtype=np.bool_),
        }

    def close(self) -> None:
        self.batcher.close()

    def _check(self, batch: Batch) -> None:
        most = self._settings.max_tokens
        if batch.token_count > most:
            raise TooLarge(
                f"the texts have {batch.token_count:,} tokens together, more than the {most:,} of one request"
            )


def refuse_empty(batch: Batch) -> None:
    """Raises Unprocessable for a text that has no token but those around it."""
    for index, tokens in enumerate(batch.tokens):
        if tokens.empty:
            detail = f"input {index} is empty: it has no token to embed"
            raise Unprocessable(detail, errors=[FieldError(f"/input/{index}", detail)])


def _decoded(values: Array) -> list[str]:
    texts = []
    for index, value in enumerate(values):
        try:
            texts.append(value.decode() if isinstance(value, bytes) else str(value))
        except UnicodeDecodeError as error:
            raise Malformed(f"text {index} is not UTF-8: {error.reason} at byte {error.start}") from None
    return texts


def _fewest_tokens(text: str) -> int:
    return SPECIAL + min(MAX_TOKENS - SPECIAL, len(text) // CHARACTERS_PER_TOKEN)
