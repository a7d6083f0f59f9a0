import gzip
from typing import Any

import pytest
from fastapi import Request

from shared.errors import ClientGone, Overloaded, TooLarge
from shared.inference.bodies import INLINE_PACKED_BYTES, Room, Share, read_packed, read_up_to


def request(*chunks: bytes, announced: int | None = None, cut: bool = False) -> Request:
    pending: list[dict[str, Any]] = [
        {"type": "http.request", "body": chunk, "more_body": cut or index < len(chunks) - 1}
        for index, chunk in enumerate(chunks)
    ]

    async def receive() -> dict[str, Any]:
        return pending.pop(0) if pending else {"type": "http.disconnect"}

    headers = [] if announced is None else [(b"content-length", b"%d" % announced)]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


async def test_a_body_in_pieces() -> None:
    room = Room(100)
    with Share(room) as share:
        assert await read_up_to(request(b"ab", b"", b"c"), 3, share) == b"abc"
        assert room.held == 3
    assert room.held == 0


@pytest.mark.parametrize("announced", [None, 4])
async def test_more_than_the_limit_is_refused_when_it_is_known(announced: int | None) -> None:
    sent = request(b"ab", b"cd", announced=announced)
    with Share(Room(100)) as share, pytest.raises(TooLarge, match="the 3 bytes"):
        await read_up_to(sent, 3, share)
    if announced:
        assert (await sent.receive())["body"] == b"ab", "nothing was read"


async def test_all_together_fit_into_the_room() -> None:
    room = Room(5)
    with Share(room) as one, Share(room) as other:
        await read_up_to(request(b"abc", announced=3), 10, one)
        for sent in (request(b"abc", announced=3), request(b"ab", b"c")):
            with pytest.raises(Overloaded, match="5 may be") as refused:
                await read_up_to(sent, 10, other)
            assert "Retry-After" in refused.value.headers
        assert room.held == 5
    assert room.held == 0


@pytest.mark.parametrize("size", [100, 5_000_000])
async def test_what_is_unpacked_counts_as_well(size: int) -> None:
    data = bytes(size)
    packed = gzip.compress(data)
    assert (len(packed) <= INLINE_PACKED_BYTES) == (size == 100)
    room = Room(len(packed) + size - 1)
    with Share(room) as share, pytest.raises(Overloaded):
        await read_packed(request(packed), "gzip", size, share)
    room.limit += 1
    with Share(room) as share:
        assert await read_packed(request(packed), "gzip", size, share) == data
        assert room.held == len(packed) + size
    assert room.held == 0


async def test_half_a_body_is_none() -> None:
    with Share(Room(100)) as share, pytest.raises(ClientGone):
        await read_up_to(request(b"ab", cut=True), 10, share)
