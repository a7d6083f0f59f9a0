"""The distribution of Kendall's score over all orders of n different values."""

import math
from functools import lru_cache


def exact_tail(n: int, s: int) -> float:
    """P(S >= s) under no trend for n untied points, from the count of permutations by their inversions."""
    counts = _inversion_counts(n)
    pairs = n * (n - 1) // 2
    # S = pairs - 2 inversions
    most = (pairs - s) // 2
    return sum(counts[: most + 1]) / math.factorial(n) if most >= 0 else 0.0


@lru_cache(maxsize=64)
def _inversion_counts(n: int) -> list[int]:
    """How many orders of n values have 0, 1, 2, ... inversions (the Mahonian numbers)."""
    counts = [1]
    for m in range(2, n + 1):
        padded = [*counts, *[0] * (m - 1)]
        running, grown = 0, []
        for k, value in enumerate(padded):
            running += value - (counts[k - m] if 0 <= k - m < len(counts) else 0)
            grown.append(running)
        counts = grown
    return counts
