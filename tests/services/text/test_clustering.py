import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score, silhouette_score

from services.text.clustering import NOISE, Options, centres_of, renamed, representatives, silhouette, sizes_first
from services.text.methods import cluster
from tests.services.text.blobs import blobs, scattered


@given(st.lists(st.integers(-1, 5), min_size=1, max_size=40))
def test_renaming_by_size_keeps_the_groups_and_the_noise(names: list[int]) -> None:
    labels = np.array(names)
    found = renamed(labels, sizes_first(labels))
    assert adjusted_rand_score(labels, found) == 1
    assert ((labels == NOISE) == (found == NOISE)).all()
    sizes = np.bincount(found[found >= 0]).tolist()
    assert sizes == sorted(sizes, reverse=True)
    assert not sizes or min(sizes) > 0


@settings(max_examples=30, deadline=None)
@given(st.integers(4, 700), st.integers(2, 9), st.integers(0, 2**32 - 1))
def test_silhouette_is_that_of_all_pairs(count: int, k: int, seed: int) -> None:
    vectors = scattered(count, seed=seed)
    labels = np.random.default_rng(seed).integers(0, k, count)
    names = len(np.unique(labels))
    found = silhouette(vectors, labels)
    if not 2 <= names < count:
        assert found is None
    else:
        # sklearn adds up float32 distances of float32 rows, whose last digit is 6e-8.
        assert found == pytest.approx(silhouette_score(vectors, labels, metric="cosine"), abs=2e-6)


def test_silhouette_leaves_noise_out() -> None:
    vectors, truth = blobs([6, 6, 4])
    labels = np.array(truth)
    with_noise = np.where(np.arange(16) % 4 == 0, NOISE, labels)
    kept = with_noise != NOISE
    assert silhouette(vectors, with_noise) == pytest.approx(silhouette(vectors[kept], labels[kept]))
    assert silhouette(vectors, np.full(16, NOISE)) is None


def test_silhouette_of_equal_rows_in_two_clusters_is_zero() -> None:
    vectors = np.repeat(scattered(1), 4, axis=0)
    assert silhouette(vectors, np.array([0, 0, 1, 1])) == pytest.approx(0, abs=1e-6)


def test_centres_are_the_directions_of_the_means() -> None:
    vectors, truth = blobs([5, 3], noise=0.3)
    centres = centres_of(vectors, np.array(truth), 2)
    for label in (0, 1):
        mean = vectors[np.array(truth) == label].mean(axis=0)
        np.testing.assert_allclose(centres[label], mean / np.linalg.norm(mean), atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_representatives_are_the_nearest_members(k: int, seed: int) -> None:
    vectors, _ = blobs([8, 6, 5], noise=0.4)
    found = cluster(vectors, Options(k=k, seed=seed))
    for label, rows in enumerate(representatives(vectors, found)):
        members = np.flatnonzero(found.labels == label)
        similarity = vectors @ found.centres[label]
        assert set(rows) <= set(members.tolist())
        assert len(rows) == min(3, len(members))
        assert similarity[rows].min() >= np.sort(similarity[members])[-len(rows)] - 1e-5
