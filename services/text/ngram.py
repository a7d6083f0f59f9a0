"""Surprisal of words in their order: an interpolated modified Kneser-Ney model of three words.

After a text's beginning <s> come its words and its end </s>, each judged by the two before it (S. F. Chen, J. Goodman:
An Empirical Study of Smoothing Techniques for Language Modeling, Computer Speech & Language 13, 1999, section 3):

    p(w | uv) = max(c(uvw) - D(c(uvw)), 0) / c(uv.) + g(uv) p(w | v)
    g(uv)     = (D1 N1(uv.) + D2 N2(uv.) + D3 N3+(uv.)) / c(uv.)

and so on down, where c of two words and of one is the number of different words that precede them (what begins with
<s>, which nothing precedes, is counted as it occurs), and below one word every type, </s> and the class of all unseen
words have the same probability. After a history that the corpus does not have, the shorter one alone decides. The
discounts D1, D2, D3+ come from how many n-grams occur once to four times; where a corpus is too small to tell they are
0.5, 1 and 1.5.

A text that is left out has its counts taken out at every order, as if the model had been made without it, but for the
discounts and the types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.text.background import Background, Mixture
from services.text.estimator import Document, Judged, unchecked

UNSEEN, BEGIN, END = 0, 1, 2
RESERVED = 3
END_MARK = "</s>"
MOST_TYPES = 2_097_151 - RESERVED
"""Three of them fit into 63 bits."""
RUN = 100_000
"""Words judged at a time, about: bounds the memory, some 200 bytes a word."""
TOO_SMALL = (0.0, 0.5, 1.0, 1.5)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def _find(keys: Ints, wanted: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Positions in the sorted `keys`, of which there is one at least, any where not found; and whether found."""
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return at, keys[at] == wanted


def _class(counts: Ints) -> Ints:
    """0, 1, 2, or 3 for three and more."""
    return np.minimum(counts, 3)


def _discounts(counts: Ints) -> Floats:
    """By the class of a count. Chen and Goodman's equation 17."""
    _, n1, n2, n3, n4 = (int(n) for n in np.bincount(np.minimum(counts, 5), minlength=6)[:5])
    if min(n1, n2, n3, n4) == 0:
        return np.array(TOO_SMALL)
    share = n1 / (n1 + 2 * n2)
    found = np.array([0.0, 1 - 2 * share * n2 / n1, 2 - 3 * share * n3 / n2, 3 - 4 * share * n4 / n3])
    return found if (found[1:] > 0).all() and (found <= [0, 1, 2, 3]).all() else np.array(TOO_SMALL)


class Level:
    """N-grams of one length: sorted `keys`, in base `base` the words' numbers, their counts, and by history (all words
    but the last) the sum of counts and how many have the counts 1, 2, and 3 or more."""

    def __init__(self, keys: Ints, base: int) -> None:
        self.base = base
        self.keys, self.counts = np.unique(keys, return_counts=True)
        self.histories, self.history = np.unique(self.keys // base, return_inverse=True)
        self.discounts = _discounts(self.counts)
        self.totals = np.bincount(self.history, self.counts, len(self.histories)).astype(np.int64)
        self.classes = _tally(self.history, _class(self.counts), len(self.histories))

    def without_first(self, order: int) -> Ints:
        return np.asarray(self.keys % self.base ** (order - 1))


def _tally(groups: Ints, classes: Ints, size: int) -> Ints:
    """How many of each group are of class 1, 2 and 3."""
    return np.bincount(groups * 4 + classes, minlength=size * 4).reshape(size, 4)[:, 1:]


@dataclass(frozen=True)
class Own:
    """What each text has of a level's counts, by text * len(keys) + key, and of its histories' by text *
    len(histories) + history."""

    codes: Ints
    counts: Ints
    history_codes: Ints
    totals: Ints
    classes: Ints
    gone: tuple[Ints, Ints]
    """Texts, and keys that occur in them alone."""

    @classmethod
    def of(cls, level: Level, texts: Ints, keys: Ints) -> Own:
        codes, own = np.unique(texts * len(level.keys) + keys, return_counts=True)
        text, key = np.divmod(codes, len(level.keys))
        left = level.counts[key] - own
        history_codes, group = np.unique(text * len(level.histories) + level.history[key], return_inverse=True)
        size = len(history_codes)
        totals = np.bincount(group, own, size).astype(np.int64)
        classes = _tally(group, _class(level.counts[key]), size) - _tally(group, _class(left), size)
        return cls(codes, own, history_codes, totals, classes, (text[left == 0], key[left == 0]))


def _taken(codes: Ints, values: Ints, wanted: Ints) -> Ints:
    if not len(codes):
        return np.zeros((len(wanted), *values.shape[1:]), np.int64)
    at, found = _find(codes, wanted)
    return np.where(found.reshape(-1, *[1] * (values.ndim - 1)), values[at], 0)


@dataclass(frozen=True)
class Tokens:
    """Every word and end of some texts, with the two before it; `second` where only <s> is."""

    text: Ints
    word: Ints
    before: Ints
    before_that: Ints
    second: NDArray[np.bool_]

    @classmethod
    def of(cls, encoded: Sequence[Ints]) -> Tokens:
        lengths = np.array([len(each) for each in encoded]) + 2
        ids = np.concatenate([part for each in encoded for part in ([BEGIN], each, [END])]).astype(np.int64)
        text = np.repeat(np.arange(len(encoded)), lengths)
        place = np.arange(len(ids)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        at = np.flatnonzero(place > 0)
        return cls(text[at], ids[at], ids[at - 1], ids[at - 2], place[at] == 1)


class KneserNey:
    """Of a corpus that has a word at least. Raises ValueError where it has more than MOST_TYPES different ones."""

    def __init__(
        self, documents: Sequence[Document], background: Background | None = None, weight: float = 0.5
    ) -> None:
        types = dict.fromkeys(word for document in documents for word in document)
        if len(types) > MOST_TYPES:
            raise ValueError(f"has {len(types):,} different words; {MOST_TYPES:,} can be told apart")
        self.numbers = {word: number for number, word in enumerate(types, RESERVED)}
        self.mixture = None if background is None else Mixture(background, weight, types)
        self._base = base = len(types) + RESERVED
        tokens = Tokens.of([self._encoded(document) for document in documents if document])
        pairs = tokens.before * base + tokens.word
        third = Level((tokens.before_that * base**2 + pairs)[~tokens.second], base)
        second = Level(np.concatenate([pairs[tokens.second], third.without_first(3)]), base)
        self.levels = Level(second.without_first(2), base), second, third

    def judge(
        self, documents: Sequence[Document], *, leave_out: bool = False, check: Callable[[], None] = unchecked
    ) -> list[Judged]:
        """The last piece of each is its end."""
        found = [Judged([])] * len(documents)
        for indices in _runs(documents):
            check()
            some = [documents[index] for index in indices]
            tokens = Tokens.of([self._encoded(document) for document in some])
            words = [piece for document in some for piece in self.pieces(document)]
            probability = self._probability(tokens, words, self._own(tokens) if leave_out else None)
            bits = np.maximum(0.0, -np.log2(probability))
            ends = np.cumsum([len(document) + 1 for document in some])
            for index, part in zip(indices, np.split(bits, ends[:-1]), strict=True):
                found[index] = Judged(part.tolist())
        return found

    def pieces(self, document: Document) -> list[str]:
        return [*document, END_MARK] if document else []

    def _encoded(self, document: Document) -> Ints:
        return np.fromiter((self.numbers.get(word, UNSEEN) for word in document), np.int64, len(document))

    def _own(self, tokens: Tokens) -> tuple[Own, Own, Own]:
        base, (first, second, third) = self._base, self.levels
        pairs = tokens.before * base + tokens.word
        triples = (tokens.before_that * base**2 + pairs)[~tokens.second]
        own3 = Own.of(third, tokens.text[~tokens.second], _find(third.keys, triples)[0])
        text, key = own3.gone
        begins = pairs[tokens.second]
        lost = np.concatenate([begins, third.keys[key] % base**2])
        own2 = Own.of(second, np.concatenate([tokens.text[tokens.second], text]), _find(second.keys, lost)[0])
        text, key = own2.gone
        own1 = Own.of(first, text, _find(first.keys, second.keys[key] % base)[0])
        return own1, own2, own3

    def _probability(self, tokens: Tokens, words: Sequence[str], own: tuple[Own, Own, Own] | None = None) -> Floats:
        """`words` are those that the tokens stand for."""
        alone = self._alone(tokens, own)
        if self.mixture is None:
            return alone
        ends = self._alone(Tokens(tokens.text, np.full_like(tokens.word, END), *_histories(tokens)), own)
        share = np.array([self.mixture.background.share(word) for word in words])
        spread = np.where(tokens.word == UNSEEN, share / self.mixture.rest, 1.0)
        weight = self.mixture.weight
        return np.where(tokens.word == END, alone, (1 - weight) * alone * spread + weight * (1 - ends) * share)

    def _alone(self, tokens: Tokens, own: tuple[Own, Own, Own] | None) -> Floats:
        """Without the background."""
        base = self._base
        own1, own2, own3 = own or (None, None, None)
        word, pair = tokens.word, tokens.before * base + tokens.word
        found = np.full(len(word), 1 / (base - 1))
        found = _interpolated(self.levels[0], tokens.text, word, own1, found)
        found = _interpolated(self.levels[1], tokens.text, pair, own2, found)
        triple = tokens.before_that * base**2 + pair
        return np.where(tokens.second, found, _interpolated(self.levels[2], tokens.text, triple, own3, found))


def _histories(tokens: Tokens) -> tuple[Any, Any, Any]:
    return tokens.before, tokens.before_that, tokens.second


def _interpolated(level: Level, text: Ints, keys: Ints, own: Own | None, lower: Floats) -> Floats:
    at, found = _find(level.keys, keys)
    history, known = _find(level.histories, keys // level.base)
    counts = np.where(found, level.counts[at], 0)
    totals = np.where(known, level.totals[history], 0)
    classes = np.where(known[:, None], level.classes[history], 0)
    if own is not None:
        counts = counts - np.where(found, _taken(own.codes, own.counts, text * len(level.keys) + at), 0)
        code = text * len(level.histories) + history
        totals = totals - np.where(known, _taken(own.history_codes, own.totals, code), 0)
        classes = classes - np.where(known[:, None], _taken(own.history_codes, own.classes, code), 0)
    kept = np.maximum(counts - level.discounts[_class(counts)], 0)
    return np.where(totals > 0, (kept + classes @ level.discounts[1:] * lower) / np.maximum(totals, 1), lower)


def _runs(documents: Sequence[Document]) -> Iterator[list[int]]:
    """Numbers of documents that have words, some RUN words together."""
    run: list[int] = []
    size = 0
    for index, document in enumerate(documents):
        if document:
            run.append(index)
            size += len(document) + 1
        if size >= RUN:
            yield run
            run, size = [], 0
    if run:
        yield run
