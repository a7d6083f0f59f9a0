import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stats.kernels.selection import order_statistics

numbers = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e300, 1e300))


@given(st.lists(numbers, min_size=1, max_size=300), st.data())
def test_order_statistics_are_those_of_the_sorted(values: list[float], data: st.DataObject) -> None:
    place = st.integers(0, len(values) - 1)
    ranks = sorted(data.draw(st.lists(place, min_size=1, max_size=4)))
    ordered = np.sort(values)
    assert order_statistics(np.array(values), np.array(ranks)).tolist() == ordered[ranks].tolist()


@pytest.mark.parametrize("count", [41, 5000, 200_000])
def test_of_values_that_share_a_bin(count: int) -> None:
    rng = np.random.default_rng(count)
    every: list[np.ndarray] = [
        rng.standard_cauchy(count) ** 7,
        rng.integers(0, 2, count) * 1.0,
        np.r_[1e300, rng.normal(size=count)],
    ]
    for values in every:
        ranks = np.array([0, count // 3, count // 2, count - 1])
        assert order_statistics(values, ranks).tolist() == np.sort(values)[ranks].tolist()
