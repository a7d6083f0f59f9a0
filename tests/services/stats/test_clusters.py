import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import cophenet, fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.metrics import adjusted_rand_score, silhouette_score

from services.stats import clusters
from services.stats.clusters import Linkage, described, kmeans, silhouette, tree
from shared.errors import Unprocessable

LINKAGES: list[Linkage] = ["ward", "average", "complete", "single", "weighted"]


def groups(seed: int = 0, rows: int = 60) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.vstack([rng.normal(size=(rows // 3, 2)) + centre for centre in ([0, 0], [8, 0], [0, 8])])


def test_iris_in_three_is_as_published() -> None:
    # 78.85 is the least sum of squares known of iris in three (as of R's ?kmeans and MacQueen's followers)
    found = kmeans(load_iris().data, 3)
    assert found.inertia == pytest.approx(78.851441426146)
    assert found.sizes.tolist() == [62, 50, 38]
    assert found.centres[1] == pytest.approx([5.006, 3.428, 1.462, 0.246])


def test_kmeans_is_scikit_learn_s() -> None:
    x = groups()
    found, peer = kmeans(x, 3), KMeans(3, n_init=10, random_state=0).fit(x)
    assert found.inertia == pytest.approx(peer.inertia_)
    assert adjusted_rand_score(found.labels, peer.labels_) == 1.0
    assert found.labels.tolist()[::20] == [found.labels[0], found.labels[20], found.labels[40]]


@given(st.integers(0, 10_000))
def test_what_describes_clusters(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, names = rng.normal(size=(20, 2)) + 1e6, rng.integers(0, 4, 20)
    found = described(x, names)
    assert adjusted_rand_score(names, found.labels) == 1.0
    assert np.bincount(found.labels).tolist() == found.sizes.tolist()
    assert np.all(np.diff(found.sizes) <= 0)
    for k, centre in enumerate(found.centres):
        assert centre == pytest.approx(x[found.labels == k].mean(axis=0), rel=1e-14)
    assert found.inertia == pytest.approx(np.sum((x - found.centres[found.labels]) ** 2), rel=1e-6)


def test_neither_the_order_of_rows_nor_the_origin_matters() -> None:
    x, order = groups(), np.random.default_rng(1).permutation(60)
    found, other = kmeans(x, 4), kmeans(x[order] + 100, 4)
    assert np.array_equal(other.labels, found.labels[order])
    for each in LINKAGES:
        first, second = tree(x, each), tree(x[order], each)
        np.testing.assert_allclose(second.height, first.height, rtol=1e-12)
        ours, theirs = described(x, first.cut(5)), described(x[order], second.cut(5))
        assert np.array_equal(theirs.labels, ours.labels[order])


def test_a_unit_scales_distances_and_nothing_else() -> None:
    x = groups()
    assert np.array_equal(kmeans(x * 1024, 3).labels, kmeans(x, 3).labels)
    assert tree(x * 1024).height == pytest.approx(1024 * tree(x).height)


@pytest.mark.parametrize("each", LINKAGES)
def test_the_tree_is_scipy_s(each: Linkage) -> None:
    x = groups()
    found = tree(x, each)
    peer = linkage(x, each)
    np.testing.assert_allclose(found.height, peer[:, 2], rtol=1e-10)
    assert np.all(found.left < found.right)
    ours = np.column_stack([found.left, found.right, found.height, found.size]).astype(float)
    np.testing.assert_allclose(squareform(cophenet(ours)), squareform(cophenet(peer)), rtol=1e-10, atol=1e-12)
    for k in (1, 2, 3, 7, 60):
        assert len(np.unique(found.cut(k))) == k
        assert adjusted_rand_score(found.cut(k), fcluster(peer, k, "maxclust")) == 1.0
    for height in (0.0, 0.7, 3.0, 1e9):
        cut = found.cut(found.count(height))
        assert adjusted_rand_score(cut, fcluster(peer, height, "distance")) == 1.0


def test_ties_are_cut_into_as_many_as_asked_for() -> None:
    x = np.array([[0.0], [1.0], [2.0], [3.0], [3.0]])
    found = tree(x, "single")
    assert [len(np.unique(found.cut(k))) for k in range(1, 6)] == [1, 2, 3, 4, 5]
    assert found.size.tolist()[-1] == 5


def test_the_silhouette_is_scikit_learn_s(monkeypatch: pytest.MonkeyPatch) -> None:
    x = groups()
    labels = np.arange(60) // 20
    labels[59] = 3  # one alone
    expected = silhouette_score(x, labels)
    assert silhouette(x, labels) == pytest.approx(expected, rel=1e-12)
    monkeypatch.setattr(clusters, "_CHUNK", 100)
    assert silhouette(x, labels) == pytest.approx(expected, rel=1e-12)
    assert silhouette(x, np.zeros(60, dtype=np.int64)) is None
    monkeypatch.setattr(clusters, "SILHOUETTE_ROWS", 30)
    labels[59] = 2
    sampled = silhouette(x, labels, seed=1)
    order = np.random.default_rng(3).permutation(60)
    assert silhouette(x[order], labels[order], seed=1) == sampled
    assert sampled == pytest.approx(silhouette_score(x, labels), abs=0.05)


def test_rows_that_coincide() -> None:
    x = np.array([[1.0], [1.0], [2.0]])
    with pytest.raises(Unprocessable, match="/k is 3, but only 2 rows are distinct"):
        kmeans(x, 3)
    assert kmeans(x, 2).labels.tolist() == [0, 0, 1]
    assert silhouette(np.ones((4, 1)), np.array([0, 0, 1, 1])) == 0.0
