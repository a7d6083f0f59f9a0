import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.versions import VersionPolicy, is_name, newest_first, order

VERSIONS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,12}", fullmatch=True)


def test_numbers_count_as_numbers() -> None:
    there = ["1.0.9", "2", "1.0.10", "10", "1.0", "1-fp32-53aa5117"]
    assert newest_first(there) == ["10", "2", "1.0.10", "1.0.9", "1.0", "1-fp32-53aa5117"]


@given(st.lists(VERSIONS, max_size=8, unique=True))
def test_the_order_is_total_and_does_not_depend_on_the_listing(versions: list[str]) -> None:
    ordered = newest_first(versions)
    assert sorted(ordered) == sorted(versions)
    assert [order(each) for each in ordered] == sorted((order(each) for each in versions), reverse=True)


@pytest.mark.parametrize("text", ["", ".", "..", "../x", "a/b", "a\0", ".hidden", "-x", "é", "x" * 129, "a b", "a\n"])
def test_what_leads_elsewhere_is_no_name(text: str) -> None:
    assert not is_name(text)


def test_a_policy_selects() -> None:
    there = ["1", "10", "9"]
    assert VersionPolicy("latest").select(there) == ["10"]
    assert VersionPolicy("all").select(there) == ["10", "9", "1"]
    assert VersionPolicy("9, 1,7").select(there) == ["9", "1"]
    assert VersionPolicy().select([]) == []


@pytest.mark.parametrize("text", ["", "1,,2", "../1", "la test"])
def test_a_policy_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="latest, all, or versions"):
        VersionPolicy(text)
