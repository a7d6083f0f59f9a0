"""How much a text says, in bits: unigram surprisal against a corpus.

With c(w) the count of word w in the corpus, N its words, a > 0 the smoothing, and V the number of its types plus one
for all words it does not have:

    p(w) = (c(w) + a) / (N + a V)        bits(w) = -log2 p(w)        bits(text) = sum of bits(w) over its words

(Shannon 1948; additive smoothing after Lidstone 1920.) The total is the figure to rank by. The mean per word ranks
"uh-huh" above a sentence of substance wherever "uh-huh" is rare, since it does not know length.

Where the texts are their own corpus each is scored against the others: its own counts are taken out of c and N, V
stays. A text's bits are then never below those against the whole corpus, itself included.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum, inf, log2

_NOTHING: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class Score:
    """`percentile` is the share of corpus texts with fewer bits, in 0..100, ties counted half."""

    bits: float
    bits_per_token: float | None
    tokens: int
    percentile: float
    words: list[str]
    token_bits: list[float]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Size of a corpus, and `entropy_bits`: the entropy of its word distribution, -sum f log2 f with f = c/N."""

    tokens: int
    types: int
    entropy_bits: float


class Unigram:
    """Word counts of a corpus with additive smoothing, 0 or more. Without smoothing an unseen word has infinite bits
    and no type is set aside for it.
    """

    def __init__(self, documents: Sequence[Sequence[str]], smoothing: float) -> None:
        self.counts: Counter[str] = Counter()
        for document in documents:
            self.counts.update(document)
        self.total = self.counts.total()
        self.smoothing = smoothing
        self.types = len(self.counts) + 1

    def bits(self, document: Sequence[str], *, leave_out: bool = False) -> list[float]:
        """Bits of each word; `leave_out` takes the document's own counts, which must be in the corpus, out first."""
        own: Mapping[str, int] = Counter(document) if leave_out else _NOTHING
        total = self.total - (len(document) if leave_out else 0) + self.smoothing * self.types
        known = {word: self._bits(self.counts[word] - own.get(word, 0), total) for word in set(document)}
        return [known[word] for word in document]

    def describe(self) -> Corpus:
        shares = [count / self.total for count in self.counts.values()]
        return Corpus(self.total, len(self.counts), -fsum(share * log2(share) for share in shares) + 0.0)

    def _bits(self, count: int, total: float) -> float:
        mass = count + self.smoothing
        # + 0.0 turns the -0.0 of a certain word into 0.0
        return -log2(mass / total) + 0.0 if mass > 0 else inf


def score(
    documents: Sequence[Sequence[str]], corpus: Sequence[Sequence[str]] | None = None, *, smoothing: float = 0.5
) -> tuple[list[Score], Corpus]:
    """Scores of `documents`, each a list of words, against `corpus`, or against one another where there is none.

    Raises ValueError where the corpus has no word at all.
    """
    reference = documents if corpus is None else corpus
    model = Unigram(reference, smoothing)
    if not model.total:
        raise ValueError("the corpus has no word to count")
    bits = [model.bits(document, leave_out=corpus is None) for document in documents]
    against = bits if corpus is None else [model.bits(document, leave_out=True) for document in corpus]
    ranks = sorted(fsum(each) for each in against)
    return [_score(document, each, ranks) for document, each in zip(documents, bits, strict=True)], model.describe()


def _score(document: Sequence[str], bits: list[float], ranks: list[float]) -> Score:
    total = fsum(bits)
    below, upto = bisect_left(ranks, total), bisect_right(ranks, total)
    percentile = 100 * (below + upto) / 2 / len(ranks)
    mean = total / len(document) if document else None
    return Score(total, mean, len(document), percentile, list(document), bits)
