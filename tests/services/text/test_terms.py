from math import log1p

from services.text import terms
from services.text.terms import class_terms


def test_weights_are_those_of_the_formula() -> None:
    # tax 2 of 3 words in cluster 0; jobs 1 in each: A = (3 + 2) / 2
    texts, labels = ["tax tax jobs", "jobs masks"], [0, 1]
    assert class_terms(texts, labels) == {0: ["tax", "jobs"], 1: ["masks", "jobs"]}
    assert 2 * log1p(2.5 / 2) > log1p(2.5 / 2)
    assert log1p(2.5 / 1) > log1p(2.5 / 2)


def test_stop_words_fillers_and_stage_directions_are_no_terms() -> None:
    text = "[crosstalk 00:58:01] Well, the uh, mmm, I don't know that it's we'll can't a b budget, yeah"
    assert class_terms([text], [0]) == {0: ["budget", "know"]}


def test_possessives_count_with_their_word() -> None:
    assert class_terms(["Ohio's budget", "Ohio"], [0, 0]) == {0: ["ohio", "budget"]}


def test_texts_left_out_do_not_count_and_ties_are_alphabetical() -> None:
    assert class_terms(["zebra apple", "zebra zebra"], [0, -1]) == {0: ["apple", "zebra"]}


def test_at_most_ten() -> None:
    text = " ".join(f"word{number}" for number in range(30))
    assert len(class_terms([text], [0])[0]) == 10


def test_a_cluster_without_content_has_no_terms() -> None:
    assert class_terms(["the of and", "tax"], [0, 1]) == {0: [], 1: ["tax"]}
    assert terms.class_terms([], []) == {}
