"""Unigram bits: figures worked out by hand, and the laws that surprisal keeps."""

from collections import Counter
from math import fsum, inf, isfinite, log, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.text.background import Background
from services.text.unigram import Unigram

WORD = st.sampled_from("abcdefgh")
DOCUMENT = st.lists(WORD, max_size=12)
CORPUS = st.lists(st.lists(WORD, min_size=1, max_size=12), min_size=1, max_size=8)
SMOOTHING = st.floats(1e-3, 10)
BACKGROUND = st.none() | st.just(Background("some", "1", {"a": 0.3, "b": 0.2, "x": 0.1}, 0.01))
# Sums of at most a few hundred logarithms in double precision.
EXACT = 1e-9


def bits(model: Unigram, document: list[str], *, leave_out: bool = False) -> list[float]:
    return model.judge([document], leave_out=leave_out)[0].bits


def total(model: Unigram, document: list[str]) -> float:
    return fsum(bits(model, document))


def test_bits_by_hand() -> None:
    # a 3, b 1: N = 4, V = 3 with the unseen, a = 1 -> p(a) = 4/7, p(b) = 2/7, p(z) = 1/7
    model = Unigram([["a", "a", "b"], ["a"]], 1)
    assert bits(model, ["a", "b", "z"]) == pytest.approx([log2(7 / 4), log2(7 / 2), log2(7)], rel=1e-15)
    # Without the first document: a 1, N = 1 -> p(a) = 2/4, p(b) = 1/4
    assert bits(model, ["a", "a", "b"], leave_out=True) == [1, 1, 2]
    assert model.entropy_bits == pytest.approx(2 - 0.75 * log2(3), rel=1e-15)


@given(CORPUS, SMOOTHING, BACKGROUND, st.floats(0, 1))
def test_probabilities_add_up_to_one(
    corpus: list[list[str]], smoothing: float, background: Background | None, weight: float
) -> None:
    model = Unigram(corpus, smoothing, background, weight)
    own = Counter(corpus[0])
    for counts, left_out in ((Counter[str](), 0), (own, len(corpus[0]))):
        seen = [model.probability(word, counts[word], left_out) for word in model.counts]
        assert fsum([*seen, unseen(model, background, left_out)]) == pytest.approx(1, abs=EXACT)


def unseen(model: Unigram, background: Background | None, left_out: int) -> float:
    """Of all words that the corpus lacks: one class without a background, else its listed and its unlisted words."""
    if background is None:
        return model.probability("<unseen>", 0, left_out)
    listed = [word for word in background.shares if word not in model.counts]
    others = (1 - fsum(background.shares.values())) / background.rarest
    others -= sum(word not in background.shares for word in model.counts)
    return fsum(model.probability(word, 0, left_out) for word in listed) + others * model.probability(
        "<unlisted>", 0, left_out
    )


@given(CORPUS, DOCUMENT, SMOOTHING, BACKGROUND)
def test_bits_are_finite_and_not_negative(
    corpus: list[list[str]], document: list[str], smoothing: float, background: Background | None
) -> None:
    model = Unigram(corpus, smoothing, background)
    for each, leave_out in ((corpus[0], True), ([*document, "unheard"], False)):
        assert all(isfinite(one) and one >= 0 for one in bits(model, each, leave_out=leave_out))


@given(CORPUS, st.lists(WORD, min_size=2, max_size=12), SMOOTHING, st.randoms(use_true_random=False))
def test_order_does_not_matter(corpus: list[list[str]], document: list[str], smoothing: float, random: object) -> None:
    shuffled, documents = document.copy(), corpus.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    random.shuffle(documents)  # type: ignore[attr-defined]
    assert total(Unigram(documents, smoothing), shuffled) == pytest.approx(
        total(Unigram(corpus, smoothing), document), abs=EXACT
    )


@given(CORPUS, DOCUMENT, DOCUMENT, SMOOTHING)
def test_bits_of_a_concatenation_are_the_sum(
    corpus: list[list[str]], one: list[str], other: list[str], smoothing: float
) -> None:
    model = Unigram(corpus, smoothing)
    assert total(model, one + other) == pytest.approx(total(model, one) + total(model, other), abs=EXACT)


@given(CORPUS, st.lists(WORD, min_size=1, max_size=12), st.integers(1, 20), SMOOTHING)
def test_copies_in_the_corpus_lower_the_bits(
    corpus: list[list[str]], document: list[str], copies: int, smoothing: float
) -> None:
    before = Unigram([*corpus, document], smoothing)
    after = Unigram([*corpus, *[document] * (1 + copies)], smoothing)
    # Strictly lower unless the corpus is nothing but the document's words in the document's proportions; the sum
    # over the document never rises, as the mixture's logarithm is concave.
    assert total(after, document) <= total(before, document) + EXACT


@given(CORPUS, SMOOTHING)
def test_leaving_a_text_out_never_lowers_its_bits(corpus: list[list[str]], smoothing: float) -> None:
    model = Unigram(corpus, smoothing)
    for document in corpus:
        assert fsum(bits(model, document, leave_out=True)) >= total(model, document) - EXACT


@given(st.integers(1, 64), st.integers(1, 5))
def test_a_uniform_corpus_gives_log2_of_its_types(types: int, count: int) -> None:
    words = [f"w{number}" for number in range(types)] * count
    model = Unigram([words], 0)
    assert bits(model, words[:3]) == pytest.approx([log2(types)] * len(words[:3]), abs=EXACT)
    assert model.entropy_bits == pytest.approx(log2(types), abs=EXACT)


@given(CORPUS)
def test_unsmoothed_mean_bits_are_the_entropy(corpus: list[list[str]]) -> None:
    model = Unigram(corpus, 0)
    mean = fsum(total(model, document) for document in corpus) / model.total
    assert mean == pytest.approx(model.entropy_bits, abs=EXACT)
    nats = -fsum(count / model.total * log(count / model.total) for count in model.counts.values())
    assert model.entropy_bits == pytest.approx(nats / log(2), abs=EXACT)


@given(CORPUS, st.integers(2, 5))
def test_counting_all_thrice_changes_nothing_unsmoothed(corpus: list[list[str]], times: int) -> None:
    once, often = Unigram(corpus, 0), Unigram(corpus * times, 0)
    assert total(often, corpus[0]) == pytest.approx(total(once, corpus[0]), abs=EXACT)


def test_an_unseen_word_without_smoothing_is_infinitely_surprising() -> None:
    assert bits(Unigram([["a"]], 0), ["z"]) == [inf]
