"""Texts of a corpus as bytes, of which any number, one after the other, are the texts of all: a free monoid.

All that is known of a corpus (counts of words and of n-grams, ranks of its texts, what compresses it) follows from its
texts' counted words in a smaller space than a table of n-grams takes: some two bytes a word.
"""

import hashlib
import zlib
from collections.abc import Iterable, Sequence

from services.text.estimator import Document


def pack(documents: Sequence[Document]) -> bytes:
    """One or more documents: words are parted by spaces, documents by line breaks, neither of which is in a word."""
    return zlib.compress("\n".join(map(" ".join, documents)).encode())


def unpack(pieces: Iterable[bytes]) -> list[list[str]]:
    """The documents of all pieces, in their order; words that occur again are the same objects."""
    same: dict[str, str] = {}
    return [
        [same.setdefault(word, word) for word in line.split()]
        for piece in pieces
        for line in zlib.decompress(piece).decode().split("\n")
    ]


def digest(documents: Iterable[Document]) -> str:
    """32 hexadecimal digits that the same documents have in any order."""
    lines = sorted(hashlib.blake2b(" ".join(document).encode(), digest_size=16).digest() for document in documents)
    return hashlib.blake2b(b"".join(lines), digest_size=16).hexdigest()
