"""Scores of texts, whatever tells their bits."""

from math import fsum, isfinite
from typing import get_args

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from services.text.information import EstimatorName, Method, Reference
from services.text.unigram import Unigram
from services.text.words import counted_words

WORD = st.sampled_from("abcdefgh")
DOCUMENT = st.lists(WORD, max_size=12)
CORPUS = st.lists(st.lists(WORD, min_size=1, max_size=12), min_size=1, max_size=8)
METHOD = st.sampled_from([Method(name) for name in get_args(EstimatorName)])
EXACT = 1e-9
QUICK = settings(max_examples=40)


@QUICK
@given(CORPUS, DOCUMENT, METHOD)
def test_pieces_add_up_and_are_not_negative(corpus: list[list[str]], document: list[str], method: Method) -> None:
    reference = Reference(corpus, method)
    for score in [*reference.score([[*document, "unheard"]]), *reference.score_own()]:
        assert fsum(score.piece_bits) == pytest.approx(score.bits, abs=EXACT)
        assert all(isfinite(bits) and bits >= 0 for bits in score.piece_bits)
        assert len(score.pieces) == len(score.piece_bits)
        assert score.bits_per_token == pytest.approx(score.bits / score.tokens)
        assert score.kl_bits is not None
        assert score.kl_bits >= 0


@QUICK
@given(st.lists(DOCUMENT, min_size=1, max_size=8), METHOD)
def test_percentiles_are_mid_ranks(corpus: list[list[str]], method: Method) -> None:
    assume(any(corpus))
    scores = Reference(corpus, method).score_own()
    for one in scores:
        below = sum(other.bits < one.bits for other in scores)
        ties = sum(other.bits == one.bits for other in scores)
        assert one.percentile == pytest.approx(100 * (below + ties / 2) / len(scores))
    assert fsum(one.percentile for one in scores) / len(scores) == pytest.approx(50)


@pytest.mark.parametrize("name", get_args(EstimatorName))
def test_a_text_without_words_has_no_bits(name: EstimatorName) -> None:
    reference = Reference([[], ["a", "b"]], Method(name))
    for score in (reference.score_own()[0], reference.score([[]])[0]):
        assert (score.bits, score.bits_per_token, score.tokens, score.kl_bits) == (0, None, 0, None)
        assert (score.pieces, score.piece_bits) == ([], [])


@pytest.mark.parametrize("name", get_args(EstimatorName))
def test_a_corpus_without_words_is_refused(name: EstimatorName) -> None:
    with pytest.raises(ValueError, match="no word"):
        Reference([[], []], Method(name))


@pytest.mark.parametrize("name", get_args(EstimatorName))
def test_texts_that_are_all_the_same_are_no_trouble(name: EstimatorName) -> None:
    scores = Reference([["a", "b"]] * 5, Method(name)).score_own()
    assert {score.percentile for score in scores} == {50}
    assert all(isfinite(score.bits) for score in scores)


@QUICK
@given(DOCUMENT, METHOD)
def test_spacing_and_case_do_not_matter(document: list[str], method: Method) -> None:
    assume(document)
    spaced, plain = counted_words("  \n".join(document).upper()), counted_words(" ".join(document))
    assert spaced == plain
    assert Reference([spaced, ["z"]], method).score_own() == Reference([plain, ["z"]], method).score_own()


@QUICK
@given(CORPUS, st.lists(WORD, min_size=1, max_size=12))
def test_divergence_is_cross_entropy_less_entropy(corpus: list[list[str]], document: list[str]) -> None:
    (score,) = Reference(corpus, Method("ngram")).score([document])
    words = Unigram(corpus, 0.5).judge([document])[0].bits
    known = {word for each in corpus for word in each}
    own = Unigram([[word if word in known else "<unseen>" for word in document]], 0).entropy_bits
    assert fsum(words) / len(document) - own >= -EXACT
    assert score.kl_bits == pytest.approx(fsum(words) / len(document) - own, abs=EXACT)


def test_a_text_like_its_corpus_diverges_by_nothing() -> None:
    (score,) = Reference([["a", "b"] * 1000], Method(smoothing=1e-9)).score([["b", "a"]])
    assert score.kl_bits == pytest.approx(0, abs=1e-9)


def test_computation_stops_when_it_is_told_to() -> None:
    def stop() -> None:
        raise InterruptedError

    for name in get_args(EstimatorName):
        with pytest.raises(InterruptedError):
            Reference([["a"], ["b"]], Method(name), stop)


def test_debate_ranks_substance_over_filler(debate: list[str]) -> None:
    """The totals do, though with the debate alone as its corpus the mean would put the filler on top."""
    documents = [counted_words(text) for text in debate]
    asked = ["Yeah, mmm-hmm.", "Unemployment rate in Ohio and the budget for veterans' health care"]
    for name in get_args(EstimatorName):
        reference = Reference(documents, Method(name))
        filler, ohio = reference.score([counted_words(text) for text in asked])
        assert filler.percentile < 30 < 60 < ohio.percentile, name
        own = reference.score_own()
        assert max(one.percentile for one in own) > 99
        assert sum(not one.tokens for one in own) == sum(not document for document in documents)
    # An independent count of the same transcript gave 8.703 bits with hyphens and quotes treated otherwise.
    assert reference.described.entropy_bits == pytest.approx(8.703, abs=0.01)
    assert reference.described.perplexity == pytest.approx(416.8, rel=0.01)
