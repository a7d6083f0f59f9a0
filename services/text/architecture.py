"""The measures of a BERT-like encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Pooling = Literal["mean", "cls"]


@dataclass(frozen=True, slots=True)
class Architecture:
    """Of an encoder; as it stands, that of all-MiniLM-L6-v2."""

    name: str = "all-MiniLM-L6-v2"
    layers: int = 6
    heads: int = 12
    hidden: int = 384
    epsilon: float = 1e-12
    pooling: Pooling = "mean"

    @property
    def head(self) -> int:
        return self.hidden // self.heads


MINILM = Architecture()
