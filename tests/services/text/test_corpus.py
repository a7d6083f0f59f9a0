"""A corpus as bytes: nothing is lost, and order and pieces do not matter."""

from hypothesis import given, settings
from hypothesis import strategies as st

from services.text.corpus import digest, pack, unpack
from services.text.information import Method, Reference
from services.text.words import counted_words

DOCUMENTS = st.lists(st.lists(st.sampled_from(["a", "bc", "<filler>", "naïve"]), max_size=5), min_size=1, max_size=6)
QUICK = settings(max_examples=50)


@QUICK
@given(st.lists(DOCUMENTS, min_size=1, max_size=4))
def test_pieces_one_after_the_other_are_the_documents_of_all(pieces: list[list[list[str]]]) -> None:
    assert unpack(map(pack, pieces)) == [document for piece in pieces for document in piece]


@given(st.lists(st.text(max_size=40), min_size=1, max_size=5))
def test_any_text_comes_back(texts: list[str]) -> None:
    documents = [counted_words(text) for text in texts]
    assert unpack([pack(documents)]) == documents


@QUICK
@given(DOCUMENTS, st.randoms(use_true_random=False))
def test_a_digest_is_of_the_texts_in_any_order(documents: list[list[str]], random: object) -> None:
    shuffled = documents.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert digest(shuffled) == digest(documents)
    assert digest([*documents, ["a"]]) != digest(documents)
    assert len(digest(documents)) == 32


@QUICK
@given(DOCUMENTS, DOCUMENTS, st.sampled_from(["unigram", "ngram"]))
def test_counts_of_two_added_in_either_order_are_the_same(
    one: list[list[str]], other: list[list[str]], estimator: str
) -> None:
    if not any(one + other):
        return
    method = Method(estimator)  # type: ignore[arg-type]
    forth, back = (Reference(unpack(map(pack, pieces)), method) for pieces in ((one, other), (other, one)))
    (first,), (second,) = forth.score([["a", "bc", "x"]]), back.score([["a", "bc", "x"]])
    assert abs(first.bits - second.bits) < 1e-9
    assert first.percentile == second.percentile
    assert forth.described.tokens == back.described.tokens
