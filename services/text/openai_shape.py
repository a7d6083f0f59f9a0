"""OpenAI's answer to a request for embeddings: https://platform.openai.com/docs/api-reference/embeddings."""

import base64

import numpy as np

from services.text.embedder import Vectors
from services.text.serving import Facts
from shared.responses import json_bytes


def answer_bytes(vectors: Vectors, facts: Facts, encoding: str, model: str, version: str) -> bytes:
    """The answer's body; floats are the shortest decimals that read back as the same float32."""
    rows = [_base64(row) for row in vectors] if encoding == "base64" else list(vectors)
    each = zip(rows, facts.tokens, facts.truncated, facts.cached, strict=True)
    return json_bytes(
        {
            "object": "list",
            "data": [
                {
                    "object": "embedding",
                    "index": index,
                    "embedding": row,
                    "tokens": tokens,
                    "truncated": truncated,
                    "cached": cached,
                }
                for index, (row, tokens, truncated, cached) in enumerate(each)
            ],
            "model": model,
            "model_version": version,
            "usage": {"prompt_tokens": facts.token_count, "total_tokens": facts.token_count},
        }
    )


def _base64(row: Vectors) -> str:
    return base64.b64encode(np.asarray(row, dtype="<f4").tobytes()).decode("ascii")
