"""Which sentence model the service runs, and where its folder stands."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

MODEL_NAME = "text-embedding"
Precision = Literal["float32", "int8"]
PRECISIONS: dict[Precision, str] = {"float32": "fp32", "int8": "int8"}
"""What a version's name calls them."""
REVISIONS: dict[Precision, str] = {"float32": "2", "int8": "3"}
"""Of the graphs that are written here and of their arithmetic."""
DIMENSIONS = 384
# The length the model was evaluated with (sentence_bert_config.json). The tokenizer file says 128, the position table
# would take 512; vectors of a long text differ by cosine .89 and .86 from the reference at those lengths.
MAX_TOKENS = 256
MODELS = Path(__file__).parent / "models"


def version_of(precision: Precision, weights_sha256: str) -> str:
    """Another graph, another arithmetic or other weights are another version."""
    return f"{REVISIONS[precision]}-{PRECISIONS[precision]}-{weights_sha256[:8]}"
