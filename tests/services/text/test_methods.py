import csv
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from services.text.clustering import NOISE, Clustering, Options
from services.text.embedder import Embedder, Vectors
from services.text.methods import cluster
from shared.errors import DeadlinePassed
from tests.services.text.blobs import blobs, scattered

ALL = [
    Options(k=3),
    Options("agglomerative", 3),
    Options("agglomerative", 3, linkage="average"),
    Options("agglomerative", 3, linkage="complete"),
    Options("agglomerative", 3, linkage="single"),
    Options("agglomerative", distance_threshold=2.0),
    Options("gmm", 3),
    Options("gmm", 3, covariance="tied"),
    Options("hdbscan"),
]
AUTO = [Options(), Options("agglomerative"), Options("gmm"), Options("gmm", covariance="tied")]


def name(value: object) -> str:
    if not isinstance(value, Options):
        return str(value)
    return "-".join(str(each) for field, each in asdict(value).items() if each != getattr(Options(), field)) or "kmeans"


def same(one: Clustering, other: Clustering) -> bool:
    return one.labels.tolist() == other.labels.tolist() and one.curve == other.curve and one.warnings == other.warnings


@pytest.mark.parametrize("options", ALL, ids=name)
def test_finds_groups_that_are_there_largest_first(options: Options) -> None:
    vectors, truth = blobs([15, 40, 25])
    found = cluster(vectors, options)
    assert adjusted_rand_score(truth, found.labels) == 1
    assert np.bincount(found.labels).tolist() == [40, 25, 15]
    assert found.silhouette is not None
    assert found.silhouette > 0.8
    assert found.warnings == []


@pytest.mark.parametrize("options", AUTO, ids=name)
def test_auto_finds_their_number_and_shows_why(options: Options) -> None:
    vectors, truth = blobs([22, 19, 17, 16])
    found = cluster(vectors, options)
    assert found.k == 4
    assert adjusted_rand_score(truth, found.labels) == 1
    best = next(point for point in found.curve if point.k == 4)
    assert best.stability == 1
    assert best.silhouette == found.silhouette
    assert (best.bic is not None) == (options.method == "gmm")
    assert found.warnings == []


@pytest.mark.parametrize("options", AUTO, ids=name)
def test_auto_says_when_there_are_no_groups(options: Options) -> None:
    found = cluster(scattered(60, seed=1), options)
    if options.method == "gmm":
        assert found.k == 1
        assert "nothing says that there are groups" in found.warnings[-1]
    else:
        assert "no k stands out" in found.warnings[0]
        assert np.mean([point.stability or 0 for point in found.curve]) < 0.6


@pytest.mark.parametrize("options", [*ALL, *AUTO], ids=name)
def test_texts_all_alike_are_one_cluster_and_said_to_be(options: Options) -> None:
    vectors = np.repeat(blobs([1])[0], 12, axis=0)
    found = cluster(vectors, options)
    assert found.labels.tolist() == [0] * 12
    assert (found.k, found.silhouette) == (1, None)
    assert np.isfinite(found.centres).all()
    if options.distance_threshold is None:
        assert "one cluster" in found.warnings[0]


@pytest.mark.parametrize("options", [*(Options(each.method, 1) for each in AUTO), *AUTO, Options("hdbscan")], ids=name)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_texts_have_an_answer(options: Options, count: int) -> None:
    found = cluster(blobs([1] * count)[0], options)
    assert found.silhouette is None
    if options.method == "hdbscan":
        assert set(found.labels.tolist()) <= {NOISE, 0}
    else:
        assert (found.k, found.curve) == (1, [])
        assert bool(found.warnings) == (options.k == "auto")


@pytest.mark.parametrize("options", [Options(k=3), Options("agglomerative", 3), Options("gmm", 3)], ids=name)
def test_as_many_clusters_as_texts(options: Options) -> None:
    found = cluster(blobs([1, 1, 1])[0], options)
    assert sorted(found.labels.tolist()) == [0, 1, 2]
    assert found.silhouette is None


@pytest.mark.parametrize("options", [*ALL, *AUTO], ids=name)
def test_the_same_seed_has_the_same_answer(options: Options) -> None:
    vectors = blobs([20, 15, 12], noise=0.4)[0]
    assert same(cluster(vectors, options), cluster(vectors.copy(), options))


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(ALL), st.integers(0, 2**32 - 1))
def test_the_order_of_the_texts_does_not_matter_where_groups_are_clear(options: Options, seed: int) -> None:
    vectors = blobs([15, 40, 25])[0]
    order = np.random.default_rng(seed).permutation(len(vectors))
    there = cluster(vectors, options).labels[order]
    assert cluster(vectors[order], options).labels.tolist() == there.tolist()


def test_the_merge_tree_belongs_to_agglomerative() -> None:
    vectors = blobs([8, 6])[0]
    tree = cluster(vectors, Options("agglomerative", 2)).tree
    assert tree is not None
    assert tree.leaves == 14
    assert cluster(vectors, Options(k=2)).tree is None


def test_a_mixture_has_probabilities_and_hdbscan_has_strengths() -> None:
    vectors = blobs([30, 20], noise=0.6)[0]
    for options in (Options("gmm", 2), Options("hdbscan")):
        found = cluster(vectors, options)
        assert found.probability is not None
        assert found.dimensions is not None
        assert ((found.probability >= 0) & (found.probability <= 1 + 1e-12)).all()
    assert cluster(vectors, Options(k=2)).probability is None


def test_hdbscan_says_what_is_noise() -> None:
    found = cluster(blobs([30, 25, 1, 1, 1, 1], noise=0.02)[0], Options("hdbscan", min_cluster_size=10))
    assert found.labels.tolist() == [0] * 30 + [1] * 25 + [NOISE] * 4
    assert found.probability is not None
    assert found.probability[55:].tolist() == [0] * 4


def test_hdbscan_admits_that_it_found_nothing() -> None:
    found = cluster(scattered(60, 384), Options("hdbscan"))
    assert "noise" in found.warnings[0]
    none = cluster(scattered(4), Options("hdbscan", min_cluster_size=3))
    assert (none.k, none.labels.tolist()) == (0, [NOISE] * 4)
    assert "all texts are noise" in none.warnings[0]


def test_fewer_distinct_texts_than_clusters_are_said() -> None:
    vectors = np.repeat(blobs([1, 1])[0], 5, axis=0)
    for options in (Options(k=4), Options("agglomerative", 4), Options("gmm", 4)):
        found = cluster(vectors, options)
        assert found.k == 2
        assert "only 2 of the 10 texts are distinct" in found.warnings[0]


@pytest.mark.parametrize("options", AUTO, ids=name)
def test_auto_asks_between_fits_whether_to_go_on(options: Options) -> None:
    def gone() -> None:
        raise DeadlinePassed("late")

    with pytest.raises(DeadlinePassed):
        cluster(blobs([6, 6])[0], options, gone)


def test_auto_says_what_share_of_its_fits_is_done() -> None:
    shares: list[float] = []
    found = cluster(blobs([6, 6])[0], Options(), report=shares.append)
    assert shares == [(n + 1) / len(found.curve) for n in range(len(found.curve))]


@pytest.fixture(scope="module")
def questions(data: Path, embedder: Embedder) -> tuple[Vectors, list[str]]:
    """Bank customers' questions, 20 of each of 20 intents."""
    path = data / "text" / "banking77_train.csv"
    if not path.is_file():
        pytest.skip(f"lacks {path}")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    intents = sorted({row["category"] for row in rows})[::4]
    chosen = [row for intent in intents for row in [each for each in rows if each["category"] == intent][:20]]
    return embedder.embed([row["text"] for row in chosen]), [row["category"] for row in chosen]


# Measured .841, .835, .846, .797 and .686; another 8-bit form of the model moves a text or two. Of all 77 intents with
# 40 questions each k-means has .80 and Ward .80 to .81, where k-means from random starts has .79, TF-IDF with SVD .63.
@pytest.mark.parametrize(
    ("options", "bound"),
    [
        (Options(k=20), 0.82),
        (Options("agglomerative", 20), 0.82),
        (Options("gmm", 20), 0.82),
        (Options("agglomerative", 20, linkage="average"), 0.77),
        (Options("hdbscan"), 0.65),
    ],
    ids=name,
)
def test_intents_of_questions_are_found(questions: tuple[Vectors, list[str]], options: Options, bound: float) -> None:
    vectors, intents = questions
    agreement = normalized_mutual_info_score(intents, cluster(vectors, options).labels)
    assert agreement > bound
