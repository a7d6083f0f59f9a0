"""Times of a video's frames."""

import math

from shared.errors import Unprocessable


class Clock:
    """Times that increase: those of the file, or even ones."""

    def __init__(self, fps: float | None, nominal_fps: float) -> None:
        """`fps` gives even times whatever the file states; `nominal_fps`, 0 where there is none, mends stated ones."""
        self.fps = fps
        self.nominal_fps = nominal_fps
        self.repaired = 0
        self._start = self._last = 0.0

    def time_of(self, index: int, stated_s: float) -> float:
        """Seconds since the first frame; `stated_s` is NaN where the file says nothing of this one. Raises
        Unprocessable where it states neither times nor a rate."""
        if self.fps is not None:
            return index / self.fps
        if index == 0:
            self._start = stated_s if math.isfinite(stated_s) else 0.0
            return 0.0
        time_s = stated_s - self._start
        if not time_s > self._last:
            if not self.nominal_fps:
                raise Unprocessable("the file states neither frame times nor a frame rate; pass fps")
            self.repaired += 1
            time_s = self._last + 1 / self.nominal_fps
        self._last = time_s
        return time_s
