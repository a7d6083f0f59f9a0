"""Corners of one frame and where they went in the next: pyramidal Lucas-Kanade, checked backwards.

Shi & Tomasi, Good features to track (CVPR 1994); Bouguet, Pyramidal implementation of the Lucas Kanade feature tracker
(Intel, 2000).
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Points = NDArray[np.float64]

FEATURES = 350
QUALITY = 0.002
WINDOW = (13, 13)
LEVELS = 3
RETURN_LEVELS = 1
"""The way back is looked for beside where the track began: half the cost of looking anew, and rotations as true."""
LARGE_PX = 200_000
"""Of a frame with more pixels the corners are looked for at half its size, and the way back at its own alone. At
640x480 that takes 4.1 ms instead of 8.6, and the speeds of six rendered drives are as true: .0088 (m/s)^2, causal,
instead of .0103."""
STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 12, 0.01)
RETURN_PX = 0.5
"""A track must come back this close to where it began."""


def corners(frame: Grey) -> NDArray[np.float32]:
    """Pixels (x, y) [corners, 1, 2], at most FEATURES of them, apart by an eightieth of the width or more."""
    if frame.size > LARGE_PX:
        half = cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        return 2 * _corners(half, block=3) + np.float32(0.5)
    return _corners(frame, block=5)


def track(earlier: Grey, later: Grey, begun: NDArray[np.float32] | None = None) -> tuple[Points, Points]:
    """Where the corners of the earlier frame, or those `begun` [corners, 1, 2], went: pixels [tracks, 2] before and
    after."""
    begun = corners(earlier) if begun is None else begun
    if not len(begun):
        return np.empty((0, 2)), np.empty((0, 2))
    return_levels = 0 if earlier.size > LARGE_PX else RETURN_LEVELS
    moved, found = _flow(earlier, later, begun, LEVELS, begun, 0)
    back, found_back = _flow(later, earlier, moved, return_levels, begun, cv2.OPTFLOW_USE_INITIAL_FLOW)
    astray = np.linalg.norm((back - begun).reshape(-1, 2), axis=1)
    good = found & found_back & (astray < RETURN_PX)
    return begun.reshape(-1, 2)[good].astype(np.float64), moved.reshape(-1, 2)[good].astype(np.float64)


def _corners(frame: NDArray[Any], block: int) -> NDArray[np.float32]:
    spacing = max(5.0, frame.shape[1] / 80)
    found = cv2.goodFeaturesToTrack(frame, FEATURES, QUALITY, spacing, blockSize=block)
    return np.empty((0, 1, 2), np.float32) if found is None else np.asarray(found, np.float32)


def _flow(
    source: Grey, target: Grey, points: NDArray[Any], levels: int, guess: NDArray[Any], flags: int
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    moved, status, _ = cv2.calcOpticalFlowPyrLK(
        source, target, points, guess.copy(), winSize=WINDOW, maxLevel=levels, criteria=STOP, flags=flags
    )
    return moved, status.ravel() == 1
