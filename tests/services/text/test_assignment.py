import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.text import packing
from services.text.assignment import Reference, assign, reference_of
from services.text.clustering import NOISE, Options
from services.text.embedder import Vectors
from services.text.grouping import Grouping, Selection, group
from services.text.packing import Kept, packed, unpacked
from services.text.projection import Method
from tests.services.text.blobs import blobs, scattered

METHODS = [
    Options(k=4),
    Options("agglomerative", 4),
    Options("agglomerative", 4, linkage="complete"),
    Options("gmm", 4),
    Options("gmm", 4, covariance="tied"),
    Options("hdbscan"),
]


def grouped(vectors: Vectors, options: Options, plane: Method | None = None) -> Grouping:
    indices = list(range(len(vectors)))
    return group(Selection(indices, ["a text"] * len(vectors)), vectors, options=options, plane=plane)


def referred(vectors: Vectors, options: Options, plane: Method | None = None) -> tuple[Reference, Grouping]:
    found = grouped(vectors, options, plane)
    return reference_of(options.method, options.seed, vectors, found), found


def again(reference: Reference) -> Reference:
    kept = unpacked(packed(Kept("1", 2, b"{}", reference)))
    assert kept is not None
    assert (kept.version, kept.min_words, kept.answer) == ("1", 2, b"{}")
    return kept.reference


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(METHODS), st.integers(0, 2**32 - 1), st.sampled_from([0.1, 0.5, 2.0]))
def test_texts_that_were_grouped_are_assigned_their_own_labels(options: Options, seed: int, noise: float) -> None:
    vectors = blobs([20, 15, 10], seed=seed, noise=noise)[0]
    reference, found = referred(vectors, options)
    for kept in (reference, again(reference)):
        assigned = assign(kept, vectors)
        assert assigned.labels.tolist() == found.clustering.labels.tolist()
        np.testing.assert_allclose(assigned.distance, found.distance, atol=1e-6)
        assert assigned.outliers == found.outliers
        assert (assigned.probability is None) == (options.method != "gmm")
        if assigned.probability is not None:
            assert found.clustering.probability is not None
            np.testing.assert_allclose(assigned.probability, found.clustering.probability, atol=1e-9)


@pytest.mark.parametrize("options", METHODS, ids=str)
def test_new_texts_find_their_kind(options: Options) -> None:
    reference, _ = referred(blobs([20, 15, 10])[0], Options(options.method, 3 if options.k != "auto" else "auto"))
    new, kinds = blobs([3, 2, 4], seed=5)
    assert assign(reference, new).labels.tolist() == kinds


def test_what_is_far_from_everything_is_an_outlier() -> None:
    reference, _ = referred(blobs([20, 15, 10])[0], Options(k=3))
    assert assign(reference, scattered(1, seed=3)).outliers == [0]
    assert assign(reference, blobs([1, 1, 1], noise=0.01)[0]).outliers == []


def test_hdbscan_gives_noise_to_what_is_nearest_to_noise() -> None:
    vectors = blobs([30, 25, 1, 1], noise=0.02)[0]
    reference, found = referred(vectors, Options("hdbscan", min_cluster_size=10))
    assert found.clustering.labels[-2:].tolist() == [NOISE, NOISE]
    assert assign(reference, vectors[[0, 56]]).labels.tolist() == [0, NOISE]


@pytest.mark.parametrize("options", [Options(k=1), Options("agglomerative", 1), Options("gmm", 1)], ids=str)
def test_texts_all_alike_can_be_assigned_to(options: Options) -> None:
    vectors = np.repeat(blobs([1])[0], 6, axis=0)
    reference, _ = referred(vectors, options, "pca")
    assigned = assign(again(reference), vectors[:2])
    assert assigned.labels.tolist() == [0, 0]
    assert assigned.points is not None
    assert assigned.points.tolist() == [[0, 0], [0, 0]]


def test_points_are_those_of_the_plane() -> None:
    vectors = blobs([20, 15, 10], noise=0.3)[0]
    reference, found = referred(vectors, Options(k=3), "pca")
    assert found.projection is not None
    points = assign(again(reference), vectors).points
    assert points is not None
    np.testing.assert_allclose(points, found.projection.points, atol=1e-9)
    assert assign(reference, vectors, draw=False).points is None
    assert reference.vectors is None
    drawn, _ = referred(vectors, Options(k=3), "tsne")
    placed = assign(again(drawn), vectors[:2]).points
    assert placed is not None
    assert np.isfinite(placed).all()
    none, _ = referred(vectors, Options(k=3))
    assert assign(none, vectors).points is None


def test_what_another_release_packed_is_not_read() -> None:
    reference, _ = referred(blobs([5, 4])[0], Options(k=2))
    assert unpacked(packed(Kept("1", 1, b"{}", reference), release=packing.FORMAT + 1)) is None
