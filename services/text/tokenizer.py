"""The sentence model's tokenizer: text in, token ids out, and whether something was cut.

The published tokenizer.json carries a truncation at 128 tokens and a padding to 128; both are switched off here, and
the cut at `max_tokens` (256, the length that the reference is evaluated with) is made and reported by this module.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
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
        self._path = path
        self.max_tokens = max_tokens
        self._right = self._load("right")
        self._left: tokenizers.Tokenizer | None = None

    def encode(self, texts: Sequence[str], *, left: bool = False) -> list[Tokens]:
        """`left`: of a text that is too long the beginning is cut, not the end."""
        tokenizer = self._right
        if left:
            tokenizer = self._left = self._left or self._load("left")
        slices = (texts[start : start + SLICE] for start in range(0, len(texts), SLICE))
        return [
            Tokens(each.ids, bool(each.overflowing)) for some in slices for each in tokenizer.encode_batch_fast(some)
        ]

    def _load(self, direction: str) -> tokenizers.Tokenizer:
        tokenizer = tokenizers.Tokenizer.from_file(str(self._path))
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.max_tokens, direction=direction)
        return tokenizer
