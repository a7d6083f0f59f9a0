"""What a cluster is about: its words weighted by class-based TF-IDF (Grootendorst 2022, "BERTopic", equation 2).

    W(t, c) = tf(t, c) / |c| * log(1 + A / f(t))

with tf the count of word t in cluster c, |c| the words of c, f its count over all clusters and A the mean number of
words a cluster.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from math import log1p
from typing import NamedTuple

from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from services.text.words import FILLER, fold, words

_CONTRACTION = re.compile(r"(?:n't|'.*)$")
# What is left of contractions once the apostrophe's part is off, where the stop list has it only whole.
_STUMPS = frozenset({"ca", "wo", "do", "did", "does", "would", "could", "should", "wasn", "let", "ain"})


class Term(NamedTuple):
    word: str
    weight: float


def class_terms(texts: Sequence[str], labels: Sequence[int], top: int = 10) -> dict[int, list[Term]]:
    """The `top` words of each label's texts, heaviest first, ties in alphabetical order; label -1 is left out.

    English stop words, fillers, single letters and stage directions are no terms.
    """

    counts: dict[int, Counter[str]] = {label: Counter() for label in sorted(set(labels)) if label >= 0}
    for text, label in zip(texts, labels, strict=True):
        if label >= 0:
            stems = map(_term, words(text))
            counts[label].update(stem for stem in stems if stem and stem not in ENGLISH_STOP_WORDS)
    frequency: Counter[str] = Counter()
    for counter in counts.values():
        frequency.update(counter)
    mean = frequency.total() / len(counts) if counts else 0.0
    return {label: _heaviest(counter, frequency, mean, top) for label, counter in counts.items()}


def _heaviest(counter: Counter[str], frequency: Counter[str], mean: float, top: int) -> list[Term]:
    total = counter.total()
    terms = [Term(word, count / total * log1p(mean / frequency[word])) for word, count in counter.items()]
    return sorted(terms, key=lambda term: (-term.weight, term.word))[:top]


def _term(word: str) -> str | None:
    stem = _CONTRACTION.sub("", word)
    if len(stem) < 2 or fold(word) == FILLER:
        return None
    if stem != word and stem in _STUMPS:
        return None
    return stem
