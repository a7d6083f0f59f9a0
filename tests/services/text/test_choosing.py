import numpy as np
import pytest

from services.text.choosing import best_of, candidates
from services.text.clustering import CurvePoint


def points(*values: float, first: int = 2) -> list[CurvePoint]:
    return [CurvePoint(first + place, value, 0.5) for place, value in enumerate(values)]


def mixtures(*values: float) -> list[CurvePoint]:
    return [CurvePoint(1 + place, None, None, value) for place, value in enumerate(values)]


@pytest.mark.parametrize(
    ("largest", "ks"),
    [
        (1, []),
        (2, [2]),
        (4, [2, 3, 4]),
        (11, [*range(2, 11), 11]),
        (28, [*range(2, 11), *range(12, 29, 2)]),
        (60, [*range(2, 11), *range(12, 29, 2), 35, 43, 53, 60]),
    ],
)
def test_candidates_grow_in_steps(largest: int, ks: list[int]) -> None:
    assert candidates(largest) == [k for k in ks if k <= largest and (largest != 11 or k != 11)]


def test_a_peak_is_taken_without_a_word() -> None:
    assert best_of(points(0.3, 0.6, 0.4, 0.2)) == (1, [])


def test_of_equals_the_smaller_is_taken() -> None:
    assert best_of(points(0.3, 0.6, 0.6, 0.2))[0] == 1


@pytest.mark.parametrize("values", [(0.07, 0.09, 0.08), (0.5, 0.52, 0.51), (0.0, 0.2, 0.1)])
def test_flat_and_low_curves_are_admitted(values: tuple[float, ...]) -> None:
    chosen, (warning,) = best_of(points(*values))
    assert chosen == 1
    assert warning.startswith("no k stands out: k = 3 has the highest silhouette")
    assert "stability of 0.50" in warning


def test_a_curve_that_still_rises_is_admitted() -> None:
    assert "there may be more groups" in best_of(points(0.3, 0.4, 0.5))[1][0]
    assert "there may be more groups" in best_of(mixtures(500, 400, 300))[1][0]


def test_the_lowest_bic_is_taken_and_those_as_near_are_named() -> None:
    assert best_of(mixtures(500, 300, 400)) == (1, [])
    chosen, (warning,) = best_of(mixtures(500, 305, 300, 309, 400))
    assert chosen == 2
    assert warning.endswith("differs by 10 or less: 2, 3, 4")
    assert "one cluster" in best_of(mixtures(100, 200, 300))[1][0]
    assert np.argmin([300, 200, 250]) == best_of(mixtures(300, 200, 250))[0]
