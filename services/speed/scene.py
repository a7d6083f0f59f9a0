"""What a frame shows that makes its speed unsure, or keeps it from being measured at all: evidence off the pictures
alone, in order, at a fraction of a millisecond a frame."""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from math import inf

import cv2
import numpy as np
from numpy.typing import NDArray

from services.speed.order import grey_percentiles

Grey = NDArray[np.uint8]

STRIDE = 4
"""Light is judged on every fourth pixel either way."""
SPAN = (2.0, 98.0)
DARK_LEVEL, DARK_SPAN = 30.0, 16.0
"""Grey levels: a frame is dark whose brightest 2 % lie below the one, or whose darkest and brightest 2 % lie no further
apart than the other. By day the recorded drives span 150 and more."""
THUMB = (40, 24)
ANOTHER_SCENE = 0.45
"""Correlation of two thumbnails below which they show two scenes. In recorded drives it is above 0.77 for frames 0.1 s
apart, and has its median near 0.25 for frames of one drive drawn at random."""
CUT_REACH_S = 0.16
"""Frames further apart may differ that much without a cut: 0.3 s apart in a tight turn they fall to 0.49."""
COPY_LEVELS, COPY_SHARE = 3.5, 0.06
"""Mean difference of two pictures below which they may be one, re-encoded: in grey levels, and in standard deviations
of the picture. Drives at 0.4 m/s differ by 13 levels, 0.3 standard deviations."""
EXACT_SHARE = 0.002
"""Share of pixels that may differ between two copies without any re-encoding."""

REST_MPS, HARDEST_BRAKING = 0.7, 8.0
"""A car measured this slow, and faster by that braking in the time since, may stand now."""
CHANGES, LONG_GAP, EVEN_SD = 9, 2.6, 0.41
"""How many new pictures tell how evenly they come, and what is no gap between two; before that each is taken to come
up to a frame late, of two frames sqrt(2 / 12) of that."""


class Trouble(StrEnum):
    """Why a frame was not measured, or is to be believed less than its neighbours."""

    first = "first"
    """There is no frame before it to be compared with."""
    unseen = "unseen"
    """Too little is tracked from the earlier frame to this one."""
    dark = "dark"
    """Too little light or contrast: night, a covered lens."""
    frozen = "frozen"
    """The picture of the frame before it once more, though the car was not at rest."""
    cut = "cut"
    """Another scene than the earlier frame's."""
    foreign = "foreign"
    """Things move as they do not before a car on a road; a speed may be given, its sd widened."""


@dataclass(frozen=True)
class Look:
    """One frame against the one before it: `dark`, `cut` from it, its `copy`, and that an `exact` one."""

    dark: bool = False
    cut: bool = False
    copy: bool = False
    exact: bool = False


class Watch:
    """Looks at the frames of one video in order."""

    def __init__(self) -> None:
        self._last: Grey | None = None
        self._thumb: NDArray[np.float32] | None = None
        self._time_s = 0.0

    def look(self, grey: Grey, time_s: float) -> Look:
        """`grey` uint8 [height, width], of one size throughout."""
        low, high = grey_percentiles(grey[::STRIDE, ::STRIDE], SPAN)
        dark = high < DARK_LEVEL or high - low < DARK_SPAN
        thumb = _thumbnail(grey)
        found = Look(dark=dark)
        if self._last is not None and self._thumb is not None:
            copy, exact = _copies(self._last, grey)
            near = time_s - self._time_s < CUT_REACH_S
            cut = near and not copy and not dark and float(np.sum(self._thumb * thumb)) < ANOTHER_SCENE
            found = Look(dark, cut, copy, exact)
        self._last, self._thumb, self._time_s = grey, thumb, time_s
        return found


def _thumbnail(grey: Grey) -> NDArray[np.float32]:
    """Of mean 0 and length 1, or all 0."""
    small = cv2.resize(grey, THUMB, interpolation=cv2.INTER_AREA).astype(np.float32)
    small -= small.mean()
    return np.asarray(small / max(float(np.linalg.norm(small)), 1.0))


def _copies(before: Grey, after: Grey) -> tuple[bool, bool]:
    """Whether the one picture may be the other, and whether it is."""
    apart = cv2.absdiff(before, after)
    exact = cv2.countNonZero(apart) <= EXACT_SHARE * apart.size
    mean = cv2.mean(apart)[0]
    if mean > COPY_LEVELS:
        return False, False
    _, spread = cv2.meanStdDev(after)
    return exact or mean < COPY_SHARE * float(spread[0, 0]), exact


class Freeze:
    """Whether pictures that repeat themselves show a car at rest or a video that stopped: the car is at rest where it
    was measured to have all but stopped just before."""

    def __init__(self) -> None:
        self._frozen = self._copying = False
        self._copied_s = -inf
        self._measured: deque[tuple[float, float]] = deque(maxlen=5)
        self._changed: deque[float] = deque(maxlen=CHANGES)

    def measured(self, speed_mps: float, time_s: float) -> None:
        self._measured.append((speed_mps, time_s))

    def saw(self, look: Look, stale: bool, time_s: float) -> bool:
        """Takes in every pair, in order; returns whether it says nothing of the car's motion."""
        if look.copy and not self._copying:
            self._frozen = not self._at_rest(time_s) if self._measured else look.exact
        self._copying = look.copy
        if not look.copy:
            self._changed.append(time_s)
        elif self._frozen:
            self._copied_s = time_s
        return self._frozen and (look.copy or stale)

    @property
    def jitter_s(self) -> float:
        """Standard deviation of the time between two frames, where pictures repeat themselves since a video was made
        one of more frames a second: how unevenly new ones come. Longer gaps are a video that stopped."""
        times = np.array(self._changed)
        if len(times) < 2 or self._copied_s < times[0]:
            return 0.0
        gaps = np.diff(times)
        if len(times) < CHANGES:
            return float(EVEN_SD * gaps.min())
        return float(np.std(gaps[gaps < LONG_GAP * np.median(gaps)]))

    def _at_rest(self, time_s: float) -> bool:
        return any(abs(speed) < REST_MPS + HARDEST_BRAKING * (time_s - then) for speed, then in self._measured)
