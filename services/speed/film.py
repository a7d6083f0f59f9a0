"""Pictures written as a video that browsers play: H.264 in MP4, its index first."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from io import FileIO
from typing import Any, cast

import av
import av.error

from services.speed.canvas import Picture
from services.speed.uploads import DISK_FULL, full_disk_is_overload

TICKS = 90_000
"""Of a second: times of any rate are written to the hundred thousandth."""
QUALITY = {"preset": "veryfast", "crf": "23", "maxrate": "4M", "bufsize": "8M"}
"""Half a megabyte a second at most, so that an hour stays under two gigabytes on disk."""
KEY_FRAMES = 60


class Film:
    """Takes pictures in order. Width and height are even; times increase."""

    def __init__(self, container: Any, width: int, height: int, fps: float) -> None:
        self._container = container
        rate = Fraction(fps).limit_denominator(1000) or Fraction(1)
        stream = cast(av.VideoStream, container.add_stream("libx264", rate=rate, options=QUALITY))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        context.time_base = stream.time_base = Fraction(1, TICKS)
        context.thread_count = 1
        context.gop_size = KEY_FRAMES
        context.max_b_frames = 0
        self._stream = stream
        self._last = -1

    def add(self, time_s: float, picture: Picture) -> None:
        """uint8 [height, width, 3], blue, green, red."""
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
        frame.pts = self._last = max(self._last + 1, round(time_s * TICKS))
        frame.time_base = Fraction(1, TICKS)
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        self._container.mux(self._stream.encode(None))


@contextmanager
def film(file: FileIO, width: int, height: int, fps: float) -> Iterator[Film]:
    """Writes to an open file that may have no name. Raises Overloaded when the disk is full."""
    path = f"/proc/self/fd/{file.fileno()}"
    with full_disk_is_overload():
        try:
            with av.open(path, "w", format="mp4", options={"movflags": "+faststart"}) as container:
                begun = Film(container, width, height, fps)
                yield begun
                begun.finish()
        except av.error.FFmpegError as error:
            if error.errno not in DISK_FULL:
                raise
            raise OSError(errno.ENOSPC, "the disk is full") from None
