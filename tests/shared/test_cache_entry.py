"""The frame of a stored answer: it comes back whole, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cache import Entry, EntryError, decode, encode

LIMIT = 1 << 20
headers = st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=40)), max_size=5)
bodies = st.one_of(st.binary(max_size=200), st.binary(min_size=1, max_size=4).map(lambda unit: unit * 3000))
entries = st.builds(
    Entry, st.integers(100, 599), headers, bodies, st.floats(min_value=0, max_value=1e11, allow_nan=False)
)


@given(entries)
def test_an_entry_comes_back_as_it_was(entry: Entry) -> None:
    assert decode(encode(entry), max_body_bytes=LIMIT) == entry
    assert decode(encode(entry, b"key"), b"key", max_body_bytes=LIMIT) == entry
    with pytest.raises(EntryError, match="checksum"):
        decode(encode(entry, b"key"), b"another", max_body_bytes=LIMIT)


@given(entries, st.data())
def test_a_changed_byte_is_noticed(entry: Entry, data: st.DataObject) -> None:
    frame = bytearray(encode(entry))
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(EntryError):
        decode(bytes(frame), max_body_bytes=LIMIT)


@given(entries, st.data())
def test_a_cut_frame_is_noticed(entry: Entry, data: st.DataObject) -> None:
    frame = encode(entry)
    with pytest.raises(EntryError):
        decode(frame[: data.draw(st.integers(0, len(frame) - 1))], max_body_bytes=LIMIT)


@given(st.binary(max_size=300))
def test_noise_is_no_entry(frame: bytes) -> None:
    with pytest.raises(EntryError):
        decode(frame, max_body_bytes=LIMIT)


def test_large_bodies_are_packed_and_bounded_when_unpacked() -> None:
    frame = encode(Entry(200, [], bytes(1_000_000), 0.0))
    assert len(frame) < 10_000
    with pytest.raises(EntryError):
        decode(frame, max_body_bytes=999_999)


def test_age_is_whole_seconds_and_never_negative() -> None:
    entry = Entry(200, [], b"", 100.0)
    assert [entry.age(now) for now in (99.0, 100.0, 101.9)] == [0, 0, 1]
