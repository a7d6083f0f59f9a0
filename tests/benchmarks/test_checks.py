import base64
from dataclasses import replace

import numpy as np
import orjson
import pytest

from benchmarks import expected
from benchmarks.checks import WrongAnswer, checked, exactly
from benchmarks.load import Kept, Outcome

FINE = Outcome(1.0, 1, [0.01], [], {200: 1}, 0, 0, 0, 0.1, 1, [Kept(0, 200, b"yes")], 0, 1)


def test_right_answers_pass() -> None:
    assert checked(FINE, exactly(b"yes")) is FINE
    refused = replace(FINE, refused_s=[0.001], statuses={200: 1, 503: 1}, kept=[*FINE.kept, Kept(0, 503, b"")])
    assert checked(refused, exactly(b"yes"), refusals=True) is refused


@pytest.mark.parametrize(
    "outcome",
    [
        replace(FINE, kept=[Kept(0, 200, b"no")]),
        replace(FINE, statuses={200: 1, 500: 1}),
        replace(FINE, errors=1),
        replace(FINE, timeouts=1),
        replace(FINE, accepted_s=[]),
        replace(FINE, refused_s=[0.1]),
    ],
)
def test_wrong_answers_and_missing_ones_end_the_run(outcome: Outcome) -> None:
    with pytest.raises(WrongAnswer):
        checked(outcome, exactly(b"yes"))


def test_what_is_no_answer_at_all_is_said_as_wrong() -> None:
    with pytest.raises(WrongAnswer, match="body 0 was answered"):
        checked(FINE, expected.length("labels", 3))


def test_lists_and_speeds_have_their_length_and_range() -> None:
    expected.length("p", 2)(0, b'{"p": [1, 2]}')
    expected.speeds(3)(0, b'{"speed_mps": [null, 1.5, 2]}')
    for check, answer in (
        (expected.length("p", 2), b'{"p": [1, null]}'),
        (expected.length("p", 2), b'{"p": [1]}'),
        (expected.speeds(3), b'{"speed_mps": [1, null, 2]}'),
        (expected.speeds(2), b'{"speed_mps": [1, 2000]}'),
    ):
        with pytest.raises(WrongAnswer):
            check(0, answer)


def test_numbers_are_held_against_numpy() -> None:
    columns = {"a": [1.0, 2.0, 4.0], "b": [2.0, 1.0, 0.0]}
    matrix = np.cov(np.array(list(columns.values())))
    expected.covariance(columns)(0, orjson.dumps({"matrix": matrix.tolist()}))
    with pytest.raises(WrongAnswer):
        expected.covariance(columns)(0, orjson.dumps({"matrix": (matrix * 1.001).tolist()}))
    fitted = {"x": [[1.0, 2.0, 3.0, 4.0]], "y": [3.0, 5.0, 7.0, 9.5]}
    expected.regression(fitted)(0, b'{"coef": [0.75, 2.15]}')
    with pytest.raises(WrongAnswer):
        expected.regression(fitted)(0, b'{"coef": [0.75, 2.16]}')


def test_vectors_and_numbers_are_found_whoever_wrapped_them() -> None:
    shapes = [
        {"data": [{"index": 1, "embedding": "B"}, {"index": 0, "embedding": "A"}]},
        {"embeddings": ["A", "B"]},
        {"outputs": [{"name": "embeddings", "data": ["A", "B"]}]},
        ["A", "B"],
    ]
    assert all(expected.vectors_of(each) == ["A", "B"] for each in shapes)
    assert expected.numbers_of(b'{"scores": [1]}', "scores") == [1]
    assert expected.numbers_of(b'{"outputs": [{"data": [1]}]}', "scores") == [1]


def test_vectors_are_held_against_the_bare_model() -> None:
    from benchmarks.library import text_model
    from benchmarks.peers.work import Sentences

    texts = ["the road was wet", "nobody said a word"]
    vectors = Sentences(text_model()).vectors(texts)

    def answered(rows: list[int]) -> bytes:
        return orjson.dumps({"embeddings": [base64.b64encode(vectors[row].tobytes()).decode() for row in rows]})

    expected.embeddings(texts)(0, answered([0, 1]))
    with pytest.raises(WrongAnswer):
        expected.embeddings(texts)(0, answered([1, 0]))
    with pytest.raises(WrongAnswer):
        expected.embeddings(texts)(0, answered([0]))
