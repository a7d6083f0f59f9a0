"""Item vectors as bytes, and back."""

from pathlib import Path

import numpy as np
import pytest

from services.text.sessions.formats import ROWS, packed, unpacked, word2vec_text
from services.text.sessions.itemvectors import ItemVectors


def space(size: int = 3) -> ItemVectors:
    vectors = np.random.default_rng(0).standard_normal((size, 4)).astype(np.float32)
    return ItemVectors([f"item {index} 100%\n{index}" for index in range(size)], list(range(size)), vectors)


def test_what_is_kept_comes_back_to_the_bit() -> None:
    given = space()
    read, facts = unpacked(packed(given, {"clicks": 7}))
    assert (read.items, read.counts, read.method, facts) == (given.items, given.counts, "ppmi", {"clicks": 7})
    assert np.array_equal(read.vectors, given.vectors)


@pytest.mark.parametrize("size", [3, ROWS, ROWS + 1])
def test_gensim_reads_the_text(size: int, tmp_path: Path) -> None:
    models = pytest.importorskip("gensim.models", reason="lacks gensim, which is an extra")
    file = tmp_path / "vectors.txt"
    file.write_bytes(b"".join(word2vec_text(space(size))))
    read = models.KeyedVectors.load_word2vec_format(str(file))
    assert len(read) == size
    assert np.array_equal(read["item%202%20100%25%0A2"], space(size).vectors[2])
