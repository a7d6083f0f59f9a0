import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import NotAcceptable
from shared.negotiation import negotiate

OFFERS = ("application/json", "text/csv", "text/plain")


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv"),
        ("TEXT/CSV", "text/csv"),
        ("text/*", "text/csv"),
        ("text/plain;q=0.9, text/csv;q=0.8", "text/plain"),
        ("text/csv; q=0.5, */*; q=0.1", "text/csv"),
        ("application/json;q=0, */*", "text/csv"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "application/json"),
        ("text/plain;charset=utf-8", "text/plain"),
    ],
)
def test_the_best_offer_is_chosen(accept: str | None, chosen: str) -> None:
    assert negotiate(accept, OFFERS) == chosen


@pytest.mark.parametrize("accept", ["image/png", "text/csv;q=0", "*/*;q=0", "text/csv;q=loud"])
def test_what_rules_out_all_is_refused(accept: str) -> None:
    with pytest.raises(NotAcceptable, match="text/plain"):
        negotiate(accept, OFFERS)


@given(st.text(max_size=80))
def test_no_header_breaks_it(accept: str) -> None:
    try:
        assert negotiate(accept, OFFERS) in OFFERS
    except NotAcceptable:
        assert accept.strip()
