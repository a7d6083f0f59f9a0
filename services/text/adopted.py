"""Another model than the one built here: a folder as sentence-transformers writes it, with its graph as ONNX."""

from __future__ import annotations

import json
from pathlib import Path

import tokenizers

from services.text.layout import read_layout
from services.text.model import MODEL_NAME
from services.text.tokenizer import SPECIAL
from services.text.weights import WrongFile, sha256_of

GRAPHS = ("model.onnx", "onnx/model.onnx")


def adopt(folder: Path, models: Path) -> Path:
    """Describes the model in `folder` in the way of a models folder, in `models`, which links to it. The new folder.

    Its version is the beginning of the graph's sha256. Raises WrongFile, which says what is missing or cannot be run.
    """
    graph = next((folder / name for name in GRAPHS if (folder / name).is_file()), None)
    if graph is None:
        hint = ""
        if (folder / "model.safetensors").is_file():
            hint = f"; `python -m services.text.build_model --from {folder} --out MODELS` writes one off its weights"
        raise WrongFile(f"{folder} has no {' and no '.join(GRAPHS)}{hint}")
    layout = read_layout(folder)
    _check_tokenizer(folder / "tokenizer.json")
    digest = sha256_of(graph)
    described = models / MODEL_NAME / f"{layout.kind}-{digest[:8]}"
    described.mkdir(parents=True, exist_ok=True)
    for name, target in (("model.onnx", graph), ("tokenizer.json", folder / "tokenizer.json")):
        link = described / name
        link.unlink(missing_ok=True)
        link.symlink_to(target.resolve())
    card = {
        "name": MODEL_NAME,
        "version": described.name,
        "sha256": digest,
        "model": layout.shape.name,
        "pooling": layout.shape.pooling,
        "dimensions": layout.shape.hidden,
        "max_tokens": layout.max_tokens,
    }
    (described / "model.json").write_text(json.dumps(card, indent=2) + "\n")
    return described


def _check_tokenizer(path: Path) -> None:
    if not path.is_file():
        raise WrongFile(f"{path.parent} has no tokenizer.json")
    try:
        around = tokenizers.Tokenizer.from_file(str(path)).num_special_tokens_to_add(False)
    except Exception as error:  # noqa: BLE001 - the library raises nothing narrower
        raise WrongFile(f"{path} is no tokenizer: {error}") from None
    if around != SPECIAL:
        raise WrongFile(f"{path} puts {around} tokens around a text; {SPECIAL} are expected, as BERT's [CLS] and [SEP]")
