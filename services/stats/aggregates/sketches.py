"""Quantiles and distinct counts by Apache DataSketches, whose summaries are bytes.

Its readers trust those bytes: damaged ones can bring the process down. So every byte that comes from outside is checked
here against the published layouts (KLL, serial version 1; Theta, serial version 3, compact and ordered) first.
"""

import base64
import binascii
from itertools import pairwise
from typing import Any

import numpy as np
from datasketches import compact_theta_sketch, kll_doubles_sketch, theta_union, update_theta_sketch

from services.stats.aggregates.aggregator import MOST_ROWS, Document, StateFault
from services.stats.leastsquares import FloatArray

K = 400
"""Of the KLL sketch: 0.68 % of rank error."""
LG_K = 12
"""Of the Theta sketch: 4,096 values are counted exactly, more with a relative standard error of 1.6 %."""
RANKS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)

_KLL_HEAD = bytes([5, 1, 15])
_KLL_ONE = bytes([2, 2, 15])
_KLL_SMALLEST = 8
_KLL_LEVELS = 31
_THETA_SEED = bytes.fromhex("cc93")
_THETA_ALL = 2**63 - 1


class Quantiles:
    """A KLL sketch (Karnin, Lang and Liberty, 2016). With a probability of 99 % the rank of each value that is given is
    within `rank_error` of the rank asked for. Up to a few hundred values are all kept: then it is exact."""

    zero: bytes = kll_doubles_sketch(K).serialize()

    def prepare(self, values: FloatArray) -> bytes:
        sketch = kll_doubles_sketch(K)
        sketch.update(np.ascontiguousarray(values + 0.0))
        return bytes(sketch.serialize())

    def merge(self, a: bytes, b: bytes) -> bytes:
        if self.zero in (a, b):
            return a if b == self.zero else b
        sketch = kll_doubles_sketch.deserialize(a)
        sketch.merge(kll_doubles_sketch.deserialize(b))
        return bytes(sketch.serialize())

    def present(self, summary: bytes) -> dict[str, Any]:
        sketch = kll_doubles_sketch.deserialize(summary)
        error = sketch.normalized_rank_error(False) if sketch.is_estimation_mode() else 0.0
        values = [None] * len(RANKS) if sketch.is_empty() else list(sketch.get_quantiles(RANKS))
        return {"n": sketch.n, "rank": list(RANKS), "value": values, "rank_error": error}

    def dump(self, summary: bytes) -> Document:
        return base64.b64encode(summary).decode()

    def load(self, document: Document) -> bytes:
        content = _bytes(document)
        if content != self.zero and not _is_single(content):
            _check_kll(content)
        return content


class Distinct:
    """A Theta sketch (Dasgupta, Lang, Rhodes and Thaler, 2015): a semilattice, so that a value counts once however
    often and wherever it was seen; the summary depends on the set of values alone. `low` and `high` bound the number
    with a probability of 95 %."""

    zero: bytes = update_theta_sketch(LG_K).compact().serialize()

    def prepare(self, values: FloatArray) -> bytes:
        sketch = update_theta_sketch(LG_K)
        for value in np.unique(values + 0.0).tolist():
            sketch.update(value)
        sketch.trim()
        return bytes(sketch.compact().serialize())

    def merge(self, a: bytes, b: bytes) -> bytes:
        union = theta_union(LG_K)
        for each in (a, b):
            union.update(compact_theta_sketch.deserialize(each))
        return bytes(union.get_result().serialize())

    def present(self, summary: bytes) -> dict[str, Any]:
        sketch = compact_theta_sketch.deserialize(summary)
        return {
            "estimate": sketch.get_estimate(),
            "low": sketch.get_lower_bound(2),
            "high": sketch.get_upper_bound(2),
            "exact": not sketch.is_estimation_mode(),
        }

    def dump(self, summary: bytes) -> Document:
        return base64.b64encode(summary).decode()

    def load(self, document: Document) -> bytes:
        content = _bytes(document)
        if content != self.zero:
            _check_theta(content)
        return content


def _bytes(document: Document) -> bytes:
    try:
        content = base64.b64decode(document, validate=True) if isinstance(document, str) else b""
    except (binascii.Error, ValueError):
        content = b""
    if len(content) < 8:
        raise StateFault("must be a sketch in base64")
    return content


def _is_single(content: bytes) -> bool:
    """One value: K, the smallest level's size, nothing, the value."""
    return (
        len(content) == 16
        and content[:3] == _KLL_ONE
        and content[3] in (4, 6)
        and content[4:8] == K.to_bytes(2, "little") + bytes([_KLL_SMALLEST, 0])
        and bool(np.isfinite(np.frombuffer(content, "<f8", 1, 8)[0]))
    )


def _check_kll(content: bytes) -> None:
    """Layout: 5, 1, 15, flags, k (2 bytes), m, 0 | n (8) | smallest k (2), levels, 0 | where each level begins (4 each)
    | least, greatest | the values, those of level i weighing 2^i and sorted from level 1 on."""
    levels = content[18] if len(content) > 20 else 0
    start = 20 + 4 * levels + 16
    rest = len(content) - start
    head = content[:3] == _KLL_HEAD and content[3] in (0, 2) and content[6:8] == bytes([_KLL_SMALLEST, 0])
    sizes = content[4:6] == content[16:18] == K.to_bytes(2, "little") and 1 <= levels <= _KLL_LEVELS
    if not (head and sizes and content[19] == 0 and rest > 0 and rest % 8 == 0):
        raise StateFault(f"is no KLL sketch of doubles with k = {K}")
    ends = [*np.frombuffer(content, "<u4", levels, 20).tolist(), _kll_capacity(levels)]
    counts = np.diff(ends)
    least, greatest, *values = np.frombuffer(content, "<f8", 2 + rest // 8, start - 16).tolist()
    n = int.from_bytes(content[8:16], "little")
    weighed = sum(count << level for level, count in enumerate(counts.tolist()))
    if counts.min() < 0 or counts.sum() != len(values) or not 2 <= n == weighed <= MOST_ROWS:
        raise StateFault("is damaged: its levels do not make up its number of values")
    if not (np.isfinite([least, greatest]).all() and all(least <= value <= greatest for value in values)):
        raise StateFault("is damaged: a value is not between the least and the greatest")
    sections = [values[a - ends[0] : b - ends[0]] for a, b in pairwise(ends)]
    if any(section != sorted(section) for section in sections[0 if content[3] == 2 else 1 :]):
        raise StateFault("is damaged: its values are not in order")


def _kll_capacity(levels: int) -> int:
    """The sum of max(m, k (2/3)^depth, rounded), depth counted down from the highest level."""
    return sum(max(_KLL_SMALLEST, ((K << 1 << depth) // 3**depth + 1) >> 1) for depth in range(levels))


def _check_theta(content: bytes) -> None:
    """Layout: longs before the hashes, 3, 3, 0, 0, flags, seed (2) | count (4), 0 (4) | theta (8) | hashes (8 each);
    of one value without count and theta, of all values without theta."""
    longs, flags = content[0], content[5]
    right = content[1:5] == bytes([3, 3, 0, 0]) and content[6:8] == _THETA_SEED and 1 <= longs <= 3
    if not right or flags != 0x1A or len(content) % 8 or len(content) <= 8 * longs:
        raise StateFault("is no compact ordered Theta sketch")
    words = np.frombuffer(content, "<u8")
    count = 1 if longs == 1 else int(words[1])
    theta = int(words[2]) if longs == 3 else _THETA_ALL
    hashes = words[longs:]
    if len(hashes) != count or not 1 <= count <= 1 << LG_K or not 0 < theta <= _THETA_ALL:
        raise StateFault("is damaged: its number of hashes is not what it says")
    if longs == 3 and count < 1 << LG_K:
        raise StateFault(f"is a Theta sketch of another size; {1 << LG_K:,} hashes are kept here")
    if int(hashes[0]) == 0 or int(hashes[-1]) >= theta or (hashes[1:] <= hashes[:-1]).any():
        raise StateFault("is damaged: its hashes are not in order")
