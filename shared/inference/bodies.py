"""Bodies that are held in memory, so bounded one by one and all together."""

import asyncio
from types import TracebackType

from fastapi import Request

from shared.errors import ClientGone, Overloaded, TooLarge
from shared.inference.encodings import unpack

INLINE_PACKED_BYTES = 1 << 10
"""Up to this size, a megabyte unpacked, it is done on the event loop."""


class Room:
    """Bytes of bodies that a process may hold at a time."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0


class Share:
    """One request's part of the room, given back at the end of the `with` block."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._taken = 0

    def __enter__(self) -> "Share":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._room.held -= self._taken

    def up_to(self, size: int) -> None:
        """Takes what `size` bytes need beyond what has been taken. Raises Overloaded where there is no room."""
        more = max(0, size - self._taken)
        if self._room.held + more > self._room.limit:
            raise Overloaded(
                f"{self._room.held:,} bytes of requests are held, {self._room.limit:,} may be; {more:,} more do not fit"
            )
        self._room.held += more
        self._taken += more


async def read_packed(request: Request, encoding: str, limit: int, share: Share) -> bytes:
    """The body, unpacked. Raises TooLarge where it has more than `limit` bytes, packed or unpacked."""
    body = await read_up_to(request, limit, share)
    if encoding in ("", "identity"):
        return body
    if len(body) <= INLINE_PACKED_BYTES:
        unpacked = unpack(body, encoding, limit)
    else:
        unpacked = await asyncio.to_thread(unpack, body, encoding, limit)
    share.up_to(len(body) + len(unpacked))
    return unpacked


async def read_up_to(request: Request, limit: int, share: Share) -> bytes:
    """Raises TooLarge and Overloaded by the announced length, or as soon as more has come."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit():
        _check(int(announced), limit)
        share.up_to(int(announced))
    chunks, size = [], 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone("the client hung up before its body was complete")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        _check(size, limit)
        share.up_to(size)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _check(size: int, limit: int) -> None:
    if size > limit:
        raise TooLarge(f"the body is larger than the {limit:,} bytes that are taken here")
