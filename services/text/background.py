"""How often words are said in general, and a corpus's own frequencies mixed with that.

With b(w) the background's share of word w, l its weight and p_own what the corpus alone says,

    p(w) = (1 - l) p_own(w) + l b(w)                          for words of the corpus (Jelinek and Mercer 1980)
    p(w) = b(w) ((1 - l) p_own(unseen) / B + l)               for all others, B the sum of b over those

so that what the corpus sets aside for words it lacks goes to them in the background's proportions, and all adds up to
one.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from math import fsum

from services.text.words import FILLER, counted_words, fold

FILLER_SHARE = 0.02
"""Share of fillers in talk: the low end of the 2 to 6 in 100 words of Bortfeld et al. 2001, Fox Tree 1995 and Shriberg
1994. Written sources, which lists of frequencies are made from, leave most of them out (0.05 in 100)."""
_loading = threading.Lock()


@dataclass(frozen=True, slots=True)
class Background:
    """`shares` of the listed words; `rarest` is the least of them, and the share of each word that is not listed. What
    the listed leave of one is reserved for the unlisted."""

    name: str
    version: str
    shares: Mapping[str, float]
    rarest: float

    @classmethod
    def of(cls, name: str, version: str, frequencies: Mapping[str, float], fillers: float) -> Background:
        """`frequencies` of classes of words add up to less than one; what they leave stays the unlisted words'.
        `fillers` becomes the share of `<filler>`, and the others give way in proportion."""
        listed = fsum(frequencies.values())
        others = listed - frequencies.get(FILLER, 0.0)
        scale = (listed - fillers) / others
        shares = {word: scale * share for word, share in frequencies.items() if word != FILLER}
        return cls(name, version, {**shares, FILLER: fillers}, min(shares.values()))

    def share(self, word: str) -> float:
        return self.shares.get(word, self.rarest)


class Mixture:
    """A background of this `weight`, 0..1, beside a corpus that has the words `types`."""

    def __init__(self, background: Background, weight: float, types: Iterable[str]) -> None:
        self.background, self.weight = background, weight
        self.rest = max(1 - fsum(map(background.share, types)), background.rarest)

    def seen(self, own: float, word: str) -> float:
        return (1 - self.weight) * own + self.weight * self.background.share(word)

    def unseen(self, own: float, word: str) -> float:
        """`own` is the corpus's probability of all words that it lacks."""
        return self.background.share(word) * ((1 - self.weight) * own / self.rest + self.weight)


def spoken() -> Background:
    """English by `wordfreq`'s large list (subtitles, social media, web, news, books, Wikipedia): 320,000 words down to
    one in 100 million. Read once, in about a second; takes some 50 MB from then on."""
    with _loading:
        return _spoken()


@cache
def _spoken() -> Background:
    import wordfreq

    frequencies: defaultdict[str, float] = defaultdict(float)
    for word, share in wordfreq.get_frequency_dict("en", "large").items():
        classes = [fold(word)] if word.isascii() and word.isalnum() else counted_words(word)
        if len(classes) == 1:
            frequencies[classes[0]] += share
    wordfreq.get_frequency_dict.cache_clear()
    return Background.of("spoken", f"wordfreq {version('wordfreq')}", frequencies, FILLER_SHARE)
