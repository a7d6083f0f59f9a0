"""A corpus mixed with the English that is spoken."""

from math import fsum, log2

import pytest

from services.text.background import FILLER_SHARE, Background, spoken
from services.text.information import Method, Reference, Score
from services.text.unigram import Unigram
from services.text.words import FILLER, counted_words

FILLERS = ["Yeah, mmm-hmm.", "Uh-huh.", "Um, yeah.", "Hmm."]
SUBSTANCE = [
    "The unemployment rate in Ohio fell to four percent.",
    "Insulin became so cheap that veterans pay 35 dollars a month.",
    "Two of the eleven reactors were shut down after the earthquake.",
]
TALK = [*FILLERS, "I don't know.", "Well, I think so too.", "What do you mean?", *SUBSTANCE]


def ranked(texts: list[str], method: Method, corpus: list[str] | None = None) -> list[Score]:
    documents = [counted_words(text) for text in texts]
    if corpus is None:
        return Reference(documents, method).score_own()
    return Reference([counted_words(text) for text in corpus], method).score(documents)


def test_its_shares_add_up_to_one_with_what_is_reserved() -> None:
    background = spoken()
    listed = fsum(background.shares.values())
    assert 300_000 < len(background.shares) < 330_000
    # wordfreq itself leaves 1.3 % to what it does not list, entries of several words 0.3 %.
    assert listed == pytest.approx(1 - 0.0134 - 0.0027, abs=2e-4)
    assert background.share(FILLER) == FILLER_SHARE
    assert background.share("qqxzv") == background.rarest == min(background.shares.values())
    assert spoken() is background


def test_common_words_are_as_frequent_as_wordfreq_says() -> None:
    import wordfreq

    background = spoken()
    scale = background.share("the") / wordfreq.word_frequency("the", "en")
    assert scale == pytest.approx(1 - FILLER_SHARE, abs=0.002)
    for word in ("ohio", "unemployment", "don't", "veterans"):
        # wordfreq rounds its answers to three digits.
        assert background.share(word) == pytest.approx(scale * wordfreq.word_frequency(word, "en"), rel=0.01)


def test_mixture_by_hand() -> None:
    background = Background("some", "1", {"a": 0.5, "b": 0.25}, 0.125)
    model = Unigram([["a", "a", "a"]], 1, background, 0.25)
    # N = 3, V = 2: own p(a) = 4/5, unseen 1/5, spread over what is not "a": B = 0.5
    assert model.probability("a") == pytest.approx(0.75 * 0.8 + 0.25 * 0.5, rel=1e-15)
    assert model.probability("b") == pytest.approx(0.25 * (0.75 * 0.2 / 0.5 + 0.25), rel=1e-15)
    assert model.probability("z") == pytest.approx(0.125 * (0.75 * 0.2 / 0.5 + 0.25), rel=1e-15)


@pytest.mark.parametrize("estimator", ["unigram", "ngram"])
def test_fillers_rank_low_and_substance_high(estimator: str) -> None:
    scores = ranked(TALK, Method(estimator, background=spoken()))  # type: ignore[arg-type]
    least = min(score.bits for score in scores[-len(SUBSTANCE) :])
    assert max(score.bits for score in scores[: len(FILLERS)]) < least / 3
    assert [round(score.percentile) for score in scores[-len(SUBSTANCE) :]] == pytest.approx([75, 85, 95], abs=20)
    assert all(score.percentile <= 60 for score in scores[: len(FILLERS)])
    # A filler by itself, without any corpus of talk beside it: -log2 of 2 in 100 words.
    (alone,) = ranked(["Mm-hmm."], Method(background=spoken(), weight=1.0), ["anything"])
    assert alone.bits == pytest.approx(-log2(FILLER_SHARE))


def test_a_word_that_nobody_lists_is_finite() -> None:
    (score,) = ranked(["qqxzv"], Method(background=spoken(), weight=1.0), ["anything"])
    assert score.bits == pytest.approx(-log2(spoken().rarest))


@pytest.mark.parametrize("estimator", ["unigram", "ngram"])
def test_debate_with_what_is_spoken_elsewhere(debate: list[str], estimator: str) -> None:
    asked = ["Yeah, mmm-hmm.", "The unemployment rate in Ohio fell to four percent."]
    filler, ohio = ranked(asked, Method(estimator, background=spoken()), debate)  # type: ignore[arg-type]
    assert filler.percentile < 20 < 55 < ohio.percentile
    assert filler.bits * 3 < ohio.bits
