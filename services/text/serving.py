"""The sentence model as the service runs it: texts of all requests through one batcher."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from services.text.embedder import RUN_TOKENS, Batch, Embedder, Vectors
from services.text.inputs import accept, decoded, refuse_empty
from services.text.settings import TextSettings
from services.text.tokenizer import SPECIAL
from services.text.vector_cache import Known, VectorCache, keys_of
from shared.batching import Batcher
from shared.cores import available_cores
from shared.errors import Malformed, TooLarge
from shared.inference.types import VARIABLE, Array, TensorSpec
from shared.metrics import Metrics
from shared.onnx import FAULTS, ModelError
from shared.workers import Workers

Check = Callable[[Sequence[int], Sequence[bool]], None]
P = ParamSpec("P")
T = TypeVar("T")

INPUTS = (TensorSpec("text", "BYTES", (VARIABLE,)),)
SKIP_BLANK = "skip_blank"
"""Parameter of the inference protocol: a text without a token gets zeros and 0 tokens, and the others their vectors."""
WARM_UP = ("warm", "up " * 30, "long " * 300)
INLINE_CHARACTERS = 1_000
"""Up to so many are made into tokens on the event loop, 0.3 microseconds each: the way to a thread costs more."""
PART_CHARACTERS = 10_000
"""A request is made into tokens on one thread more for each so many characters, 3 ms of work."""
CHARACTERS_PER_TOKEN = 8
"""English has 4 to 5; with more nobody is refused for tokens that are not there."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Of each text of a request: `norms` are the lengths of the vectors before they were brought to 1, `cached` says
    which were known."""

    tokens: list[int]
    truncated: list[bool]
    cached: list[bool]
    norms: NDArray[np.float32]
    prepared_s: float

    @property
    def token_count(self) -> int:
        return sum(self.tokens)

    @property
    def truncated_count(self) -> int:
        return sum(self.truncated)


class TextEmbedding:
    """One version of the model, loaded and warm. `workers` make long texts into tokens."""

    inputs = INPUTS

    def __init__(
        self,
        embedder: Embedder,
        settings: TextSettings,
        workers: Workers,
        metrics: Metrics,
        cache: VectorCache | None = None,
    ) -> None:
        model = embedder.model
        self.name, self.version, self.sha256, self.provider = model.name, model.version, model.sha256, model.provider
        self.embedder = embedder
        self.dimensions, self.max_tokens = embedder.dimensions, embedder.tokenizer.max_tokens
        self.outputs = (
            TensorSpec("embedding", "FP32", (VARIABLE, self.dimensions)),
            TensorSpec("tokens", "INT32", (VARIABLE,)),
            TensorSpec("truncated", "BOOL", (VARIABLE,)),
            TensorSpec("cached", "BOOL", (VARIABLE,)),
        )
        self._settings = settings
        self._workers = workers
        self.cache = cache
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
    def build(
        cls,
        folder: Path,
        settings: TextSettings,
        workers: Workers,
        metrics: Metrics,
        cache: VectorCache | None = None,
    ) -> TextEmbedding:
        """Raises ModelError for a folder that holds no such model."""
        embedder = Embedder.load(folder, tokens_per_run=settings.tokens_per_run, providers=settings.execution)
        try:
            width = embedder.run(embedder.prepare(WARM_UP[:1]).distinct).shape[1] - 1
            if width != embedder.dimensions:
                raise ModelError(f"the graph in {folder} has {width} dimensions, its card says {embedder.dimensions}")
            embedder.embed(WARM_UP)
        except FAULTS as error:
            raise ModelError(f"the graph in {folder} does not run: {error}") from None
        return cls(embedder, settings, workers, metrics, cache)

    async def embed(
        self,
        texts: Sequence[str],
        check: Check = accept,
        report: Callable[[float], None] | None = None,
        *,
        left: bool = False,
    ) -> tuple[Facts, Vectors]:
        """Facts of the texts, and float32 (texts, dimensions) in their order. `check` hears how many tokens each has
        and whether it was cut, and may refuse them before they queue; `report` hears what share is done. `left`: long
        texts lose their beginnings.

        Raises TooLarge and what the batcher raises.
        """
        keys, known = await self._known(texts, left)
        unknown = [index for index, each in enumerate(known) if each is None]
        started = time.monotonic()
        batch = await self._prepared([texts[index] for index in unknown], left)
        fresh = dict(zip(unknown, batch.tokens, strict=True))
        counts = [len(fresh[index].ids) if each is None else each.tokens for index, each in enumerate(known)]
        cut = [fresh[index].truncated if each is None else each.truncated for index, each in enumerate(known)]
        self._check(sum(counts))
        check(counts, cut)
        prepared_s = time.monotonic() - started
        self.batcher.statistics.prepared(prepared_s)
        computed = await self.batcher.submit(batch.distinct, report)
        new = dict(zip(unknown, (computed[row] for row in batch.rows), strict=True))
        if self.cache is not None and keys:
            entries = {keys[index]: Known(counts[index], cut[index], row) for index, row in new.items()}
            self.cache.put([(key, each) for key, each in entries.items() if each.tokens > SPECIAL])
        ordered = [new[index] if each is None else each.row for index, each in enumerate(known)]
        rows = np.array(ordered, dtype=np.float32).reshape(-1, self.dimensions + 1)
        facts = Facts(counts, cut, [each is not None for each in known], rows[:, -1], prepared_s)
        return facts, np.ascontiguousarray(rows[:, :-1])

    async def infer(self, inputs: Mapping[str, Array], parameters: Mapping[str, Any]) -> Mapping[str, Array]:
        """`text`, UTF-8 [N], to `embedding` [N, dimensions], `tokens`, `truncated` and `cached` [N]."""
        texts = decoded(inputs["text"])
        if len(texts) > self._settings.max_inputs:
            raise TooLarge(f"{len(texts):,} texts, more than the {self._settings.max_inputs:,} of one request")
        skip = parameters.get(SKIP_BLANK, False)
        if not isinstance(skip, bool):
            raise Malformed(f"the parameter {SKIP_BLANK} must be true or false")
        facts, vectors = await self.embed(texts, accept if skip else refuse_empty)
        tokens = np.array(facts.tokens, dtype=np.int32)
        blank = tokens <= SPECIAL
        vectors[blank], tokens[blank] = 0, 0
        return {
            "embedding": vectors,
            "tokens": tokens,
            "truncated": np.array(facts.truncated, dtype=np.bool_),
            "cached": np.array(facts.cached, dtype=np.bool_),
        }

    def identity(self, *, left: bool) -> str:
        """What a text's vector depends on beside the text."""
        return f"{self.sha256} {self.max_tokens} {'left' if left else 'right'}"

    def close(self) -> None:
        self.batcher.close()

    async def _known(self, texts: Sequence[str], left: bool) -> tuple[list[bytes], list[Known | None]]:
        """The keys of the texts, none where they are not looked for, and what the cache knows of each."""
        if self.cache is None or not self.cache.takes(texts):
            return [], [None] * len(texts)
        keys = await self._aside(texts, keys_of, texts, self.identity(left=left))
        distinct = list(dict.fromkeys(keys))
        found = dict(zip(distinct, await self.cache.get(distinct, self.dimensions), strict=True))
        return keys, [found[key] for key in keys]

    async def _prepared(self, texts: Sequence[str], left: bool) -> Batch:
        characters = sum(map(len, texts))
        if characters <= INLINE_CHARACTERS:
            return self.embedder.prepare(texts, left=left)
        self.batcher.check(min(sum(map(self._fewest_tokens, texts)), self._settings.max_queue_tokens))
        count = min(len(texts), self._workers.threads, 1 + characters // PART_CHARACTERS)
        if count == 1:
            return await self._workers.run(self.embedder.prepare, texts, left=left)
        encode = partial(self.embedder.tokenizer.encode, left=left)
        length = -(-len(texts) // count)
        parts = (texts[start : start + length] for start in range(0, len(texts), length))
        tokens = await asyncio.gather(*(self._workers.run(encode, part) for part in parts))
        return await self._workers.run(self.embedder.batch, [each for part in tokens for each in part])

    async def _aside(self, texts: Sequence[str], function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The function's result, on a worker's thread if the texts are long."""
        if sum(map(len, texts)) <= INLINE_CHARACTERS:
            return function(*args, **kwargs)
        return await self._workers.run(function, *args, **kwargs)

    def _fewest_tokens(self, text: str) -> int:
        return SPECIAL + min(self.max_tokens - SPECIAL, len(text) // CHARACTERS_PER_TOKEN)

    def _check(self, tokens: int) -> None:
        most = self._settings.max_tokens
        if tokens > most:
            raise TooLarge(f"the texts have {tokens:,} tokens together, more than the {most:,} of one request")
