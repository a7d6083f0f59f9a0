import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.speed.order import grey_percentiles, median, percentiles

NUMBERS = arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e6, 1e6))
GREYS = arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)))
PERCENTS = st.lists(st.floats(0, 100), min_size=1, max_size=3)


@given(NUMBERS)
def test_the_median_is_numpys(values: np.ndarray) -> None:
    assert median(values) == np.median(values)


@given(NUMBERS, PERCENTS)
def test_percentiles_are_numpys(values: np.ndarray, percents: list[float]) -> None:
    """Both interpolate between two neighbours; in which order they add is left to either."""
    wanted = np.percentile(values, percents)
    np.testing.assert_allclose(percentiles(values, percents), wanted, rtol=1e-12, atol=1e-9)


@given(GREYS, PERCENTS)
def test_percentiles_of_grey_levels_are_numpys(levels: np.ndarray, percents: list[float]) -> None:
    wanted = np.percentile(levels, percents)
    np.testing.assert_allclose(grey_percentiles(levels, percents), wanted, rtol=1e-12, atol=1e-9)


def test_the_values_are_left_as_they_were() -> None:
    values = np.array([3.0, 1.0, 2.0])
    assert (median(values), percentiles(values, [0, 100])) == (2.0, [1.0, 3.0])
    assert values.tolist() == [3.0, 1.0, 2.0]
