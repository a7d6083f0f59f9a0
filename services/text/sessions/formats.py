"""Item vectors as bytes: to be kept, and in the text format of word2vec."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import numpy as np
import orjson

from services.text.sessions.itemvectors import ItemVectors

ROWS = 1000
"""So many rows are printed at a time."""
_BLANK = re.compile(r"[\s%]")


def packed(space: ItemVectors, facts: dict[str, Any]) -> bytes:
    header = {
        "facts": facts,
        "items": space.items,
        "counts": space.counts,
        "method": space.method,
        "dimensions": space.vectors.shape[1],
    }
    return orjson.dumps(header) + b"\n" + space.vectors.astype("<f4").tobytes()


def unpacked(content: bytes) -> tuple[ItemVectors, dict[str, Any]]:
    header, _, numbers = content.partition(b"\n")
    read = orjson.loads(header)
    vectors = np.frombuffer(numbers, dtype="<f4").reshape(len(read["items"]), read["dimensions"])
    return ItemVectors(read["items"], read["counts"], vectors.astype(np.float32), read["method"]), read["facts"]


def word2vec_text(space: ItemVectors) -> Iterator[bytes]:
    """`ITEMS DIMENSIONS`, then a line an item: its name, its numbers. What is blank in a name, and the percent sign, is
    percent-encoded, since a blank ends it."""
    yield b"%d %d\n" % space.vectors.shape
    for start in range(0, len(space.items), ROWS):
        rows = orjson.dumps(space.vectors[start : start + ROWS], option=orjson.OPT_SERIALIZE_NUMPY)[2:-2].split(b"],[")
        names = (_BLANK.sub(lambda blank: quote(blank[0]), item) for item in space.items[start : start + ROWS])
        yield b"".join(
            b"%b %b\n" % (name.encode(), row.replace(b",", b" ")) for name, row in zip(names, rows, strict=True)
        )
