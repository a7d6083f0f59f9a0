"""Settings of the text service."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from services.text.model import MODELS
from shared.settings import ModelSettings


class TextSettings(ModelSettings):
    process: ClassVar[str] = "text"

    port: int = Field(default=8102, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    max_body_bytes: int = Field(default=16 << 20, ge=1)
    """Largest request body taken, in bytes."""
    models: Path = MODELS
    """Folder that `python -m services.text.build_model --out FOLDER` wrote."""
    model: Path | None = None
    """Another BERT-like model instead: a folder as sentence-transformers writes it, with model.onnx, tokenizer.json and
    config.json. Its pooling, longest text and dimensions are read there; its arithmetic is the graph's own, whatever
    `precision` says."""
    precision: Literal["auto", "float32", "int8"] = "auto"
    """Arithmetic of the sentence model: `float32`, or `int8`, whose vectors are a cosine of 0.9987 away on the average.
    `auto` takes int8 on a CPU that multiplies bytes in one instruction (VNNI, AMX), where it is twice as fast, else
    float32. Vectors of the two are not to be compared with each other: the version in every answer tells them apart."""
    vector_cache_ttl_s: float = Field(default=7 * 86_400, ge=0)
    """Seconds that the vector of a text is kept in the Redis of `redis_url`, 1.5 KB each; 0 keeps none."""
    vector_cache_timeout_s: float = Field(default=0.25, gt=0)
    """Longest wait for kept vectors, in seconds; then they are computed."""
    vector_cache_from: int = Field(default=256, ge=0)
    """Least characters of a request whose texts are looked for among the kept ones: to ask costs about a quarter of a
    millisecond, which is what a very short text takes to compute. The gateway keeps whole answers of any length."""
    tokens_per_run: int = Field(default=256, ge=256)
    """Padded tokens that go through the sentence model at once, at most: bounds its memory, about 40 KB a token, and
    how long a text waits for the run before it, about 12 ms. More makes a CPU no faster."""
    max_queue_tokens: int = Field(default=600_000, ge=256)
    """Tokens that may wait for the sentence model, of all requests; more are answered 503 with Retry-After."""
    batch_delay_s: float = Field(default=0.0, ge=0, le=1)
    """How long an idle core waits for more texts before it runs those that are there, in seconds; 0 never waits."""
    max_inputs: int = Field(default=2048, ge=1)
    """Inputs of one embedding request, at most."""
    max_tokens: int = Field(default=300_000, ge=256)
    """Tokens of one request that go through the sentence model, at most."""
    max_cluster_texts: int = Field(default=5_000, ge=1)
    """Texts of one clustering request, at most. For 5,000 the merge tree takes 200 MB, t-SNE about 12 s."""
    max_clusterings: int = Field(default=100, ge=1)
    """Clusterings that are kept to assign new texts, at most; another is answered 503."""
    max_clustering_bytes: int = Field(default=16 << 20, ge=1)
    """Bytes of each, at most: some 0.8 KB a text where texts are assigned by their neighbours or drawn by t-SNE."""
    clusterings_keep_s: float = Field(default=86_400.0, gt=0)
    """Seconds that a clustering is kept after its last use."""
    max_information_texts: int = Field(default=100_000, ge=1)
    """Texts of one information request, corpus included, at most."""
    max_words: int = Field(default=2_000_000, ge=1)
    """Words of one information request, corpus included, at most, and of a corpus that is kept: 200 bytes each
    where all are in one text and judged in their order."""
    max_compressed_texts: int = Field(default=5_000, ge=1)
    """Texts of one information request by compression, corpus included, at most: each takes 1.3 ms of a core."""
    max_corpora: int = Field(default=1_000, ge=1)
    """Corpora that are kept, at most; another is answered 503."""
    corpora_bytes: int = Field(default=64 << 20, ge=1)
    """Bytes of all of them, at most, compressed: some 2 a word."""
    ready_words: int = Field(default=1_000_000, ge=0)
    """Words of kept corpora that stay counted in memory between requests, at most, some 200 bytes each at worst."""
    idempotency_s: float = Field(default=86_400.0, gt=0)
    """Seconds for which an Idempotency-Key of a corpus counts once."""
    max_idempotency_keys: int = Field(default=10_000, ge=1)
    """Such keys kept of one corpus, at most; an addition with another one is answered 503."""
    max_clicks: int = Field(default=2_000_000, ge=1)
    """Items of all sessions of one request, at most."""
    max_session_vectors: int = Field(default=1_000, ge=1)
    """Sets of item vectors that are kept, at most; another is answered 503."""
    session_vectors_bytes: int = Field(default=36 << 20, ge=1)
    """Bytes of one of them, at most: four a number, and the items' names."""
    session_vectors_s: float = Field(default=7 * 86_400.0, gt=0)
    """Seconds since they were last used for which item vectors are kept."""
    stats_url: str = "http://127.0.0.1:8103"
    """Where the stats service is, which is asked whether information rises or falls."""
    redis_timeout_s: float = Field(default=2.0, gt=0)
    """Seconds that a request about something kept waits for Redis, before it is answered 503."""
