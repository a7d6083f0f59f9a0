import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stats.inversions import count_inversions, list_inversions

ranks = st.lists(st.integers(0, 30), max_size=60).map(lambda values: np.array(values, dtype=np.int64))


def by_hand(values: np.ndarray) -> set[tuple[int, int]]:
    return {(i, j) for j in range(len(values)) for i in range(j) if values[i] > values[j]}


@given(ranks, st.integers(1, 50))
def test_counts_and_lists_every_pair_once(values: np.ndarray, block: int) -> None:
    listed = [
        (int(i), int(j)) for first, second in list_inversions(values, block) for i, j in zip(first, second, strict=True)
    ]
    assert sorted(listed) == sorted(by_hand(values))
    assert count_inversions(values) == len(listed)


@pytest.mark.parametrize("n", [0, 1, 2, 1000])
def test_ends_of_the_range(n: int) -> None:
    assert count_inversions(np.arange(n)) == 0
    assert count_inversions(np.arange(n)[::-1]) == n * (n - 1) // 2


def test_blocks_stay_small() -> None:
    values = np.random.default_rng(0).permutation(2000)
    sizes = [len(first) for first, _ in list_inversions(values, 5000)]
    assert max(sizes) <= 5000
    assert sum(sizes) == count_inversions(values)
