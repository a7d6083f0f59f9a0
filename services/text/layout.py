"""A model's folder as sentence-transformers writes it: what its settings say, and whether it can be run here.

https://www.sbert.net/docs/sentence_transformer/usage/custom_models.html, "Structure of Sentence Transformer models".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.text import weights
from services.text.architecture import Architecture, Pooling
from services.text.weights import Source, Tensors, WrongFile

MODULES = {"Transformer", "Pooling", "Normalize"}
_FIRST = "embeddings.word_embeddings.weight"


@dataclass(frozen=True, slots=True)
class Layout:
    shape: Architecture
    max_tokens: int
    kind: str
    """What config.json calls the encoder: bert, roberta."""


def read_layout(folder: Path) -> Layout:
    """Raises WrongFile, which says what is missing or cannot be run here."""
    config = _json(folder, "config.json", dict)
    listed = _json(folder, "modules.json", list, optional=True) or ()
    modules = [str(each.get("type")).rpartition(".")[2] for each in listed]
    if unknown := [each for each in modules if each not in MODULES]:
        raise WrongFile(f"{folder / 'modules.json'} has the module {unknown[0]}; {', '.join(sorted(MODULES))} are run")
    sizes = {name: config.get(name) for name in ("num_hidden_layers", "num_attention_heads", "hidden_size")}
    for name, size in sizes.items():
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise WrongFile(f"{folder / 'config.json'}: {name} is {size!r}, it must be a whole number above 0")
    layers, heads, hidden = sizes.values()
    if hidden % heads:
        raise WrongFile(f"{folder / 'config.json'}: {hidden} dimensions cannot be shared by {heads} heads")
    name = str(config.get("_name_or_path") or folder.resolve().name)
    shape = Architecture(name, layers, heads, hidden, float(config.get("layer_norm_eps", 1e-12)), _pooling(folder))
    return Layout(shape, _max_tokens(folder, config), str(config.get("model_type", "bert")))


def read_folder(folder: Path) -> Source:
    """A BERT encoder with its weights. Raises WrongFile."""
    layout = read_layout(folder)
    config = _json(folder, "config.json", dict)
    if layout.kind != "bert" or config.get("hidden_act", "gelu") != "gelu":
        found = f"a {layout.kind} encoder with {config.get('hidden_act', 'gelu')}"
        raise WrongFile(f"{folder} has {found}; graphs are written for bert with gelu (give its model.onnx instead)")
    data = _bytes(folder, "model.safetensors")
    tensors = {name.removeprefix("bert."): value for name, value in weights.read_safetensors(data).items()}
    _check_tensors(tensors, layout, folder)
    return Source(
        tensors, _bytes(folder, "tokenizer.json"), layout.shape, layout.max_tokens, weights.sha256(data),
        title=f"the folder {layout.shape.name}", licence="as its publisher says",
    )  # fmt: skip


def _check_tensors(tensors: Tensors, layout: Layout, folder: Path) -> None:
    hidden, last = layout.shape.hidden, f"encoder.layer.{layout.shape.layers - 1}.output.dense.weight"
    for name in (_FIRST, last):
        if name not in tensors:
            raise WrongFile(f"{folder / 'model.safetensors'} has no tensor {name}")
    if tensors[_FIRST].shape[1] != hidden:
        raise WrongFile(f"{folder}: words have {tensors[_FIRST].shape[1]} dimensions, config.json says {hidden}")
    places = len(tensors["embeddings.position_embeddings.weight"])
    if layout.max_tokens > places:
        raise WrongFile(f"{folder}: {layout.max_tokens} tokens are allowed, but there are {places} positions")


def _pooling(folder: Path) -> Pooling:
    config = _json(folder, "1_Pooling/config.json", dict, optional=True) or {"pooling_mode_mean_tokens": True}
    chosen = [name for name, on in config.items() if name.startswith("pooling_mode_") and on]
    if chosen == ["pooling_mode_mean_tokens"]:
        return "mean"
    if chosen == ["pooling_mode_cls_token"]:
        return "cls"
    raise WrongFile(f"{folder} pools by {', '.join(chosen) or 'nothing'}; the mean or the first token are taken here")


def _max_tokens(folder: Path, config: dict[str, Any]) -> int:
    said = (_json(folder, "sentence_bert_config.json", dict, optional=True) or {}).get("max_seq_length")
    # RoBERTa counts its positions from 2.
    spare = 2 if str(config.get("model_type", "")).endswith("roberta") else 0
    most = said or config.get("max_position_embeddings", 512) - spare
    if not isinstance(most, int) or most < 3:
        raise WrongFile(f"{folder} allows {most!r} tokens a text; at least 3 are needed, [CLS] and [SEP] among them")
    return most


def _json(folder: Path, name: str, kind: type, *, optional: bool = False) -> Any:
    if optional and not (folder / name).is_file():
        return None
    try:
        content = json.loads(_bytes(folder, name))
    except ValueError as error:
        raise WrongFile(f"{folder / name} is no JSON: {error}") from None
    if not isinstance(content, kind):
        raise WrongFile(f"{folder / name} must be a JSON {'object' if kind is dict else 'array'}")
    return content


def _bytes(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise WrongFile(f"{folder} has no {name} that can be read: {error.strerror}") from None
