from math import log

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from services.text.terms import class_terms


def heaviest(texts: list[str], labels: list[int]) -> dict[int, list[str]]:
    return {label: [term.word for term in found] for label, found in class_terms(texts, labels).items()}


def test_weights_are_those_of_the_formula() -> None:
    # tax 2 of the 3 words of cluster 0; jobs 1 in each, masks 1 of 2: A = (3 + 2) / 2
    first, second = class_terms(["tax tax jobs", "jobs masks"], [0, 1]).values()
    assert [term.word for term in first] == ["tax", "jobs"]
    assert [term.word for term in second] == ["masks", "jobs"]
    assert [term.weight for term in first] == pytest.approx([2 / 3 * log(1 + 2.5 / 2), 1 / 3 * log(1 + 2.5 / 2)])
    assert [term.weight for term in second] == pytest.approx([1 / 2 * log(1 + 2.5 / 1), 1 / 2 * log(1 + 2.5 / 2)])


def test_weights_agree_with_another_count() -> None:
    texts = ["apple pear apple grape", "pear melon", "grape grape melon apple", "melon"]
    labels = [0, 1, 0, 1]
    vectorizer = CountVectorizer()
    counts = np.zeros((2, 4))
    np.add.at(counts, labels, vectorizer.fit_transform(texts).toarray())
    weights = counts / counts.sum(axis=1, keepdims=True) * np.log(1 + counts.sum() / 2 / counts.sum(axis=0))
    for label, found in class_terms(texts, labels).items():
        expected = dict(zip(vectorizer.get_feature_names_out(), weights[label], strict=True))
        assert {term.word: term.weight for term in found} == pytest.approx({w: v for w, v in expected.items() if v})


def test_stop_words_fillers_and_stage_directions_are_no_terms() -> None:
    text = "[crosstalk 00:58:01] Well, the uh, mmm, I don't know that it's we'll can't a b budget, yeah"
    assert heaviest([text], [0]) == {0: ["budget", "know"]}


def test_possessives_count_with_their_word() -> None:
    assert heaviest(["Ohio's budget", "Ohio"], [0, 0]) == {0: ["ohio", "budget"]}


def test_texts_left_out_do_not_count_and_ties_are_alphabetical() -> None:
    assert heaviest(["zebra apple", "zebra zebra"], [0, -1]) == {0: ["apple", "zebra"]}


def test_at_most_ten() -> None:
    text = " ".join(f"word{number}" for number in range(30))
    assert len(heaviest([text], [0])[0]) == 10


def test_a_cluster_without_content_has_no_terms() -> None:
    assert heaviest(["the of and", "tax"], [0, 1]) == {0: [], 1: ["tax"]}
    assert heaviest([], []) == {}
