"""Sentence vectors: what a large request costs beside the model, the memory of the longest texts, eight bits or 32."""

import re
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import orjson

from benchmarks import expected
from benchmarks.inputs import JSON, sentence
from benchmarks.library import text_model
from benchmarks.measure import Goal, Row, Rule, paired, repeated, spread
from benchmarks.proc import peak_bytes
from benchmarks.servers import CORES, Server, sent, service

PART = "vectors"
MANY, LONGEST = 512, 64
OUTSIDE, MEGABYTES = 0.10, 400.0


def rows(folder: Path, rule: Rule) -> Iterator[Row]:  # noqa: ARG001
    draw = np.random.default_rng(7)
    with service("services.text") as text:
        for encoding in ("base64", "float"):
            yield outside(text, [sentence(draw, 5, 30) for _ in range(MANY)], encoding, rule)
    with service("services.text") as text:
        yield memory(text, [f"{number} " + sentence(draw, 300, 300) for number in range(LONGEST)])
    for words in (10, 100):
        yield precision(words, [sentence(draw, words, words) for _ in range(16)], rule)


def outside(text: Server, texts: Sequence[str], encoding: str, rule: Rule) -> Row:
    """Share of a request's time in which the model's threads could have run and did not: tokens made, the answer
    printed, the last runs waited for. One request at a time."""
    body = orjson.dumps({"input": texts, "encoding_format": encoding})
    check = expected.embeddings(texts)
    took: list[float] = []

    def share() -> float:
        before, began = model_s(text), time.perf_counter()
        answer = posted(text, body)
        took.append(time.perf_counter() - began)
        if encoding == "base64":
            check(0, answer)
        return 1 - (model_s(text) - before) / len(CORES) / took[-1]

    share()
    shares, stable = repeated(share, rule)
    value, low, high = spread(shares)
    raw = {"request_s": median(took[1:]), "vectors": len(texts), "requests": len(shares)}
    name = f"{len(texts)} vectors as {encoding}: time outside the model"
    return Row(
        PART, name, value, "share", "the model's runs, all cores", Goal(OUTSIDE, at_most=True), low, high, stable, raw
    )


def memory(text: Server, texts: Sequence[str]) -> Row:
    idle = peak_bytes(text.pid)
    posted(text, orjson.dumps({"input": texts, "encoding_format": "base64"}))
    peak = peak_bytes(text.pid) / 1e6
    name = f"{len(texts)} texts of the greatest length: peak memory"
    raw = {"idle_mb": idle / 1e6}
    return Row(
        PART, name, peak, "MB", "resident, the whole process", Goal(MEGABYTES, at_most=True), peak, peak, raw=raw
    )


def precision(words: int, texts: Sequence[str], rule: Rule) -> Row:
    """One thread, one text a run."""
    from services.text.embedder import Embedder

    def rate(model: Embedder) -> float:
        began = time.perf_counter()
        for each in texts:
            model.embed([each])
        return len(texts) / (time.perf_counter() - began)

    small, exact = (Embedder.load(text_model(each)) for each in ("int8", "float32"))
    found = paired(partial(rate, small), partial(rate, exact), rule)
    value, low, high = spread(found.ratios)
    raw = {"ours_per_s": found.ours, "reference_per_s": found.reference, "unit": "sentences/s"}
    name = f"sentences of {words} words in 8 bits, one thread"
    return Row(PART, name, value, "ratio", "float32", None, low, high, found.stable, raw)


def model_s(text: Server) -> float:
    """Seconds that runs of the sentence model have taken so far, all threads together."""
    with urllib.request.urlopen(f"{text.url}/metrics", timeout=10) as response:
        shown = response.read().decode()
    found = re.search(r'^inference_compute_duration_seconds_sum\{model="text-embedding"\} (\S+)$', shown, re.MULTILINE)
    return float(found[1]) if found else 0.0


def posted(server: Server, body: bytes, headers: Mapping[str, str] = JSON) -> bytes:
    return sent(f"{server.url}/v1/embeddings", body, headers)
