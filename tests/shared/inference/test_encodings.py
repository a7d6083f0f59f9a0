import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Malformed, TooLarge, UnsupportedMedia, VernierError
from shared.inference.encodings import unpack

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress, "GZIP": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress,
}  # fmt: skip


@pytest.mark.parametrize("encoding", PACKERS)
def test_what_clients_pack_is_unpacked(encoding: str) -> None:
    data = b"abc" * 100
    assert unpack(PACKERS[encoding](data), encoding, 300) == data
    with pytest.raises(TooLarge):
        unpack(PACKERS[encoding](data), encoding, 299)


@pytest.mark.parametrize("encoding", ["", "identity"])
def test_what_is_not_packed_is_left_as_it_is(encoding: str) -> None:
    assert unpack(b"abc", encoding, 3) == b"abc"


def test_a_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(200 << 20))
    assert len(bomb) < 1 << 20
    tracemalloc.start()
    with pytest.raises(TooLarge, match="more than the 1,048,576 bytes"):
        unpack(bomb, "gzip", 1 << 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "gzip;q=1", "compress"])
def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(UnsupportedMedia, match="gzip, deflate or none"):
        unpack(b"", encoding, 10)


@pytest.mark.parametrize(
    "packed",
    [b"", b"no gzip", gzip.compress(b"abc", mtime=0)[:-1], gzip.compress(b"abc", mtime=0) + b"x"],
    ids=["empty", "text", "cut", "trailing"],
)
def test_what_does_not_unpack_is_refused(packed: bytes) -> None:
    with pytest.raises(Malformed):
        unpack(packed, "gzip", 10)


@given(st.binary(max_size=60), st.sampled_from(["gzip", "deflate"]))
def test_any_bytes_unpack_or_are_refused(data: bytes, encoding: str) -> None:
    try:
        assert len(unpack(data, encoding, 1000)) <= 1000
    except VernierError:
        return
