"""What the Kalman part compares does the same work."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.checks import WrongAnswer
from benchmarks.measure import Rule
from benchmarks.parts import kalman


def test_every_row_is_measured_beside_its_peer() -> None:
    rows = list(kalman.rows(Path(), Rule(0.02, 1, 0.5)))
    assert [row.missing for row in rows] == [""] * 4
    assert all(row.value > 1 for row in rows)
    assert [row.goal.value if row.goal else None for row in rows] == [1000, None, 50, None]


def test_another_answer_ends_it() -> None:
    with pytest.raises(WrongAnswer, match="filterpy finds something else"):
        kalman.agree("filterpy", np.array([1.0, 2.0]), np.array([1.0, 2.00001]))
