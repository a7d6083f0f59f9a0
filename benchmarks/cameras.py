"""Cameras that send frames at their own pace and take what comes back, as a process of its own.

`python -m benchmarks.cameras`: takes `Cameras` on standard input, writes `Seen`, both pickled.
"""

import asyncio
import gc
import pickle
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.checks import WrongAnswer
from benchmarks.servers import ROOT

PATIENCE_S = 60.0
FASTEST_MPS = 60.0
"""The clip begins again at its end, which looks like any speed."""


@dataclass(frozen=True)
class Cameras:
    """`count` cameras, each sending `pictures` in turn, `fps` a second, for `seconds` after `warmup_s` of the same."""

    url: str
    count: int
    fps: float
    seconds: float
    pictures: Sequence[bytes]
    warmup_s: float = 1.0


@dataclass
class Seen:
    """Of the frames sent in the time that counts: milliseconds from when each was due to its reply; how many were
    dropped, and how many had no speed. `wrong` says what no reply may be."""

    sent: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    dropped: int = 0
    without: int = 0
    wrong: str = ""

    @property
    def dropped_share(self) -> float:
        return self.dropped / max(1, self.sent)


def run(cameras: Cameras) -> Seen:
    """In a process of its own. Raises WrongAnswer."""
    command = [sys.executable, "-m", "benchmarks.cameras"]
    done = subprocess.run(command, cwd=ROOT, input=pickle.dumps(cameras), stdout=subprocess.PIPE, check=True)
    seen: Seen = pickle.loads(done.stdout)
    if seen.wrong:
        raise WrongAnswer(seen.wrong)
    return seen


class Camera:
    """One of them; `first` is the frame that it begins with."""

    def __init__(self, cameras: Cameras, first: int, seen: Seen) -> None:
        self._cameras = cameras
        self._first = first
        self._seen = seen
        self._total = round((cameras.warmup_s + cameras.seconds) * cameras.fps)
        self._counts_from = round(cameras.warmup_s * cameras.fps)

    async def run(self, start: float) -> None:
        """From `start`, on the clock of `time.perf_counter`."""
        address = "ws" + self._cameras.url.removeprefix("http")
        async with connect(address, compression=None, proxy=None, open_timeout=PATIENCE_S, max_queue=None) as socket:
            sending = asyncio.create_task(self._send(socket, start))
            async with asyncio.timeout(PATIENCE_S + self._total / self._cameras.fps):
                await self._take(socket, start)
            await sending

    async def _send(self, socket: ClientConnection, start: float) -> None:
        pictures = self._cameras.pictures
        for index in range(self._total):
            await asyncio.sleep(max(0.0, self._due(start, index) - time.perf_counter()))
            await socket.send(pictures[(self._first + index) % len(pictures)])
            self._seen.sent += index >= self._counts_from

    async def _take(self, socket: ClientConnection, start: float) -> None:
        """Until the last frame is answered: the newest is never dropped."""
        index = -1
        while index < self._total - 1:
            reply = orjson.loads(await socket.recv())
            now = time.perf_counter()
            first, index = index + 1, reply["frame"]
            dropped = reply.get("dropped", 0)
            if index != first + dropped or "error" in reply:
                self._seen.wrong = f"after frame {first - 1} came {str(reply)[:200]}"
                return
            self._seen.dropped += max(0, index - max(first, self._counts_from))
            if index >= self._counts_from:
                self._seen.latencies_ms.append((now - self._due(start, index)) * 1e3)
                speed = reply["speed_mps"]
                self._seen.without += speed is None
                if speed is not None and abs(speed) > FASTEST_MPS:
                    self._seen.wrong = f"a speed out of range: {str(reply)[:200]}"

    def _due(self, start: float, index: int) -> float:
        return start + index / self._cameras.fps


async def all_of(cameras: Cameras) -> Seen:
    """Their frames are due at moments spread evenly."""
    seen, start = Seen(), time.perf_counter() + 0.5
    apart = max(1, len(cameras.pictures) // cameras.count)
    each = (
        Camera(cameras, index * apart, seen).run(start + index / cameras.count / cameras.fps)
        for index in range(cameras.count)
    )
    await asyncio.gather(*each)
    return seen


def main() -> None:
    asked: Cameras = pickle.load(sys.stdin.buffer)
    gc.disable()
    pickle.dump(asyncio.run(all_of(asked)), sys.stdout.buffer)


if __name__ == "__main__":
    from benchmarks import cameras  # by the name under which the other side knows what is pickled

    cameras.main()
