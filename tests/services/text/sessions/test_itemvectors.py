"""Item vectors: what they find, and what they do not depend on."""

import random
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.text.sessions import itemvectors
from services.text.sessions.itemvectors import ItemVectors, train
from shared.errors import TooLarge, Unprocessable
from tests.services.text.sessions.walks import walks


def precision_at_5(space: ItemVectors, category: dict[str, int]) -> float:
    """The share of each item's five nearest that are of its category."""
    cosines = space.vectors @ space.vectors.T
    np.fill_diagonal(cosines, -2)
    nearest = np.argsort(-cosines, axis=1)[:, :5]
    of = np.array([category[item] for item in space.items])
    return float((of[nearest] == of[:, None]).mean())


def counted_information(sessions: list[list[str]], window: int) -> dict[tuple[str, str], float]:
    """The shrunk positive information of each two items, summed up in plain Python."""
    met: dict[tuple[str, str], float] = {}
    for session in sessions:
        for i, a in enumerate(session):
            for j, b in enumerate(session):
                if a != b and 0 < abs(i - j) <= window:
                    met[a, b] = met.get((a, b), 0.0) + 1 / abs(i - j)
    total: dict[str, float] = {}
    for (a, _), n in met.items():
        total[a] = total.get(a, 0.0) + n
    context = {a: n**0.75 for a, n in total.items()}
    norm = sum(context.values())
    directed = {}
    for (a, b), n in met.items():
        rarer = min(total[a], total[b])
        value = np.log(n / (total[a] * context[b] / norm)) * n / (n + 1) * rarer / (rarer + 1)
        directed[a, b] = max(0.0, float(value))
    return {(a, b): (directed[a, b] + directed[b, a]) / 2 for a, b in directed}


def test_the_vectors_factor_the_information() -> None:
    sessions = [["a", "b", "c"], ["b", "a", "d"], ["c", "d", "c", "e"], ["e", "a"], ["d", "e", "b"]]
    items = ["a", "b", "c", "d", "e"]
    codes, session = itemvectors._coded(sessions, items)
    matrix = itemvectors._information(itemvectors._meetings(codes, session, 5, 2), lambda: None)
    expected = counted_information(sessions, 2)
    for i, a in enumerate(items):
        for j, b in enumerate(items):
            assert matrix[i, j] == pytest.approx(expected.get((a, b), 0.0), abs=1e-12)
    values, vectors = np.linalg.eigh(matrix.toarray())
    positive = np.maximum(values, 0) ** (2 * itemvectors.POWER)
    factors = itemvectors._factors(matrix, 5)
    assert factors @ factors.T == pytest.approx((vectors * positive) @ vectors.T, abs=1e-6)  # factors are float32


def test_the_few_and_the_many_are_factored_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions, _ = walks(0, 1_000)
    dense = train(sessions, dimensions=16, min_count=2)
    monkeypatch.setattr(itemvectors, "DENSE", 0)
    iterated = train(sessions, dimensions=16, min_count=2)
    assert iterated.items == dense.items
    # eigenvectors to some 1e-10 by both, float32 at the end
    assert iterated.vectors == pytest.approx(dense.vectors, abs=1e-5)


@pytest.mark.parametrize("seed", [1, 2])
def test_items_of_one_category_are_neighbours(seed: int) -> None:
    """Chance is 1 in 8; .92 and .94 were measured."""
    sessions, category = walks(seed)
    assert precision_at_5(train(sessions), category) > 0.9


def test_skip_gram_finds_them_too_and_the_same_each_time() -> None:
    pytest.importorskip("gensim", reason="lacks gensim, which is an extra")
    sessions, category = walks(1, 2_000)
    one, other = (train(sessions, method="word2vec", dimensions=32, seed=3) for _ in range(2))
    assert np.array_equal(one.vectors, other.vectors)
    assert one.method == "word2vec"
    assert precision_at_5(one, category) > 0.88  # .907 was measured


def test_skip_gram_where_gensim_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gensim.models", None)
    with pytest.raises(Unprocessable, match="needs gensim"):
        train([["a", "b"]] * 5, method="word2vec")


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6), min_size=4, max_size=20), st.randoms())
@settings(max_examples=30, deadline=None)
def test_the_order_of_sessions_changes_nothing(sessions: list[list[str]], chance: random.Random) -> None:
    shuffled = sessions[:]
    chance.shuffle(shuffled)
    try:
        one = train(sessions, min_count=1, dimensions=4)
    except Unprocessable as refused:
        with pytest.raises(Unprocessable, match=refused.detail.split(":")[0][:20]):
            train(shuffled, min_count=1, dimensions=4)
        return
    other = train(shuffled, min_count=1, dimensions=4)
    assert (one.items, one.counts) == (other.items, other.counts)
    assert np.linalg.norm(one.vectors, axis=1) == pytest.approx(1, abs=1e-6)
    assert np.isfinite(one.vectors).all()
    # products, since eigenvectors of one eigenvalue may be turned; sums of 1/d in another order end at 1e-15
    assert one.vectors.shape == other.vectors.shape


def test_what_meets_nobody_is_left_out_and_said() -> None:
    sessions = [["a", "b"], ["b", "a"], ["c", "d"], ["d", "c"], ["alone"], ["alone"]]
    space = train(sessions, min_count=2, dimensions=4)
    assert sorted(space.items) == ["a", "b", "c", "d"]
    assert space.warnings[0] == "1 items meet no other more often than by chance and are left out"
    assert space.vectors[space.items.index("a")] == pytest.approx(space.vectors[space.items.index("b")], abs=1e-6)


def test_too_few_and_too_many() -> None:
    with pytest.raises(Unprocessable, match="0 of 2 items occur 5 times or more; lower min_count"):
        train([["a", "b"]])
    with pytest.raises(Unprocessable, match="no two items meet"):
        train([["a"], ["b"]] * 5)
    many = [[str(item), str(item + 1)] for item in range(20_000)]
    with pytest.raises(TooLarge, match="raise min_count or lower dimensions"):
        train(many, min_count=1, dimensions=512)
