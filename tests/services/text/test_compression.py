"""Information by compression: against zlib used by hand, and what it keeps."""

import zlib
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.text.compression import LEVEL, WINDOW, Compression

DOCUMENT = st.lists(st.sampled_from(["rate", "ohio", "yeah", "the"]), max_size=8)
CORPUS = st.lists(DOCUMENT, min_size=1, max_size=6)


def size(content: str) -> int:
    """Raw DEFLATE, as `zlib.compress` makes it by another way than the module's."""
    return len(zlib.compress(content.encode(), LEVEL, wbits=-15))


def line(document: list[str]) -> str:
    return " ".join(document) + "\n"


@settings(max_examples=50)
@given(CORPUS, DOCUMENT)
def test_bits_are_what_the_corpus_grows_by(corpus: list[list[str]], document: list[str]) -> None:
    background = "".join(map(line, corpus))
    (judged,) = Compression(corpus).judge([document])
    if not document:
        assert judged == ([], None)
        return
    before, alone, both = size(background), size(line(document)), size(background + line(document))
    assert judged.bits == [8 * max(0, both - before)]
    assert judged.ncd == pytest.approx((both - min(before, alone)) / max(before, alone))


@settings(max_examples=50)
@given(CORPUS)
def test_a_text_left_out_comes_after_the_others(corpus: list[list[str]]) -> None:
    for index, judged in enumerate(Compression(corpus).judge(corpus, leave_out=True)):
        others = "".join(map(line, corpus[index + 1 :] + corpus[:index]))
        expected = [8 * max(0, size(others + line(corpus[index])) - size(others))] if corpus[index] else []
        assert judged.bits == expected


def test_a_copy_says_little_and_news_say_much() -> None:
    random = Random(1)
    words = [f"w{random.randrange(10**6)}" for _ in range(2000)]
    corpus = [words[start : start + 20] for start in range(0, 2000, 20)]
    copy, news = Compression(corpus).judge([corpus[-1], [f"v{random.randrange(10**6)}" for _ in range(20)]])
    assert copy.bits[0] < 100 < 400 < news.bits[0]


def test_what_is_beyond_the_window_is_forgotten() -> None:
    """DEFLATE's window, stated in the answer: a copy of the corpus's beginning is as good as new."""
    random = Random(2)
    corpus = [[f"w{random.randrange(10**6)}" for _ in range(20)] for _ in range(400)]
    model = Compression(corpus)
    assert model.cut
    assert sum(len(line(document)) for document in corpus) > WINDOW
    first, last = model.judge([corpus[0], corpus[-1]])
    assert last.bits[0] < 100 < 400 < first.bits[0]
    assert not Compression(corpus[:2]).cut
