"""The layer in the process: bounded, and the least recently used goes first."""

from hypothesis import given
from hypothesis import strategies as st

from shared.cache import Entry, MemoryCache


def entry(size: int = 10, stored_at: float = 0.0) -> Entry:
    return Entry(200, [], bytes(size), stored_at)


def cache(max_bytes: int = 10_000, max_entry_bytes: int = 5_000, ttl_s: float = 60.0) -> MemoryCache:
    return MemoryCache(max_bytes=max_bytes, max_entry_bytes=max_entry_bytes, ttl_s=ttl_s)


def test_the_least_recently_used_goes_first() -> None:
    kept = cache(max_bytes=3 * entry().size)
    for name in (b"a", b"b", b"c"):
        kept.set(name, entry())
    kept.get(b"a", 1.0)
    kept.set(b"d", entry())
    assert [kept.get(name, 1.0) is not None for name in (b"a", b"b", b"c", b"d")] == [True, False, True, True]
    assert kept.evictions == 1


def test_what_is_older_than_its_ttl_is_gone() -> None:
    kept = cache(ttl_s=60.0)
    kept.set(b"a", entry(stored_at=100.0))
    assert kept.get(b"a", 159.9) is not None
    assert kept.get(b"a", 160.0) is None
    assert (len(kept), kept.bytes) == (0, 0)


def test_too_large_an_entry_is_not_kept_and_its_forerunner_goes() -> None:
    kept = cache(max_entry_bytes=1000)
    kept.set(b"a", entry(10))
    kept.set(b"a", entry(1000))
    assert kept.get(b"a", 1.0) is None


def test_no_room_keeps_nothing() -> None:
    kept = cache(max_bytes=0)
    kept.set(b"a", entry())
    assert (len(kept), kept.bytes) == (0, 0)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 6_000), st.booleans()), max_size=60))
def test_bytes_are_counted_and_never_exceed_the_bound(steps: list[tuple[int, int, bool]]) -> None:
    kept = cache()
    held: dict[bytes, Entry] = {}
    for name, size, write in steps:
        key = bytes([name])
        if write:
            held[key] = entry(size)
            kept.set(key, held[key])
        else:
            found = kept.get(key, 1.0)
            assert found is None or found is held[key]
        assert kept.bytes <= kept.max_bytes
        assert kept.bytes == sum(held[key].size for key in held if kept.get(key, 1.0) is not None)
