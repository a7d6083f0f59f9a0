import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.text.themes import MOST_SPEAKERS, by_speaker, over_time


def test_bins_hold_their_start_and_the_last_its_end() -> None:
    found = over_time(np.array([0, 0, 1, 1, 0, -1, 1]), [0, 2.5, 2.5, 9.9, 10, 5, None], 2, 4)
    assert found is not None
    assert found.start_s == [0, 2.5, 5, 7.5]
    assert found.end_s == [2.5, 5, 7.5, 10]
    assert found.counts == [[1, 1, 0, 1], [0, 1, 0, 1]]


def test_one_time_is_one_bin_and_none_is_no_answer() -> None:
    found = over_time(np.array([0, 1]), [3, 3], 2, 5)
    assert found is not None
    assert (found.start_s, found.end_s, found.counts) == ([3], [3], [[1], [1]])
    assert over_time(np.array([0, 1]), [None, None], 2, 5) is None


@given(st.lists(st.tuples(st.integers(-1, 3), st.none() | st.floats(-1e12, 1e12)), min_size=1), st.integers(1, 200))
def test_every_text_with_a_time_and_a_cluster_is_counted_once(rows: list[tuple[int, float | None]], bins: int) -> None:
    labels, seconds = np.array([label for label, _ in rows]), [time for _, time in rows]
    found = over_time(labels, seconds, 4, bins)
    if found is None:
        assert all(time is None for time in seconds)
    else:
        for label, counts in enumerate(found.counts):
            assert sum(counts) == sum(each == label and time is not None for each, time in rows)
            assert min(counts) >= 0


def test_speakers_stand_in_the_order_of_their_first_words() -> None:
    found = by_speaker(np.array([1, 0, 0, -1, 0]), ["Bob", "Ann", None, "Cy", "Bob"], 2)
    assert found is not None
    assert found.speakers == ["Bob", "Ann", "Cy"]
    assert found.counts == [[1, 1, 0], [1, 0, 0]]
    assert by_speaker(np.array([0]), [None], 1) is None


def test_of_many_speakers_those_who_speak_most_are_counted() -> None:
    names = [f"speaker {number}" for number in range(MOST_SPEAKERS + 5)]
    found = by_speaker(np.zeros(2 * len(names) - 5, dtype=int), [*names, *names[5:]], 1)
    assert found is not None
    assert found.speakers == names[5:]
    assert found.counts == [[2] * MOST_SPEAKERS]


def test_a_clustering_of_noise_alone_has_no_rows() -> None:
    found = over_time(np.array([-1, -1]), [0, 1], 0, 3)
    assert found is not None
    assert found.counts == []
    assert found.start_s == pytest.approx([0, 1 / 3, 2 / 3])
