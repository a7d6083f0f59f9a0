"""Which sentence model the service runs, and where its folder stands."""

from __future__ import annotations

from pathlib import Path

MODEL_NAME = "text-embedding"
# Revision of the graph, its arithmetic, and the first bytes of the weights' sha256: another model, another version.
MODEL_VERSION = "1-fp32-53aa5117"
DIMENSIONS = 384
# The length the model was evaluated with (sentence_bert_config.json). The tokenizer file says 128, the position table
# would take 512; vectors of a long text differ by cosine .89 and .86 from the reference at those lengths.
MAX_TOKENS = 256
MODELS = Path(__file__).parent / "models"
