"""Unigram bits: figures worked out by hand, and the laws that surprisal keeps."""

from collections import Counter
from math import fsum, inf, isfinite, log, log2

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.text.information import Unigram, score
from services.text.words import counted_words

WORD = st.sampled_from("abcdefgh")
DOCUMENT = st.lists(WORD, max_size=12)
CORPUS = st.lists(st.lists(WORD, min_size=1, max_size=12), min_size=1, max_size=8)
SMOOTHING = st.floats(1e-3, 10)
# Sums of at most a few hundred logarithms in double precision.
EXACT = 1e-9


def total(model: Unigram, document: list[str]) -> float:
    return fsum(model.bits(document))


def test_bits_by_hand() -> None:
    # a 3, b 1: N = 4, V = 3 with the unseen, a = 1 -> p(a) = 4/7, p(b) = 2/7, p(z) = 1/7
    model = Unigram([["a", "a", "b"], ["a"]], 1)
    assert model.bits(["a", "b", "z"]) == pytest.approx([log2(7 / 4), log2(7 / 2), log2(7)], rel=1e-15)
    # Without the first document: a 1, N = 1 -> p(a) = 2/4, p(b) = 1/4
    assert model.bits(["a", "a", "b"], leave_out=True) == [1, 1, 2]
    assert model.describe().entropy_bits == pytest.approx(2 - 0.75 * log2(3), rel=1e-15)


@given(CORPUS, SMOOTHING)
def test_probabilities_add_up_to_one(corpus: list[list[str]], smoothing: float) -> None:
    model = Unigram(corpus, smoothing)
    shares = [2 ** -model.bits([word])[0] for word in [*model.counts, "<unseen>"]]
    assert fsum(shares) == pytest.approx(1, abs=EXACT)
    without = [2 ** -model._bits(model.counts[word] - Counter(corpus[0])[word], _total_without(model, corpus[0]))
               for word in [*model.counts, "<unseen>"]]  # fmt: skip
    assert fsum(without) == pytest.approx(1, abs=EXACT)


def _total_without(model: Unigram, document: list[str]) -> float:
    return model.total - len(document) + model.smoothing * model.types


@given(CORPUS, DOCUMENT, SMOOTHING)
def test_token_bits_are_finite_not_negative_and_add_up(
    corpus: list[list[str]], document: list[str], smoothing: float
) -> None:
    scores, _ = score([[*document, "unheard"]], corpus, smoothing=smoothing)
    assert all(isfinite(bits) and bits >= 0 for bits in scores[0].token_bits)
    assert fsum(scores[0].token_bits) == pytest.approx(scores[0].bits, abs=EXACT)
    assert scores[0].bits_per_token == pytest.approx(scores[0].bits / scores[0].tokens)


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
        assert fsum(model.bits(document, leave_out=True)) >= total(model, document) - EXACT


@given(st.integers(1, 64), st.integers(1, 5))
def test_a_uniform_corpus_gives_log2_of_its_types(types: int, count: int) -> None:
    words = [f"w{number}" for number in range(types)] * count
    model = Unigram([words], 0)
    assert model.bits(words[:3]) == pytest.approx([log2(types)] * len(words[:3]), abs=EXACT)
    assert model.describe().entropy_bits == pytest.approx(log2(types), abs=EXACT)


@given(CORPUS)
def test_unsmoothed_mean_bits_are_the_entropy(corpus: list[list[str]]) -> None:
    model = Unigram(corpus, 0)
    mean = fsum(total(model, document) for document in corpus) / model.total
    assert mean == pytest.approx(model.describe().entropy_bits, abs=EXACT)
    nats = -fsum(count / model.total * log(count / model.total) for count in model.counts.values())
    assert model.describe().entropy_bits == pytest.approx(nats / log(2), abs=EXACT)


@given(CORPUS, st.integers(2, 5))
def test_counting_all_thrice_changes_nothing_unsmoothed(corpus: list[list[str]], times: int) -> None:
    once, often = Unigram(corpus, 0), Unigram(corpus * times, 0)
    assert total(often, corpus[0]) == pytest.approx(total(once, corpus[0]), abs=EXACT)


def test_an_unseen_word_without_smoothing_is_infinitely_surprising() -> None:
    assert Unigram([["a"]], 0).bits(["z"]) == [inf]


@given(CORPUS)
def test_percentiles_are_mid_ranks(corpus: list[list[str]]) -> None:
    scores, _ = score(corpus)
    for one in scores:
        below = sum(other.bits < one.bits for other in scores)
        ties = sum(other.bits == one.bits for other in scores)
        assert one.percentile == pytest.approx(100 * (below + ties / 2) / len(scores))
    assert fsum(one.percentile for one in scores) / len(scores) == pytest.approx(50)


def test_a_text_without_words_has_no_bits() -> None:
    scores, _ = score([[], ["a", "b"]])
    assert (scores[0].bits, scores[0].bits_per_token, scores[0].tokens) == (0, None, 0)


def test_a_corpus_without_words_is_refused() -> None:
    with pytest.raises(ValueError, match="no word"):
        score([[]])
    with pytest.raises(ValueError, match="no word"):
        score([["a"]], [[]])


@given(DOCUMENT)
def test_spacing_and_case_do_not_matter(document: list[str]) -> None:
    assume(document)
    assert counted_words("  \n".join(document).upper()) == counted_words(" ".join(document))


def test_debate_ranks_substance_over_filler(debate: list[str]) -> None:
    documents = [counted_words(text) for text in debate]
    asked = ["Yeah, mmm-hmm.", "Unemployment rate in Ohio and the budget for veterans' health care"]
    scores, corpus = score([counted_words(text) for text in asked], documents)
    # An independent count of the same transcript gave 8.703 bits with hyphens and quotes treated otherwise.
    assert corpus.entropy_bits == pytest.approx(8.703, abs=0.01)
    assert scores[0].percentile < 30 < 40 < scores[1].percentile
    own, _ = score(documents)
    assert max(one.percentile for one in own) > 99
    assert sum(not one.tokens for one in own) == sum(not document for document in documents)
