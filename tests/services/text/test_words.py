import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.text.words import (
    FILLER,
    TooManyWords,
    counted_documents,
    counted_words,
    fold,
    strip_stage_directions,
    words,
)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Well, [crosstalk 00:58:01] no.", "Well,   no."),
        ("[crosstalk 00:10:55:12]", " "),
        ("[Inaudible]", " "),
        ("[laughter and applause]", " "),
        ("[the] president said [1]", "[the] president said [1]"),
        ("a[0] = b[1]", "a[0] = b[1]"),
        ("[unclosed 00:01", "[unclosed 00:01"),
    ],
)
def test_stage_directions_go_and_other_brackets_stay(text: str, left: str) -> None:
    assert strip_stage_directions(text) == left


def test_words_are_letters_digits_and_inner_apostrophes() -> None:
    assert words("Don’t — I'm 'quoted', mmm-hmm; $3.50 a_b") == [
        "don't",
        "i'm",
        "quoted",
        "mmm",
        "hmm",
        "3",
        "50",
        "a",
        "b",
    ]


def test_composed_and_decomposed_spellings_are_one_word() -> None:
    assert words("café CAFE\u0301 STRASSE straße") == ["café", "café", "strasse", "strasse"]


@pytest.mark.parametrize(
    "word", ["mm", "mmm", "hmm", "hm", "uh", "uhhh", "um", "er", "erm", "ah", "huh", "yeah", "yeaah"]
)
def test_fillers_are_one_class(word: str) -> None:
    assert fold(word) == FILLER


def test_fillers_that_a_hyphen_joins_are_one() -> None:
    counted = counted_words("Yeah, mmm-hmm. UH-HUH, well-uh, co-op-uh uh-oh")
    assert counted == [FILLER, FILLER, FILLER, "well", FILLER, "co", "op", FILLER, FILLER, "oh"]


@pytest.mark.parametrize(
    ("word", "counted"),
    [
        ("soooo", "soo"),
        ("iii", "iii"),
        ("viii", "viii"),
        ("1000", "1000"),
        ("yes", "yes"),
        ("era", "era"),
        ("ohio", "ohio"),
    ],
)
def test_drawn_out_letters_are_written_twice(word: str, counted: str) -> None:
    assert fold(word) == counted


# The two i of Turkish are folded by language, which Unicode's default folding does not know.
LATIN = st.characters(max_codepoint=0x24F, categories=("L", "N", "Z", "P"), exclude_characters="ıİ")


@given(st.text(alphabet=LATIN, max_size=80))
def test_case_does_not_matter(text: str) -> None:
    assert counted_words(text.upper().lower()) == counted_words(text.lower())


def test_documents_are_counted_words_up_to_a_bound() -> None:
    texts = ["Soooo good, mm-hmm", "good", "..."]
    documents = counted_documents(texts, 4)
    assert documents == [counted_words(text) for text in texts]
    assert documents[0][1] is documents[1][0]
    with pytest.raises(TooManyWords):
        counted_documents(texts, 3)
    with pytest.raises(TooManyWords):
        counted_documents(["a " * 1000], 999)
    assert counted_documents(["a" * 1000], 1) == [["aa"]]


@given(st.text(max_size=200))
def test_any_text_has_words(text: str) -> None:
    for word in words(text):
        assert word
        assert not word.isspace()


def test_a_long_word_and_many_brackets_take_no_time() -> None:
    assert len(counted_words("a" * 1_000_000)) == 1
    assert strip_stage_directions("[" * 200_000) == "[" * 200_000
    assert len(words("[a " * 100_000)) == 100_000
