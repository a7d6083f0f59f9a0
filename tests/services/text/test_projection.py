import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from services.text.embedder import Vectors
from services.text.projection import Method, pca, project
from tests.services.text.blobs import blobs


def test_pca_is_the_plane_of_largest_spread() -> None:
    vectors, _ = blobs([9, 8, 7], noise=0.2)
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    singular = np.linalg.svd(centred, compute_uv=False)
    points = pca(vectors)
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
