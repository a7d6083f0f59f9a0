"""Kneser-Ney against the formula spelt out, and the laws that it keeps."""

from collections import Counter
from math import exp2, fsum, isfinite

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.text import ngram
from services.text.background import Background
from services.text.ngram import BEGIN, END_MARK, KneserNey

WORD = st.sampled_from("abcde")
DOCUMENT = st.lists(WORD, max_size=8)
CORPUS = st.lists(st.lists(WORD, min_size=1, max_size=8), min_size=1, max_size=8)
BACKGROUND = st.none() | st.just(Background("some", "1", {"a": 0.3, "b": 0.2, "x": 0.1}, 0.01))
QUICK = settings(max_examples=40)
EXACT = 1e-9
Gram = tuple[str, ...]


class Spelt:
    """The formula of the module's docstring, one n-gram at a time, with the discounts and types of `model`."""

    def __init__(self, documents: list[list[str]], model: KneserNey) -> None:
        self.discounts = [level.discounts.tolist() for level in model.levels]
        self.types = len(model.numbers) + 2
        trigrams: Counter[Gram] = Counter()
        bigrams: Counter[Gram] = Counter()
        for document in filter(None, documents):
            padded = ["<s>", *document, END_MARK]
            bigrams[tuple(padded[:2])] += 1
            trigrams.update(zip(padded, padded[1:], padded[2:], strict=False))
        bigrams.update(gram[1:] for gram in trigrams)
        unigrams = Counter(gram[1:] for gram in bigrams)
        self.counts = [unigrams, bigrams, trigrams]

    def probability(self, gram: Gram) -> float:
        if not gram:
            return 1 / self.types
        discount, counts = self.discounts[len(gram) - 1], self.counts[len(gram) - 1]
        after = [count for other, count in counts.items() if other[:-1] == gram[:-1]]
        lower = self.probability(gram[1:])
        if not after:
            return lower
        given_up = fsum(discount[min(count, 3)] for count in after)
        kept = max(counts[gram] - discount[min(counts[gram], 3)], 0)
        return float((kept + given_up * lower) / sum(after))

    def of(self, document: list[str]) -> list[float]:
        padded = ["<s>", *document, END_MARK]
        first = self.probability(tuple(padded[:2]))
        return [first, *map(self.probability, zip(padded, padded[1:], padded[2:], strict=False))]


@QUICK
@given(CORPUS, DOCUMENT)
def test_it_is_the_formula(corpus: list[list[str]], document: list[str]) -> None:
    model = KneserNey(corpus)
    text = [*document, "unheard", "a", "b"]
    assert [exp2(-bits) for bits in model.judge([text])[0].bits] == pytest.approx(Spelt(corpus, model).of(text))


@QUICK
@given(CORPUS)
def test_leaving_out_is_as_if_the_text_had_not_been_counted(corpus: list[list[str]]) -> None:
    model = KneserNey(corpus)
    for index, judged in enumerate(model.judge(corpus, leave_out=True)):
        rest = Spelt(corpus[:index] + corpus[index + 1 :], model)
        assert [exp2(-bits) for bits in judged.bits] == pytest.approx(rest.of(corpus[index]))


@QUICK
@given(CORPUS, st.tuples(*[st.sampled_from(["<s>", "a", "b", "c", "unheard"])] * 2), BACKGROUND, st.floats(0, 1))
def test_what_may_follow_adds_up_to_one(
    corpus: list[list[str]], history: tuple[str, str], background: Background | None, weight: float
) -> None:
    model = KneserNey(corpus, background, weight)
    followers = [*model.numbers, END_MARK, "<unheard>"]
    if background is None:
        assert fsum(after(model, history, word) for word in followers) == pytest.approx(1, abs=EXACT)
        return
    unheard = [word for word in background.shares if word not in model.numbers]
    unlisted = (1 - fsum(background.shares.values())) / background.rarest
    unlisted -= sum(word not in background.shares for word in model.numbers)
    listed = fsum(after(model, history, word) for word in [*model.numbers, END_MARK, *unheard])
    assert listed + unlisted * after(model, history, "<unheard>") == pytest.approx(1, abs=EXACT)


def after(model: KneserNey, history: tuple[str, str], word: str) -> float:
    """p(word | history)."""
    numbers = {**model.numbers, "<s>": BEGIN, END_MARK: ngram.END}
    that, before, now = (np.array([numbers.get(each, ngram.UNSEEN)]) for each in (*history, word))
    tokens = ngram.Tokens(np.array([0]), now, before, that, before == BEGIN)
    return float(model._probability(tokens, [word])[0])


@QUICK
@given(CORPUS, DOCUMENT, BACKGROUND)
def test_bits_are_finite_and_not_negative(
    corpus: list[list[str]], document: list[str], background: Background | None
) -> None:
    model = KneserNey(corpus, background)
    texts = [[*document, "unheard"], document]
    for judged, text in zip(model.judge(texts), texts, strict=True):
        assert len(judged.bits) == len(model.pieces(text)) == (len(text) + 1 if text else 0)
        assert all(isfinite(bits) and bits >= 0 for bits in judged.bits)
    assert all(isfinite(bits) for judged in model.judge(corpus, leave_out=True) for bits in judged.bits)


@QUICK
@given(CORPUS, st.lists(WORD, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_order_of_the_corpus_does_not_matter_and_that_of_words_does(
    corpus: list[list[str]], document: list[str], random: object
) -> None:
    shuffled = corpus.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    judged, again = KneserNey(corpus).judge([document]), KneserNey(shuffled).judge([document])
    assert judged[0].bits == pytest.approx(again[0].bits, abs=EXACT)


def test_a_text_is_likelier_in_its_order() -> None:
    corpus = [["how", "do", "you", "do"], ["how", "are", "you"], ["you", "do", "it"]] * 2
    forth, back = KneserNey(corpus).judge([["how", "do", "you", "do"], ["do", "you", "do", "how"]])
    assert fsum(forth.bits) < fsum(back.bits)


def test_discounts_are_those_of_chen_and_goodman() -> None:
    # n1 = 8, n2 = 4, n3 = 2, n4 = 1: Y = 8/16, D1 = 1 - 2/2 * 4/8, D2 = 2 - 3/2 * 2/4, D3+ = 3 - 4/2 * 1/2
    counts = [1] * 8 + [2] * 4 + [3] * 2 + [4] + [9] * 3
    assert ngram._discounts(np.array(counts)).tolist() == pytest.approx([0, 0.5, 1.25, 2.0])
    # Nothing occurs twice: too small to tell.
    assert ngram._discounts(np.array([1, 1, 3, 4])).tolist() == [0, 0.5, 1, 1.5]


def test_runs_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = [["a", "b"], [], ["b", "c", "a"], ["a", "b", "c"], ["c"]]
    whole = KneserNey(corpus).judge(corpus, leave_out=True)
    monkeypatch.setattr(ngram, "RUN", 3)
    assert KneserNey(corpus).judge(corpus, leave_out=True) == whole


def test_more_types_than_can_be_told_apart_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngram, "MOST_TYPES", 2)
    with pytest.raises(ValueError, match="3 different words"):
        KneserNey([["a", "b", "c"]])
