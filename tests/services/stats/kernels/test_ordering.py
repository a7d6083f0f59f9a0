import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stats.kernels.ordering import count_inversions, list_inversions

ranks = st.lists(st.integers(0, 30), max_size=60).map(lambda values: np.array(values, dtype=np.int64))


def by_hand(values: np.ndarray) -> set[tuple[int, int]]:
    return {(i, j) for j in range(len(values)) for i in range(j) if values[i] > values[j]}


@given(ranks)
def test_counts_and_lists_every_pair_once(values: np.ndarray) -> None:
    expected = sorted(by_hand(values))
    assert count_inversions(values) == len(expected)
    first, second = np.empty((2, len(expected)), dtype=np.int64)
    assert list_inversions(values, np.arange(len(values)), first, second) == len(expected)
    assert sorted(zip(first.tolist(), second.tolist(), strict=True)) == expected


@pytest.mark.parametrize("n", [0, 1, 2, 1000])
def test_ends_of_the_range(n: int) -> None:
    assert count_inversions(np.arange(n)) == 0
    assert count_inversions(np.arange(n)[::-1].copy()) == n * (n - 1) // 2
