"""Request bodies on their way to disk, small ones in memory; nothing of them outlives the request."""

import asyncio
import errno
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from io import FileIO
from typing import Protocol

from fastapi import Request

from shared.bodies import refuse_coding
from shared.context import current_context
from shared.errors import ClientGone, DeadlinePassed, Overloaded

WRITE_BYTES = 1 << 20
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(slots=True)
class Part:
    """One file of a form: where in the upload its bytes stand."""

    name: str
    filename: str
    offset: int
    size: int = 0


class Files(Protocol):
    """Where images come from."""

    @property
    def parts(self) -> Sequence[Part]: ...

    def read(self, part: Part) -> bytes: ...


class InMemory:
    """Files that are held already."""

    def __init__(self, contents: Sequence[bytes]) -> None:
        self._contents = contents
        self.parts = [Part("", "", index, len(content)) for index, content in enumerate(contents)]

    def read(self, part: Part) -> bytes:
        return self._contents[part.offset]


@dataclass(slots=True)
class Upload:
    """A body in one file without a name, on disk or in memory: the system frees it with its last descriptor, even after
    a crash.

    Whoever computes takes it over by `taken()`; until then `discard()` closes it. Both may happen at once on two
    threads, since a client may hang up while its computation starts.
    """

    file: FileIO
    size: int = 0
    parts: list[Part] = field(default_factory=list)
    fields: dict[str, list[str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: bool = True

    @contextmanager
    def taken(self) -> Iterator["Upload"]:
        """Raises ClientGone when it has been discarded already."""
        with self._lock:
            if not self._open:
                raise ClientGone("the client hung up")
            self._open = False
        with self.file:
            yield self

    def discard(self) -> None:
        with self._lock:
            if self._open:
                self._open = False
                self.file.close()

    @property
    def path(self) -> str:
        """A path that opens the file anew; valid while it is taken."""
        return f"/proc/self/fd/{self.file.fileno()}"

    def read(self, part: Part) -> bytes:
        return os.pread(self.file.fileno(), part.size, part.offset)

    @contextmanager
    def alone(self, part: Part) -> Iterator["Upload"]:
        """One file of a form as an upload of its own, copied by the system; taken. Raises Overloaded as `writing`."""
        with tempfile.TemporaryFile(buffering=0) as file:
            with full_disk_is_overload():
                done = 0
                while done < part.size:
                    done += os.sendfile(file.fileno(), self.file.fileno(), part.offset + done, part.size - done)
            yield Upload(file, part.size)


@asynccontextmanager
async def receive_raw(request: Request) -> AsyncIterator[Upload]:
    """The body as it is. Raises ClientGone when it is cut off, DeadlinePassed when it takes too long,
    Overloaded when the disk is full."""
    with writing() as writer:
        async for chunk in chunks(request):
            await writer.write(chunk)
        yield await writer.finish()


async def chunks(request: Request) -> AsyncIterator[bytes]:
    refuse_coding(request)
    context = current_context.get()
    while True:
        try:
            async with asyncio.timeout(context.remaining_s() if context else None):
                message = await request.receive()
        except TimeoutError:
            raise DeadlinePassed("the request's deadline passed before its body was complete") from None
        if message["type"] == "http.disconnect":
            raise ClientGone("the client hung up before its body was complete")
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


class Writer:
    """Gathers what comes. A body below a mebibyte stays in memory, which needs no thread; of a larger one a mebibyte at
    a time is written to disk on a thread: a slow disk holds nobody else up."""

    def __init__(self, upload: Upload) -> None:
        self.upload = upload
        self._buffer = bytearray()

    async def write(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) >= WRITE_BYTES:
            await self._flush()

    async def _flush(self) -> None:
        data, self._buffer = self._buffer, bytearray()
        if not self.upload.size:
            self.upload.file.close()
            with full_disk_is_overload():
                self.upload.file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        self.upload.size += len(data)
        await asyncio.to_thread(_write, self.upload.file, data)

    async def finish(self) -> Upload:
        if self.upload.size:
            await self._flush()
        else:
            self.upload.size = len(self._buffer)
            _write(self.upload.file, self._buffer)
        return self.upload


def _write(file: FileIO, data: bytearray) -> None:
    rest = memoryview(data)
    with full_disk_is_overload():
        while rest:
            rest = rest[file.write(rest) :]


@contextmanager
def full_disk_is_overload() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise Overloaded("the disk has no room for this request now; come back when others are done") from None


@contextmanager
def writing() -> Iterator[Writer]:
    upload = Upload(FileIO(os.memfd_create("upload"), "r+"))
    try:
        yield Writer(upload)
    finally:
        upload.discard()
