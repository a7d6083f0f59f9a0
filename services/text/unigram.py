"""Surprisal of words by how often they occur.

With c(w) the count of word w in the corpus, N its words, a > 0 the smoothing, and V the number of its types plus one
for all words it does not have:

    p(w) = (c(w) + a) / (N + a V)        bits(w) = -log2 p(w)        bits(text) = sum of bits(w) over its words

(Shannon 1948; additive smoothing after Lidstone 1920.) With a background p is mixed with it (see `background`).

Where a text is left out of the corpus its own counts are taken out of c and N; V stays. Without a background its bits
are then never below those against the whole corpus, itself included.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import fsum, inf, log2

from services.text.background import Background, Mixture
from services.text.estimator import Document, Judged, unchecked

_NOTHING: Mapping[str, int] = {}
UNSEEN = "<unseen>"
CHECKED = 1000
"""Documents between two checks."""


class Unigram:
    """Word counts of a corpus with additive smoothing, 0 or more. Without smoothing an unseen word has infinite bits
    and no type is set aside for it.
    """

    def __init__(
        self,
        documents: Sequence[Document],
        smoothing: float,
        background: Background | None = None,
        weight: float = 0.5,
    ) -> None:
        self.counts: Counter[str] = Counter()
        for document in documents:
            self.counts.update(document)
        self.total = self.counts.total()
        self.smoothing = smoothing
        self.types = len(self.counts) + 1
        self.mixture = None if background is None else Mixture(background, weight, self.counts)

    @property
    def entropy_bits(self) -> float:
        """Of the words' distribution in the corpus, bits a word: -sum f log2 f with f = c/N."""
        shares = [count / self.total for count in self.counts.values()]
        return -fsum(share * log2(share) for share in shares) + 0.0

    def judge(
        self, documents: Sequence[Document], *, leave_out: bool = False, check: Callable[[], None] = unchecked
    ) -> list[Judged]:
        found = []
        for index, document in enumerate(documents):
            if index % CHECKED == 0:
                check()
            found.append(Judged(self._bits(document, leave_out)))
        return found

    def pieces(self, document: Document) -> list[str]:
        return list(document)

    def event(self, word: str) -> str:
        """What `probability` is of: the word, or for all words that the corpus lacks the same, unless a background
        tells them apart."""
        return word if self.mixture is not None or word in self.counts else UNSEEN

    def probability(self, word: str, own: int = 0, left_out: int = 0) -> float:
        """Without `left_out` words of the corpus, `own` of which are this one."""
        alone = self._alone(self.counts.get(word, 0) - own, left_out)
        if self.mixture is None:
            return alone
        return self.mixture.seen(alone, word) if word in self.counts else self.mixture.unseen(alone, word)

    def _bits(self, document: Document, leave_out: bool) -> list[float]:
        own: Mapping[str, int] = Counter(document) if leave_out else _NOTHING
        left_out = len(document) if leave_out else 0
        if self.mixture is not None:
            known = {word: surprisal(self.probability(word, own.get(word, 0), left_out)) for word in set(document)}
            return [known[word] for word in document]
        counts = [self.counts.get(word, 0) - own.get(word, 0) for word in document]
        of_count = {count: surprisal(self._alone(count, left_out)) for count in set(counts)}
        return [of_count[count] for count in counts]

    def _alone(self, count: int, left_out: int) -> float:
        """Without the background, of a word that occurs so often in what is left."""
        total = self.total - left_out + self.smoothing * self.types
        # Nothing is known where all is left out and nothing added.
        return (count + self.smoothing) / total if total else 0.0


def surprisal(probability: float) -> float:
    """In bits, never -0.0 and, where rounding lifts a certain event above 1, never below 0."""
    return max(0.0, -log2(probability)) if probability > 0 else inf
