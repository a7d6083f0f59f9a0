from dataclasses import replace
from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.load import Outcome, merged, percentile

NOTHING = Outcome(1.0, 2, [], [], {}, 0, 0, 0, 0.0, 0, [], 0, 0)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.1, 100))
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(values: list[float], percent: float) -> None:
    found = percentile(values, percent)
    needed = percent / 100 * len(values)
    assert found in values
    assert sum(value <= found for value in values) >= needed - 1e-9
    assert sum(value < found for value in values) < needed + 1e-9


def test_percentiles_by_hand() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, percent) for percent in (1, 50, 99, 100)] == [1, 50, 99, 100]
    assert percentile([7.0], 99) == 7
    assert isnan(percentile([], 50))


def test_windows_put_together_keep_every_latency() -> None:
    first = replace(NOTHING, seconds=1.0, accepted_s=[0.1] * 10, statuses={200: 10, 503: 1}, busy=0.2, errors=1)
    second = replace(NOTHING, seconds=3.0, accepted_s=[0.2] * 10, statuses={200: 10, 500: 2}, busy=0.4, next_body=9)
    both = merged([first, second])
    assert (both.accepted_ms(50), both.accepted_ms(51)) == pytest.approx((100, 200))
    assert (both.rate, both.statuses, both.failed) == (5.0, {200: 20, 503: 1, 500: 2}, 3)
    assert both.busy == pytest.approx(0.35)
    assert both.next_body == 9


def test_few_answers_count_by_their_latency_many_by_their_number() -> None:
    few = replace(NOTHING, accepted_s=[0.5] * 3)
    assert few.best_rate == few.steady_rate == pytest.approx(4)
    many = replace(NOTHING, accepted_s=[0.5] * 40)
    assert many.best_rate == many.rate == 40
    refused = replace(few, refused_s=[0.001])
    assert refused.best_rate == refused.rate == 3
