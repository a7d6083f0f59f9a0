"""Text as words: stage directions taken out, case and spelling of pauses evened, fillers gathered in one class."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

FILLER = "<filler>"

# What transcribers write into the text about the recording: a bracket with a time in it, or with one of their words.
_STAGE_DIRECTION = re.compile(
    r"\[(?:[^\[\]\n]{0,80}?\d{1,2}:\d{2}[\d:]{0,6}"
    r"|\s{0,3}(?:crosstalk|inaudible|unintelligible|laughter|laughs|applause|cheering|music|silence|pause|noise)"
    r"[^\[\]\n]{0,80})\s{0,3}\]",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_PAUSE = r"(?:m{2,}|h+m+|u+h+|u+m+|e+r+m*|a+h+|h+u+h+|y+e+a+h*|m+h+m+)"
_FILLER = re.compile(_PAUSE)
_JOINED_FILLERS = re.compile(rf"(?<![^\W_]){_PAUSE}(?:-{_PAUSE})+(?![^\W_])", re.IGNORECASE)
_ELONGATED = re.compile(r"([^\W\d_])\1{2,}")
_ROMAN = re.compile(r"[ivxlcdm]+")


def strip_stage_directions(text: str) -> str:
    """`text` without `[crosstalk 00:58:01]`, `[inaudible]` and the like, each replaced by a space."""
    return _STAGE_DIRECTION.sub(" ", text)


def words(text: str) -> list[str]:
    """Lower-case words: runs of letters and digits with inner apostrophes, stage directions left out.

    Case is folded by Unicode's full folding and the result is NFC, so that two spellings of one text give one answer.
    """
    folded = unicodedata.normalize("NFC", strip_stage_directions(text).casefold())
    return [word.replace("’", "'") for word in _WORD.findall(folded)]


def fold(word: str) -> str:
    """The class that a word is counted in: `<filler>` for mm, hmm, uh, um, er, ah, huh, yeah; else itself, with
    letters drawn out three times or more written twice ("soooo" as "soo"), Roman numerals excepted.
    """
    if _FILLER.fullmatch(word):
        return FILLER
    if _ROMAN.fullmatch(word):
        return word
    return _ELONGATED.sub(r"\1\1", word)


def counted_words(text: str) -> list[str]:
    """The classes of a text's words; fillers that a hyphen joins, as in "mm-hmm", are one."""
    return [fold(word) for word in _parted(text)]


def _parted(text: str) -> list[str]:
    return words(_JOINED_FILLERS.sub("mm", text))


class TooManyWords(Exception):
    """More than may be; nothing but their number is known."""


def counted_documents(texts: Sequence[str], most: int) -> list[list[str]]:
    """The counted words of each text, which are the same objects where they occur again. Raises TooManyWords for more
    than `most` of all, before they are held in memory."""
    left = most
    classes: dict[str, str] = {}
    documents = []
    for text in texts:
        # A word is a character and what parts it from the next.
        if len(text) // 2 >= left and sum(1 for _ in _WORD.finditer(text)) > left:
            raise TooManyWords
        documents.append([classes.get(word) or classes.setdefault(word, fold(word)) for word in _parted(text)])
        left -= len(documents[-1])
        if left < 0:
            raise TooManyWords
    return documents
