import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from services.stats.products import ranks

cells = st.one_of(st.integers(0, 4).map(float), st.just(float("nan")))


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=12))
def test_ranks_are_those_of_scipy(rows: list[tuple[float, float]]) -> None:
    table = np.array(rows)
    expected = np.nan_to_num(rankdata(table, axis=0, nan_policy="omit"))
    assert np.array_equal(ranks(table), expected)
