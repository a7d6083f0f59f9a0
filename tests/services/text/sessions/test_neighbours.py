"""Neighbours and analogies."""

import numpy as np
import pytest

from services.text.sessions.itemvectors import ItemVectors
from services.text.sessions.neighbours import similar
from shared.errors import Unprocessable

ROWS = np.array([[1, 0, 0], [0.8, 0.6, 0], [0, 1, 0], [0, 0, 1], [0.6, 0, 0.8]], dtype=np.float32)
SPACE = ItemVectors(["a", "b", "c", "d", "e"], [5, 4, 3, 2, 1], ROWS)


def test_the_nearest_come_first_and_what_was_asked_for_is_not_among_them() -> None:
    found = similar(SPACE, ["a"], top=3)
    assert found.items == ["b", "e", "c"]
    assert found.cosines == pytest.approx([0.8, 0.6, 0.0])
    assert similar(SPACE, ["a", "a"], top=3) == found
    assert len(similar(SPACE, ["a", "b"], top=100).items) == 3


def test_an_analogy_adds_and_takes_away() -> None:
    found = similar(SPACE, ["a", "d"], ["c"], top=1)
    assert found.items == ["e"]
    assert found.cosines == pytest.approx([1.4 / np.sqrt(3)])


def test_unknown_items_are_named_where_they_stand() -> None:
    with pytest.raises(Unprocessable, match="'x' is not among the items") as refused:
        similar(SPACE, ["a", "x"], ["y"])
    assert [fault.pointer for fault in refused.value.errors] == ["/positive/1", "/negative/0"]


def test_items_that_cancel() -> None:
    with pytest.raises(Unprocessable, match="cancel each other"):
        similar(SPACE, ["a"], ["a"])
