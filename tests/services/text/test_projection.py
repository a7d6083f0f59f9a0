import numpy as np
import pytest
from sklearn.manifold import trustworthiness
from sklearn.metrics import silhouette_score

from services.text.embedder import Vectors
from services.text.projection import Method, among, installed, on_plane, project
from shared.errors import DeadlinePassed
from tests.services.text.blobs import blobs


def test_pca_is_the_plane_of_largest_spread() -> None:
    vectors, _ = blobs([9, 8, 7], noise=0.2)
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    singular = np.linalg.svd(centred, compute_uv=False)
    points = project(vectors, "pca", seed=0).points
    np.testing.assert_allclose(np.linalg.norm(points, axis=0), singular[:2], rtol=1e-9)
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 3, 9])
@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_few_texts_have_a_plane_too(count: int, method: Method) -> None:
    found = project(blobs([count])[0], method, seed=0)
    assert found.method == "pca"
    assert found.points.shape == (count, 2)
    assert np.isfinite(found.points).all()
    assert bool(found.warnings) == (method == "tsne")


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_texts_all_alike_are_one_point(method: Method) -> None:
    found = project(np.repeat(blobs([1])[0], 12, axis=0), method, seed=0)
    assert found.points.tolist() == [[0, 0]] * 12


@pytest.mark.parametrize("count", [10, 40])
def test_tsne_keeps_neighbours_and_repeats_itself(count: int) -> None:
    vectors: Vectors = blobs([count // 2, count // 2], noise=0.3)[0]
    one, two = project(vectors, "tsne", seed=7), project(vectors, "tsne", seed=7)
    assert one.method == "tsne"
    assert np.array_equal(one.points, two.points)
    assert trustworthiness(vectors, one.points, n_neighbors=3, metric="cosine") > 0.8


def test_new_texts_fall_where_the_axes_put_them() -> None:
    vectors = blobs([9, 8, 7], noise=0.2)[0]
    found = project(vectors, "pca", seed=0)
    assert found.axes is not None
    np.testing.assert_allclose(on_plane(found.axes, vectors[5:9]), found.points[5:9], atol=1e-9)


@pytest.mark.parametrize("count", [10, 60])
def test_new_texts_are_drawn_to_their_own_kind_each_for_itself(count: int) -> None:
    vectors, truth = blobs([count // 2, count // 2], noise=0.1)
    points = project(vectors, "tsne", seed=1).points
    new, kinds = blobs([3, 2], seed=8, noise=0.1)
    placed = among(new, vectors, points, seed=1)
    assert np.array_equal(placed, among(new, vectors, points, seed=1))
    middles = np.stack([points[np.array(truth) == kind].mean(axis=0) for kind in (0, 1)])
    nearest = np.linalg.norm(placed[:, None] - middles, axis=2).argmin(axis=1)
    assert nearest.tolist() == kinds
    # Each alone ends where it ends among others: the others only share the rounding of a sum.
    np.testing.assert_allclose(among(new[3:4], vectors, points, seed=1), placed[3:4], rtol=1e-3, atol=1e-3)
    many = among(np.repeat(new, 60, axis=0), vectors, points, seed=1)
    np.testing.assert_allclose(many[::60], placed, rtol=1e-3, atol=1e-3)


def test_tsne_says_how_far_it_is_and_asks_whether_to_go_on() -> None:
    vectors = blobs([10, 10], noise=0.3)[0]
    shares: list[float] = []
    told = project(vectors, "tsne", 3, report=shares.append)
    assert shares == sorted(shares)
    assert (len(shares), shares[-1]) == (30, 1)
    assert np.array_equal(told.points, project(vectors, "tsne", 3).points)

    def gone() -> None:
        raise DeadlinePassed("late")

    with pytest.raises(DeadlinePassed):
        project(vectors, "tsne", 3, gone)


# Its package says at its import that TensorFlow, which it could use for something else, is not there.
@pytest.mark.filterwarnings("ignore:Tensorflow not installed:ImportWarning")
def test_umap_keeps_neighbours_and_repeats_itself() -> None:
    assert installed("umap")
    vectors, truth = blobs([12, 10], noise=0.2)
    one, two = project(vectors, "umap", seed=7), project(vectors, "umap", seed=7)
    assert one.method == "umap"
    assert np.array_equal(one.points, two.points)
    assert trustworthiness(vectors, one.points, n_neighbors=3, metric="cosine") > 0.8
    assert silhouette_score(one.points, truth) > 0.5
    assert project(vectors[:9], "umap", seed=7).warnings == [
        "UMAP needs at least 10 texts that differ; the projection is PCA's"
    ]
