import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

from services.text.hierarchy import Linkage, grow
from shared.errors import DeadlinePassed
from tests.services.text.blobs import blobs, scattered

LINKAGES: list[Linkage] = ["ward", "average", "complete", "single"]


@pytest.mark.parametrize("linkage", LINKAGES)
def test_cuts_are_those_of_another_implementation(linkage: Linkage) -> None:
    vectors = scattered(300, seed=4)
    tree = grow(vectors, linkage)
    metric = "euclidean" if linkage == "ward" else "cosine"
    for k in (1, 2, 7, 50, 300):
        other = AgglomerativeClustering(k, linkage=linkage, metric=metric).fit(vectors)
        assert adjusted_rand_score(other.labels_, tree.cut(k)) == 1


@pytest.mark.parametrize("linkage", LINKAGES)
def test_heights_are_those_of_another_implementation(linkage: Linkage) -> None:
    vectors = scattered(60, seed=5)
    metric = "euclidean" if linkage == "ward" else "cosine"
    other = AgglomerativeClustering(1, linkage=linkage, metric=metric, compute_distances=True).fit(vectors)
    np.testing.assert_allclose(grow(vectors, linkage).height, other.distances_, atol=1e-5)


@pytest.mark.parametrize("linkage", LINKAGES)
def test_a_threshold_parts_what_is_as_far_apart(linkage: Linkage) -> None:
    vectors = scattered(40, seed=6)
    tree = grow(vectors, linkage)
    for merges in (0, 13, 38):
        at = tree.height[merges]
        assert len(np.unique(tree.cut_at(at))) == 40 - merges
        assert len(np.unique(tree.cut_at(np.nextafter(at, np.inf)))) == 39 - merges
    assert len(np.unique(tree.cut_at(1e9))) == 1


def test_ward_heights_by_hand() -> None:
    # Three rows of a right angle: the two of a pair at 60 degrees merge at distance 1, of means 1 : the third.
    vectors = np.array([[1, 0, 0], [0.5, np.sqrt(0.75), 0], [0, 0, 1]], dtype=np.float32)
    tree = grow(vectors, "ward")
    mean = vectors[:2].mean(axis=0)
    assert tree.height.tolist() == pytest.approx([1, np.sqrt(2 * 2 * 1 / 3) * np.linalg.norm(mean - vectors[2])])
    assert tree.size.tolist() == [2, 3]
    assert tree.order() in ([0, 1, 2], [2, 0, 1], [1, 0, 2], [2, 1, 0])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(0, 2**32 - 1), st.sampled_from(LINKAGES))
def test_every_cut_joins_two_groups_of_the_one_before(count: int, seed: int, linkage: Linkage) -> None:
    tree = grow(scattered(count, seed=seed), linkage)
    assert sorted(tree.order()) == list(range(count))
    assert (np.diff(tree.height) >= 0).all()
    finer = tree.cut(count)
    assert len(np.unique(finer)) == count
    for k in range(count - 1, 0, -1):
        coarser = tree.cut(k)
        assert len(np.unique(coarser)) == k
        assert len({*zip(finer.tolist(), coarser.tolist(), strict=True)}) == k + 1
        finer = coarser


def test_branches_do_not_cross() -> None:
    tree = grow(scattered(50), "average")
    place = {row: index for index, row in enumerate(tree.order())}
    for k in (2, 5, 20):
        labels = tree.cut(k)
        for label in range(k):
            places = sorted(place[row] for row in np.flatnonzero(labels == label).tolist())
            assert places == list(range(places[0], places[0] + len(places)))


@pytest.mark.parametrize("linkage", LINKAGES)
def test_equal_rows_merge_first_and_at_no_height(linkage: Linkage) -> None:
    vectors = np.repeat(blobs([1, 1, 1])[0], [5, 3, 2], axis=0)
    tree = grow(vectors, linkage)
    assert tree.height[:7].tolist() == [0] * 7
    assert adjusted_rand_score([0] * 5 + [1] * 3 + [2] * 2, tree.cut(3)) == 1


def test_it_asks_whether_to_go_on() -> None:
    def gone() -> None:
        raise DeadlinePassed("late")

    with pytest.raises(DeadlinePassed):
        grow(scattered(20), "ward", gone)
