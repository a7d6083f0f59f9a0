"""Frames of one client that wait to be measured: few, and none that is late."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waiting:
    """The client's frame number `index`, as it came, and when."""

    index: int
    data: bytes
    came: float


class Backlog:
    """At most `frames` and `size` bytes wait, or one frame that alone is larger, and none longer than `age_s`.

    Where another would be too many, or the oldest has waited too long, all that wait make room for the newest:
    measuring goes on with that, and the frames after it are neighbours again, which is what a speed is measured from.
    """

    def __init__(
        self, frames: int, size: int, age_s: float = float("inf"), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.dropped = 0
        self._most = frames, size
        self._age_s = age_s
        self._clock = clock
        self._waiting: deque[Waiting] = deque()
        self._size = 0
        self._count = 0
        self._ended = False
        self._news = asyncio.Event()
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        """Frames that came, dropped ones included."""
        return self._count

    def put(self, data: bytes) -> None:
        frames, size = self._most
        with self._lock:
            if len(self._waiting) >= frames or self._size + len(data) > size:
                self._drop(0)
            self._waiting.append(Waiting(self._count, data, self._clock()))
            self._size += len(data)
            self._count += 1
        self._news.set()

    def end(self) -> None:
        """No frame comes any more."""
        self._ended = True
        self._news.set()

    async def ready(self) -> bool:
        """As soon as a frame waits; False after the last."""
        while not self._waiting and not self._ended:
            self._news.clear()
            await self._news.wait()
        return bool(self._waiting)

    def take(self) -> Waiting:
        """The oldest that waits and is not late, or the newest; one does. From any thread, one at a time."""
        with self._lock:
            if self._clock() - self._waiting[0].came > self._age_s:
                self._drop(1)
            item = self._waiting.popleft()
            self._size -= len(item.data)
            return item

    def _drop(self, keep: int) -> None:
        """All that wait but the newest `keep`."""
        while len(self._waiting) > keep:
            self._size -= len(self._waiting.popleft().data)
            self.dropped += 1
