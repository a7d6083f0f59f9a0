import itertools
from dataclasses import replace
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.measure import Goal, Row, Rule, paired, repeated, spread

ROW = Row("part", "name", 0.5, "ratio", "other", Goal(0.6))


@given(st.lists(st.floats(1, 100), max_size=12), st.integers(1, 10), st.floats(0, 0.5))
def test_windows_end_when_three_agree_or_at_the_most(values: list[float], at_most: int, within: float) -> None:
    rule = Rule(1.0, at_most, within)
    supply = iter(values + [50.0] * 20)
    found, stable = repeated(lambda: next(supply), rule)
    assert len(found) <= at_most
    assert stable or len(found) == at_most
    if stable:
        assert len(found) >= 3
        last = found[-3:]
        assert max(abs(value - fmean(last)) for value in last) <= within * fmean(last) + 1e-9
    assert not any(rule.met(found[:end]) for end in range(3, len(found)))


def test_values_far_from_their_mean_do_not_agree() -> None:
    rule = Rule(within=0.05)
    assert rule.met([100, 104, 98])
    assert not rule.met([100, 110, 90])
    assert rule.met([1, 1000, 100, 104, 98])
    assert not rule.met([100, 100])


def test_a_machine_that_drifts_drifts_for_both() -> None:
    pace = (calls // 2 + 1 for calls in itertools.count())
    found = paired(lambda: 50.0 * next(pace), lambda: 100.0 * next(pace), Rule())
    assert spread(found.ratios) == (0.5, 0.5, 0.5)
    assert found.stable
    assert len(found.pairs) == 3


def test_the_first_round_is_not_counted() -> None:
    ours, reference = iter([1e9, 2.0, 2.0, 2.0]), iter([1e-9, 4.0, 4.0, 4.0])
    found = paired(lambda: next(ours), lambda: next(reference), Rule())
    assert (found.ours, found.reference, found.ratios, found.differences) == (2.0, 4.0, [0.5] * 3, [-2.0] * 3)


@pytest.mark.parametrize(
    ("goal", "value", "reached"),
    [(Goal(0.5), 0.5, True), (Goal(0.5), 0.49, False), (Goal(3, at_most=True), 3.0, True), (None, 1.0, None)],
)
def test_a_goal_is_a_least_or_a_most(goal: Goal | None, value: float, reached: bool | None) -> None:
    assert replace(ROW, goal=goal, value=value).reached is reached


def test_what_was_not_measured_neither_reaches_nor_misses() -> None:
    assert replace(ROW, missing="not installed").reached is None
