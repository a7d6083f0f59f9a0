"""The sentence model's tokenizer: text in, token ids out, and whether something was cut.

The published tokenizer.json carries a truncation at 128 tokens and a padding to 128; both are switched off here, and
the cut at `max_tokens` (256, the length that the reference is evaluated with) is made and reported by this module.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# Threads of its own would contend with the model's, and to wake one costs more than most texts.
os.environ["TOKENIZERS_PARALLELISM"] = "false"
import tokenizers

SPECIAL = 2
"""[CLS] and [SEP], which stand around every text; one that has no more than these has nothing to embed."""

SLICE = 64
"""Texts whose tokens are made into Python's objects at once: meanwhile nothing else in the process runs."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """`ids` with [CLS] and [SEP], at most `max_tokens` of them; `truncated` when the text went on."""

    ids: list[int]
    truncated: bool

    @property
    def empty(self) -> bool:
        return len(self.ids) <= SPECIAL


class Tokenizer:
    """Lower-casing WordPiece. Any text that is valid Unicode can be encoded; lone surrogates raise TypeError."""

    def __init__(self, path: Path, max_tokens: int) -> None:
        self._tokenizer = tokenizers.Tokenizer.from_file(str(path))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)
        self.max_tokens = max_tokens

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        return [each for start in range(0, len(texts), SLICE) for each in self._slice(texts[start : start + SLICE])]

    def _slice(self, texts: Sequence[str]) -> Iterator[Tokens]:
        for encoding in self._tokenizer.encode_batch_fast(texts):
            yield Tokens(encoding.ids, bool(encoding.overflowing))
