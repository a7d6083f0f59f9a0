"""The key recipe: alike requests share a key, and no others do."""

import hashlib
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.cache import body_digest, cache_key

FORM = b"multipart/form-data; boundary="


def key(**changes: Any) -> bytes:
    request: dict[str, Any] = {
        "method": "POST",
        "path": "/v1/sum",
        "identity": "one",
        "query": b"a=1&b=2",
        "headers": [(b"accept", b"application/json"), (b"content-type", b"text/csv")],
        "digest": body_digest(b"1,2"),
    }
    return cache_key(**{**request, **changes})


def form(boundary: bytes, parts: list[bytes]) -> bytes:
    return b"".join(b"--%b\r\n%b\r\n" % (boundary, part) for part in parts) + b"--%b--\r\n" % boundary


texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=8)
parts = st.lists(st.binary(max_size=40), max_size=4)
boundaries = st.text("abcXYZ019'()+_,-./:=?", min_size=1, max_size=70).map(str.encode)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "GET"},
        {"path": "/v1/sum/"},
        {"identity": "two"},
        {"query": b"a=1&b=3"},
        {"query": b"a=1"},
        {"headers": [(b"accept", b"text/csv"), (b"content-type", b"text/csv")]},
        {"headers": [(b"accept", b"application/json"), (b"content-type", b"text/csv;charset=latin-1")]},
        {"digest": body_digest(b"1,3")},
    ],
)
def test_each_field_counts(change: dict[str, Any]) -> None:
    assert key(**change) != key()


@given(st.tuples(texts, texts, texts), st.tuples(texts, texts, texts))
def test_fields_never_run_into_each_other(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assume(one != other)
    keys = [key(method=m, path=p, identity=i) for m, p, i in (one, other)]
    assert keys[0] != keys[1]


@given(st.lists(st.tuples(texts, texts), max_size=5), st.randoms())
def test_the_order_of_names_is_nothing_the_order_of_values_is_kept(pairs: list[tuple[str, str]], random: Any) -> None:
    shuffled = list(pairs)
    random.shuffle(shuffled)
    same = all([v for n, v in pairs if n == name] == [v for n, v in shuffled if n == name] for name, _ in pairs)
    alike = key(query=urlencode(pairs).encode()) == key(query=urlencode(shuffled).encode())
    assert alike == same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (b"text/csv", b"Text/CSV", True),
        (b"text/csv;q=1, */*;q=0.5", b"text/csv , */*; q=0.5", True),
        (b"text/csv;q=1.000", b"text/csv", True),
        (b"text/csv;q=10", b"text/csv", False),
        (b"text/csv, application/json", b"application/json, text/csv", False),
        (b"text/csv;q=0.5", b"text/csv;q=0.6", False),
        (b'text/csv;x="a,b"', b'text/csv;x="a, b"', False),
    ],
)
def test_accept_is_compared_by_meaning(one: bytes, other: bytes, same: bool) -> None:
    assert (key(headers=[(b"accept", one)]) == key(headers=[(b"accept", other)])) is same


def test_no_accept_is_any() -> None:
    assert key(headers=[]) == key(headers=[(b"accept", b"*/*")])


def test_a_field_in_two_lines_is_the_field_in_one() -> None:
    assert key(headers=[(b"accept", b"a/b"), (b"accept", b"c/d")]) == key(headers=[(b"accept", b"a/b, c/d")])


def test_only_named_headers_count() -> None:
    matter = frozenset({b"x-unit"})
    assert key(headers=[(b"x-unit", b"1"), (b"x-other", b"1")], matter=matter) == key(
        headers=[(b"x-other", b"2"), (b"x-unit", b"1")], matter=matter
    )
    assert key(headers=[(b"x-unit", b"1")], matter=matter) != key(headers=[(b"x-unit", b"2")], matter=matter)


def test_the_key_does_not_move_from_one_release_to_the_next() -> None:
    """Kept answers outlive the process: a new recipe must have a new scheme version."""
    assert key().hex() == "8b33a09712374dac94f1398ce26ac5cf1ce437310e502c2dcebb12963024b743"


@given(parts, boundaries, boundaries)
def test_a_form_digests_alike_under_any_boundary(content: list[bytes], one: bytes, other: bytes) -> None:
    for boundary in (one, other):
        assume(all(b"--" + boundary not in b"\r\n" + part for part in content))
        assume(form(boundary, content).count(b"--" + boundary) == len(content) + 1)
    digests = {body_digest(form(b, content), FORM + b'"' + b + b'"') for b in (one, other)}
    assert len(digests) == (1 if content else 1 if one == other else 2)


@given(parts, parts, boundaries, boundaries)
def test_different_forms_never_digest_alike(one: list[bytes], other: list[bytes], first: bytes, second: bytes) -> None:
    assume(one != other)
    assume(form(first, one) != form(second, other))
    assert body_digest(form(first, one), FORM + first) != body_digest(form(second, other), FORM + second)


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_a_form_never_digests_as_another_kind_of_body(body: bytes, other: bytes) -> None:
    assert body_digest(body, FORM + b"b") != body_digest(other, b"application/json")


@pytest.mark.parametrize(
    "body",
    [
        b"preamble\r\n--b\r\nx\r\n--b--\r\n",
        b"--b\r\nx\r\n--b--\r\nepilogue",
        b"--b\r\nx\r\n",
        b"--b \r\nx\r\n--b--\r\n",
        b"--b\r\nx --b y\r\n--b--\r\n",
        b"--b\r\nx\n--b\r\ny\r\n--b--\r\n",
        b"",
    ],
)
def test_a_doubtful_form_is_digested_as_it_is(body: bytes) -> None:
    renamed = body.replace(b"--b", b"--c")
    assert body_digest(body, FORM + b"b") != body_digest(renamed, FORM + b"c")


def test_a_plain_body_is_digested_by_sha256() -> None:
    assert body_digest(b"abc", b"application/json") == hashlib.sha256(b"abc").digest()
