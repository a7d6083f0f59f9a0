import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.text.clustering import NOISE, Options
from services.text.methods import cluster
from services.text.outliers import beyond, distances, limits
from tests.services.text.blobs import blobs, scattered


def test_distances_are_cosine_to_the_own_centre_and_of_noise_to_the_nearest() -> None:
    vectors = blobs([12, 9, 1], noise=0.02)[0]
    found = cluster(vectors, Options("hdbscan"))
    assert found.labels[-1] == NOISE
    expected = [1 - vectors[row].astype(float) @ found.centres[label] for row, label in enumerate(found.labels[:-1])]
    distance = distances(vectors, found.labels, found.centres)
    np.testing.assert_allclose(distance[:-1], expected, atol=1e-6)
    assert distance[-1] == pytest.approx(1 - (found.centres @ vectors[-1]).max(), abs=1e-6)


def test_limit_by_hand() -> None:
    found = cluster(blobs([6, 3], noise=0)[0], Options(k=2))
    # Median 3, deviations 2 1 0 0 1 6: their median is 1, in a normal distribution .6745 standard deviations.
    distance = np.array([1, 2, 3, 3, 4, 9, 9, 9, 9], dtype=float)
    bounds = limits(distance, found.labels, found.k)
    assert bounds[0] == pytest.approx(3 + 3.5 / 0.6745 * 1)
    assert bounds[1] == np.inf
    assert beyond(distance, found.labels, bounds) == [5]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_outliers_are_the_farthest_of_their_cluster(seed: int, k: int) -> None:
    vectors = scattered(40, seed=seed)
    found = cluster(vectors, Options(k=k))
    distance = distances(vectors, found.labels, found.centres)
    flagged = beyond(distance, found.labels, limits(distance, found.labels, found.k))
    for label in range(found.k):
        members = np.flatnonzero(found.labels == label)
        far = [row for row in members.tolist() if row in flagged]
        assert len(far) < max(1, len(members) / 2)
        assert set(far) == set(members[np.argsort(-distance[members], kind="stable")][: len(far)].tolist())


def test_without_clusters_there_is_no_distance_and_all_are_noise() -> None:
    vectors = scattered(4)
    found = cluster(vectors, Options("hdbscan", min_cluster_size=3))
    distance = distances(vectors, found.labels, found.centres)
    assert np.isnan(distance).all()
    assert beyond(distance, found.labels, limits(distance, found.labels, found.k)) == [0, 1, 2, 3]
