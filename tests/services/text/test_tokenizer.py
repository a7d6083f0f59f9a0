from pathlib import Path

import pytest

from services.text.model import MAX_TOKENS
from services.text.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer(model_folder: Path) -> Tokenizer:
    return Tokenizer(model_folder / "tokenizer.json", MAX_TOKENS)


def test_known_ids_without_padding(tokenizer: Tokenizer) -> None:
    (tokens,) = tokenizer.encode(["hi there"])
    assert tokens.ids == [101, 7632, 2045, 102]
    assert not tokens.truncated


def test_cuts_at_256_and_says_so(tokenizer: Tokenizer) -> None:
    fits, over = tokenizer.encode(["hello " * 254, "hello " * 255])
    assert (len(fits.ids), fits.truncated) == (256, False)
    assert (len(over.ids), over.truncated) == (256, True)
    assert over.ids[-1] == 102


@pytest.mark.parametrize("text", ["", "  \t\n", "\u200b", "\x00"])
def test_nothing_to_embed_is_empty(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.encode([text])[0].empty


@pytest.mark.parametrize("text", ["😀", "a" * 1_000_000, ".", "[CLS]"])
def test_odd_texts_are_not_empty(tokenizer: Tokenizer, text: str) -> None:
    (tokens,) = tokenizer.encode([text])
    assert not tokens.empty
    assert len(tokens.ids) == 3
