import numpy as np
import pytest

from services.text.embedder import RUN_TOKENS, Embedder, shorten
from shared.batching import plan


def test_a_text_alone_and_in_company_has_one_vector(exact: Embedder) -> None:
    texts = [f"Statement {number} says {'very ' * number}little." for number in range(60)]
    together = exact.embed(texts).astype(np.float64)
    alone = np.concatenate([exact.embed([text]) for text in texts]).astype(np.float64)
    # Sums of float32 in another order, and padding that the mask cuts out: measured at 7e-8.
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6)
    cosine = (together * alone).sum(1) / np.linalg.norm(together, axis=1) / np.linalg.norm(alone, axis=1)
    assert cosine.min() >= 0.999999


def test_debate_alone_and_in_company(exact: Embedder, debate: list[str]) -> None:
    together = exact.embed(debate[:120])
    for index in range(0, 120, 7):
        np.testing.assert_allclose(together[index], exact.embed([debate[index]])[0], rtol=0, atol=1e-6)


def test_what_is_said_twice_is_computed_once(exact: Embedder) -> None:
    batch = exact.prepare(["yes", "no", "Yes", "no"])
    assert batch.rows[0] == batch.rows[2] != batch.rows[1] == batch.rows[3]
    assert len(batch.distinct) == 2
    assert sum(len(each.ids) for each in batch.tokens) == 12
    vectors = exact.embed(["yes", "no", "Yes", "no"])
    assert np.array_equal(vectors[0], vectors[2])
    assert np.array_equal(vectors[1], vectors[3])


def test_rows_have_length_1_and_keep_their_order(exact: Embedder) -> None:
    texts = ["long " * 200, "short", "a sentence of middling length"]
    vectors = exact.embed(texts)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert vectors[1] @ exact.embed(["short"])[0] == pytest.approx(1, abs=1e-6)


def test_meaning_is_nearer_than_wording(exact: Embedder) -> None:
    a, b, c = exact.embed(["How old are you?", "What is your age?", "How heavy are you?"])
    assert a @ b > a @ c


def test_shortened_vectors_are_cut_then_brought_to_length_1() -> None:
    vectors = np.array([[3 / 13, 4 / 13, 12 / 13], [0, 0, 1]], dtype=np.float32)
    cut = shorten(vectors, 2)
    np.testing.assert_allclose(cut[0], [0.6, 0.8], atol=1e-7)
    assert cut[1].tolist() == [0, 0]
    assert cut.dtype == np.float32
    assert shorten(vectors, 3) is vectors


def test_run_memory_is_bounded_by_the_budget(exact: Embedder) -> None:
    batch = exact.prepare(["many words in it " * 80 + str(number) for number in range(40)])
    runs = plan([len(ids) for ids in batch.distinct], exact.tokens_per_run, overhead=RUN_TOKENS)
    assert max(len(run) for run in runs) * 256 <= exact.tokens_per_run
