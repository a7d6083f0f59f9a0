"""How much texts say, in bits, against a corpus or against one another.

The total is the figure to rank by. The mean per word ranks "uh-huh" above a sentence of substance wherever "uh-huh" is
rare, since it does not know length.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import fsum, log2
from typing import Literal

from services.text.background import Background
from services.text.compression import Compression
from services.text.estimator import Document, Estimator, Judged, unchecked
from services.text.ngram import KneserNey
from services.text.unigram import Unigram

EstimatorName = Literal["unigram", "ngram", "compression"]


@dataclass(frozen=True, slots=True)
class Method:
    """How information is told; `weight` is that of the background, 0..1."""

    estimator: EstimatorName = "unigram"
    smoothing: float = 0.5
    background: Background | None = None
    weight: float = 0.5


@dataclass(frozen=True, slots=True)
class Score:
    """`percentile` is the share of corpus texts with fewer bits, in 0..100, ties counted half; `kl_bits` how far the
    text's distribution of words is from the corpus's, sum q log2(q/p) with q its own and p the smoothed unigram's,
    words that the corpus lacks being one unless a background tells them apart."""

    bits: float
    bits_per_token: float | None
    tokens: int
    percentile: float
    kl_bits: float | None
    ncd: float | None
    pieces: list[str]
    piece_bits: list[float]


@dataclass(frozen=True, slots=True)
class Described:
    """Size of a corpus, the entropy of its word distribution in bits a word, and 2 to the power of it."""

    texts: int
    tokens: int
    types: int
    entropy_bits: float
    perplexity: float

    @classmethod
    def of(cls, texts: int, words: Unigram) -> Described:
        entropy = words.entropy_bits
        return cls(texts, words.total, len(words.counts), entropy, 2**entropy)


class Reference:
    """A corpus made ready to judge texts by. With `own` its own texts can be scored, which takes as much memory as they
    have words. Raises ValueError where it has no word to count."""

    def __init__(
        self, corpus: Sequence[Document], method: Method, check: Callable[[], None] = unchecked, *, own: bool = True
    ) -> None:
        self.method = method
        self._unigram = Unigram(corpus, method.smoothing, method.background, method.weight)
        if not self._unigram.total:
            raise ValueError("has no word to count")
        check()
        self._estimator: Estimator = self._unigram
        self.cut = False
        """Whether the estimator could not take all of the corpus into account."""
        if method.estimator == "ngram":
            self._estimator = KneserNey(corpus, method.background, method.weight)
        elif method.estimator == "compression":
            self._estimator = compression = Compression(corpus)
            self.cut = compression.cut
        judged = self._estimator.judge(corpus, leave_out=True, check=check)
        self._ranks = sorted(fsum(each.bits) for each in judged)
        self._own = (corpus, judged) if own else None
        self.described = Described.of(len(corpus), self._unigram)

    def score(self, documents: Sequence[Document], check: Callable[[], None] = unchecked) -> list[Score]:
        judged = self._estimator.judge(documents, check=check)
        return self._scores(documents, judged, self._words(documents, judged, False, check))

    def score_own(self, check: Callable[[], None] = unchecked) -> list[Score]:
        """The texts of the corpus, each by the others."""
        if self._own is None:
            raise ValueError("its own texts were not kept")
        corpus, judged = self._own
        return self._scores(corpus, judged, self._words(corpus, judged, True, check))

    def _words(
        self, documents: Sequence[Document], judged: Sequence[Judged], leave_out: bool, check: Callable[[], None]
    ) -> Sequence[Judged]:
        if self._estimator is self._unigram:
            return judged
        return self._unigram.judge(documents, leave_out=leave_out, check=check)

    def _scores(self, documents: Sequence[Document], judged: Sequence[Judged], words: Sequence[Judged]) -> list[Score]:
        return [self._score(*each) for each in zip(documents, judged, words, strict=True)]

    def _score(self, document: Document, judged: Judged, words: Judged) -> Score:
        total = fsum(judged.bits)
        below, upto = bisect_left(self._ranks, total), bisect_right(self._ranks, total)
        return Score(
            bits=total,
            bits_per_token=total / len(document) if document else None,
            tokens=len(document),
            percentile=100 * (below + upto) / 2 / len(self._ranks),
            kl_bits=self._divergence(document, words.bits) if document else None,
            ncd=judged.ncd,
            pieces=self._estimator.pieces(document),
            piece_bits=judged.bits,
        )

    def _divergence(self, document: Document, bits: Sequence[float]) -> float:
        size = len(document)
        shares = [count / size for count in Counter(map(self._unigram.event, document)).values()]
        return max(0.0, fsum(bits) / size + fsum(share * log2(share) for share in shares))
