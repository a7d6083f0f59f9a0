"""OpenAI's answer to a request for embeddings: https://platform.openai.com/docs/api-reference/embeddings."""

import base64

import numpy as np

from services.text.embedder import Vectors
from shared.responses import json_bytes


def answer_bytes(vectors: Vectors, encoding: str, model: str, version: str, tokens: int) -> bytes:
    """The answer's body; floats are the shortest decimals that read back as the same float32."""
    rows = [_base64(row) for row in vectors] if encoding == "base64" else list(vectors)
    return json_bytes(
        {
            "object": "list",
            "data": [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(rows)],
            "model": model,
            "model_version": version,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )


def _base64(row: Vectors) -> str:
    return base64.b64encode(np.asarray(row, dtype="<f4").tobytes()).decode("ascii")
