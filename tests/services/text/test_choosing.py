from collections.abc import Callable
from itertools import combinations
from operator import and_

import numpy as np
import pytest

from services.text.choosing import Fit, best_of, candidates, curve
from services.text.clustering import CurvePoint, Labels, silhouette
from services.text.embedder import Vectors
from tests.services.text.blobs import scattered


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
        (11, [*range(2, 11)]),
        (28, [*range(2, 11), *range(12, 29, 2)]),
        (60, [*range(2, 11), *range(12, 29, 2), 35, 43, 53, 60]),
    ],
)
def test_candidates_grow_in_steps(largest: int, ks: list[int]) -> None:
    assert candidates(largest) == ks


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


def rand_index(one: Labels, other: Labels) -> float:
    """Adjusted for chance, by counting pairs (Hubert and Arabie 1985)."""
    together = [one[i] == one[j] for i, j in combinations(range(len(one)), 2)]
    again = [other[i] == other[j] for i, j in combinations(range(len(one)), 2)]
    both, first, second = sum(map(and_, together, again)), sum(together), sum(again)
    expected = first * second / len(together)
    return float((both - expected) / ((first + second) / 2 - expected))


def test_stability_is_the_mean_rand_index_of_groups_found_anew_in_samples() -> None:
    vectors = scattered(30, seed=2)
    asked: list[Vectors] = []

    def prepare(rows: Vectors, sample: bool) -> Callable[[int], Fit]:
        assert sample == bool(asked)
        asked.append(rows)
        return lambda k: Fit(fit(rows, k))

    def fit(rows: Vectors, k: int) -> Labels:
        # Of all texts by one coordinate and of samples by another, so that they agree in part.
        column = rows[:, 0] if len(rows) == len(vectors) else rows[:, 0] + rows[:, 1] / 2
        return np.minimum((column + 1) * k / 2, k - 1).astype(np.int64)

    points, fits = curve(vectors, [2, 3], prepare, 5, lambda: None, lambda _: None)
    assert [len(rows) for rows in asked] == [30, *[24] * 5]
    for point, found in zip(points, fits, strict=True):
        scores = []
        for rows in asked[1:]:
            chosen = [int(np.flatnonzero((vectors == row).all(axis=1))[0]) for row in rows]
            assert len(set(chosen)) == 24
            scores.append(rand_index(found.labels[chosen], fit(rows, point.k)))
        assert 0.1 < np.mean(scores) < 0.99
        assert point.stability == pytest.approx(np.mean(scores))
        assert point.silhouette == silhouette(vectors, found.labels)
