"""What a right answer holds, computed by other means than the server's."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from benchmarks.checks import Check, WrongAnswer

COSINE = 0.985
"""Least cosine between a vector and the full-precision one of the published model; in 8 bits 0.994 over 500 sentences,
less for words without sense. Another text's is below 0.9."""


def near(what: str, found: Any, wanted: Any, tolerance: float) -> None:
    """Raises WrongAnswer where the arrays differ in shape, or anywhere by more than the tolerance."""
    a, b = np.asarray(found, float), np.asarray(wanted, float)
    if a.shape != b.shape or not np.allclose(a, b, rtol=tolerance, atol=tolerance):
        raise WrongAnswer(f"{what}: {str(found)[:200]}, not {str(wanted)[:200]}")


def length(field: str, count: int) -> Check:
    """A list of so many entries, none of them null."""

    def check(_: int, answer: bytes) -> None:
        found = orjson.loads(answer)[field]
        if len(found) != count or any(each is None for each in found):
            raise WrongAnswer(f"{field} has {len(found)} entries, not {count}, or lacks some")

    return check


def speeds(frames: int) -> Check:
    """A speed for every frame but perhaps the first, each between standing and 40 m/s."""

    def check(_: int, answer: bytes) -> None:
        found = numbers_of(answer, "speed_mps")
        if len(found) != frames or not all(value is not None and -1 < value < 40 for value in found[1:]):
            raise WrongAnswer(f"{len(found)} speeds, not {frames}, or some out of range: {found}")

    return check


def embeddings(*texts: Sequence[str]) -> Check:
    """OpenAI's answer in base64, or a list of such vectors: close to those of the bare model. `texts` by body."""
    wanted: dict[int, NDArray[Any]] = {}

    def check(body: int, answer: bytes) -> None:
        asked = min(body, len(texts) - 1)
        if asked not in wanted:
            wanted[asked] = vectors(texts[asked])
        found = np.stack([np.frombuffer(base64.b64decode(each), "<f4") for each in vectors_of(orjson.loads(answer))])
        if found.shape != wanted[asked].shape or (found * wanted[asked]).sum(axis=1).min() < COSINE:
            raise WrongAnswer(f"body {body}: vectors of {found.shape} that are not those of {texts[asked][:2]}...")

    return check


def vectors_of(answer: Any) -> list[str]:
    """The vectors in base64, whatever server wrapped them."""
    if isinstance(answer, list):
        return answer
    if "data" in answer:
        return [each["embedding"] for each in sorted(answer["data"], key=lambda each: each["index"])]
    if "outputs" in answer:
        return list(answer["outputs"][0]["data"])
    return list(answer["embeddings"])


_loaded: list[Any] = []


def vectors(texts: Sequence[str]) -> NDArray[np.float32]:
    """Of the published model in full precision [texts, dimensions]."""
    if not _loaded:
        from benchmarks.library import text_model
        from benchmarks.peers.work import Sentences

        _loaded.append(Sentences(text_model("float32")))
    return np.asarray(_loaded[0].vectors(texts))


def regression(asked: Mapping[str, Any]) -> Check:
    """Least squares, by numpy."""
    columns = np.array(asked["x"]).T
    design = np.column_stack([np.ones(len(columns)), columns])
    wanted = np.linalg.lstsq(design, np.array(asked["y"]), rcond=None)[0]
    return lambda _, answer: near("coef", orjson.loads(answer)["coef"], wanted, 1e-9)


def covariance(columns: Mapping[str, Sequence[float]]) -> Check:
    wanted = np.cov(np.array(list(columns.values())))
    return lambda _, answer: near("matrix", orjson.loads(answer)["matrix"], wanted, 1e-9)


def numbers_of(answer: bytes, field: str) -> list[float]:
    """The field's numbers, in plain JSON or as a tensor of the inference protocol."""
    found = orjson.loads(answer)
    return list(found["outputs"][0]["data"] if "outputs" in found else found[field])
