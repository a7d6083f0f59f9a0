"""Both layers behind one face: the process answers what it can, Redis the rest."""

import asyncio
import time
from collections.abc import Callable

from shared.cache.entry import Entry
from shared.cache.memory import MemoryCache
from shared.cache.remote import RemoteCache

PENDING_WRITES = 128
"""Writes to Redis under way at once; beyond them an entry stays in the process alone."""


class Cache:
    """`peek` asks the process, `fetch` asks Redis and brings what it finds into the process."""

    def __init__(self, memory: MemoryCache, remote: RemoteCache, *, clock: Callable[[], float] = time.time) -> None:
        self.memory = memory
        self.remote = remote
        self.clock = clock
        self._writes: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        await self.remote.start()

    @property
    def shared(self) -> bool:
        """Whether there is a Redis to ask now."""
        return self.remote.available

    def peek(self, key: bytes) -> Entry | None:
        return self.memory.get(key, self.clock())

    async def fetch(self, key: bytes) -> Entry | None:
        entry = await self.remote.get(key)
        if entry is not None:
            self.memory.set(key, entry)
        return entry

    def store(self, key: bytes, entry: Entry) -> None:
        """In the process at once, in Redis as soon as it takes it; nobody waits for that."""
        self.memory.set(key, entry)
        if len(self._writes) < PENDING_WRITES:
            write = asyncio.create_task(self.remote.set(key, entry))
            self._writes.add(write)
            write.add_done_callback(self._writes.discard)

    async def settled(self) -> None:
        """Returns when every write begun so far has ended."""
        if self._writes:
            await asyncio.wait(set(self._writes))

    async def aclose(self) -> None:
        await self.settled()
        await self.remote.aclose()
