"""A transcript's statements, embedded through the gateway and by sentence-transformers.

`BENCH_TRANSCRIPT` names a csv file with a column `text`; without it statements are drawn, as many and about as long as
those of a debate of an hour and a half.
"""

import csv
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import orjson

from benchmarks import expected
from benchmarks.checks import Check, WrongAnswer
from benchmarks.inputs import ANEW, JSON, sentence
from benchmarks.measure import Goal, Row, Rule, paired, spread
from benchmarks.parts.vectors import posted
from benchmarks.peers.environments import NotInstalled, python, versions
from benchmarks.proc import end
from benchmarks.servers import ROOT, Server, gateway, service

PART, PEER = "transcript", "sentence_transformers"
AHEAD = 2.5
STATEMENTS, WORDS, LONGEST = 800, 12.0, 250
A_REQUEST = 256


def rows(folder: Path, rule: Rule) -> Iterator[Row]:
    texts, what = statements()
    title = f"sentence-transformers {versions(PEER)['sentence-transformers']}, batches of 32"
    try:
        with ExitStack() as stack:
            text = stack.enter_context(service("services.text"))
            front = stack.enter_context(gateway([text]))
            peer = stack.enter_context(loop(folder, texts))
            asking = [texts[start : start + A_REQUEST] for start in range(0, len(texts), A_REQUEST)]
            check = expected.embeddings(*asking)
            found = paired(lambda: embedded(front, asking, check), lambda: asked(peer), rule)
    except (NotInstalled, BrokenPipeError, ValueError) as error:
        yield Row(PART, what, float("nan"), "ratio", title, missing=f"not run: {error}"[:300])
        return
    value, low, high = spread(found.ratios)
    raw = {"ours_per_s": found.ours, "reference_per_s": found.reference, "unit": "statements/s", "texts": len(texts)}
    yield Row(PART, what, value, "ratio", title, Goal(AHEAD), low, high, found.stable, raw)


def statements() -> tuple[list[str], str]:
    """And what they are."""
    if path := os.environ.get("BENCH_TRANSCRIPT"):
        with open(path, newline="", encoding="utf-8") as file:
            return [row["text"] for row in csv.DictReader(file)], f"statements of {Path(path).stem}"
    draw = np.random.default_rng(11)
    lengths = np.minimum(np.ceil(draw.lognormal(np.log(WORDS), 1.1, STATEMENTS)), LONGEST).astype(int)
    return [sentence(draw, length, length) for length in lengths], "statements, drawn"


def embedded(front: Server, asking: Sequence[Sequence[str]], check: Check) -> float:
    """Statements a second, one request at a time; nothing keeps their vectors."""
    answers, began = [], time.perf_counter()
    for texts in asking:
        content = orjson.dumps({"input": texts, "encoding_format": "base64"})
        answers.append(posted(front, content, {**JSON, **ANEW}))
    rate = sum(map(len, asking)) / (time.perf_counter() - began)
    for turn, answer in enumerate(answers):
        check(turn, answer)
    return rate


@contextmanager
def loop(folder: Path, texts: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """The peer, ready. Raises NotInstalled and WrongAnswer."""
    file = folder / "statements.json"
    file.write_bytes(orjson.dumps(texts))
    np.save(f"{file}.npy", np.concatenate([expected.vectors(texts[at : at + 1]) for at in range(len(texts))]))
    command = [str(python(PEER)), "-m", f"benchmarks.peers.{PEER}.loop", str(file)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"}
    popen = subprocess.Popen(
        command, cwd=ROOT, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        if (cosine := float(said(popen.stdout))) < expected.COSINE:
            raise WrongAnswer(f"{PEER} gives other vectors: least cosine {cosine}")
        yield popen
    finally:
        end(popen)


def asked(peer: subprocess.Popen[str]) -> float:
    assert peer.stdin is not None
    print(file=peer.stdin, flush=True)
    return float(said(peer.stdout))


def said(output: IO[str] | None) -> str:
    """Raises ValueError where it ended without a word."""
    assert output is not None
    if not (line := output.readline()):
        raise ValueError(f"{PEER} ended")
    return line
