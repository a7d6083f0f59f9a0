import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from services.text.clustering import _by_size, kmeans, kmeans_auto, representatives
from services.text.embedder import Embedder, Vectors
from shared.errors import DeadlinePassed


def blobs(sizes: list[int], seed: int = 0, noise: float = 0.05) -> tuple[Vectors, list[int]]:
    """Unit rows around orthogonal directions, so that the right answer is known."""
    generator = np.random.default_rng(seed)
    truth = [label for label, size in enumerate(sizes) for _ in range(size)]
    rows = np.eye(len(sizes), 16)[truth] + noise * generator.standard_normal((len(truth), 16))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), truth


def test_finds_groups_that_are_there_largest_first() -> None:
    vectors, truth = blobs([5, 20, 10])
    found = kmeans(vectors, 3, seed=0)
    assert adjusted_rand_score(truth, found.labels) == 1
    assert np.bincount(found.labels).tolist() == [20, 10, 5]
    assert found.silhouette is not None
    assert found.silhouette > 0.8
    assert found.warnings == []


def test_auto_finds_their_number_and_shows_why() -> None:
    vectors, truth = blobs([12, 9, 7, 6])
    found = kmeans_auto(vectors, seed=3)
    assert found.k == 4
    assert adjusted_rand_score(truth, found.labels) == 1
    assert [point.k for point in found.curve] == [*range(2, 11), 12, 14, 16]
    best = next(point for point in found.curve if point.k == 4)
    assert best.stability == 1
    assert found.warnings == []


def test_auto_says_when_there_are_no_groups() -> None:
    rows = np.random.default_rng(1).standard_normal((60, 16))
    found = kmeans_auto((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), seed=0)
    assert "does not settle how many groups" in found.warnings[0]
    assert max(point.stability for point in found.curve) < 0.6


@pytest.mark.parametrize("count", [1, 3])
def test_auto_makes_one_cluster_of_few(count: int) -> None:
    found = kmeans_auto(blobs([1] * count)[0], seed=0)
    assert (found.k, found.silhouette, found.curve) == (1, None, [])
    assert "one cluster" in found.warnings[0]


def test_texts_all_alike_are_one_cluster() -> None:
    vectors = np.repeat(blobs([1])[0], 6, axis=0)
    for found in (kmeans(vectors, 3, seed=0), kmeans_auto(vectors, seed=0)):
        assert found.labels.tolist() == [0] * 6
        assert found.k == 1
        assert "one cluster" in found.warnings[0]


def test_one_text_and_as_many_clusters_as_texts() -> None:
    vectors, _ = blobs([1, 1, 1])
    assert kmeans(vectors[:1], 1, seed=0).labels.tolist() == [0]
    found = kmeans(vectors, 3, seed=0)
    assert sorted(found.labels.tolist()) == [0, 1, 2]
    assert found.silhouette is None


def test_the_same_seed_has_the_same_answer() -> None:
    rows = np.random.default_rng(5).standard_normal((80, 16)).astype(np.float32)
    vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    one, two = kmeans(vectors, 7, seed=11), kmeans(vectors, 7, seed=11)
    assert one.labels.tolist() == two.labels.tolist()
    assert one.silhouette == two.silhouette
    assert kmeans_auto(vectors, 1).curve == kmeans_auto(vectors, 1).curve


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_renaming_by_size_keeps_the_groups(names: list[int]) -> None:
    _, labels = np.unique(np.array(names), return_inverse=True)
    renamed = _by_size(labels.astype(np.int64))
    assert adjusted_rand_score(labels, renamed) == 1
    sizes = np.bincount(renamed).tolist()
    assert sizes == sorted(sizes, reverse=True)
    assert min(sizes) > 0


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_representatives_are_the_nearest_members(k: int, seed: int) -> None:
    vectors, _ = blobs([8, 6, 5], noise=0.4)
    found = kmeans(vectors, k, seed)
    for label, rows in enumerate(representatives(vectors, found)):
        members = np.flatnonzero(found.labels == label)
        similarity = vectors @ found.centres[label]
        assert set(rows) <= set(members.tolist())
        assert len(rows) == min(3, len(members))
        assert similarity[rows].min() >= np.sort(similarity[members])[-len(rows)] - 1e-5


def test_auto_asks_between_fits_whether_to_go_on() -> None:
    def gone() -> None:
        raise DeadlinePassed("late")

    with pytest.raises(DeadlinePassed):
        kmeans_auto(blobs([6, 6])[0], 0, gone)


def test_auto_says_what_share_of_its_fits_is_done() -> None:
    shares: list[float] = []
    found = kmeans_auto(blobs([6, 6])[0], 0, report=shares.append)
    assert shares == [(n + 1) / len(found.curve) for n in range(len(found.curve))]


def test_intents_of_questions_are_found(data: Path, embedder: Embedder) -> None:
    path = data / "text" / "banking77_train.csv"
    if not path.is_file():
        pytest.skip(f"lacks {path}")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    intents = sorted({row["category"] for row in rows})[::8]
    chosen = [row for intent in intents for row in [each for each in rows if each["category"] == intent][:20]]
    found = kmeans(embedder.embed([row["text"] for row in chosen]), len(intents), seed=0)
    agreement = normalized_mutual_info_score([row["category"] for row in chosen], found.labels)
    # Measured .842; an independent pipeline has .794 on all 77 intents of the test set, TF-IDF with SVD .625.
    assert agreement > 0.8
