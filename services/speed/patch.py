"""The road ahead as two frames show it, compared: how well one is the other, moved by the car."""

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Matrix = NDArray[np.floating]

NEAR_M, FAR_M, HALF_WIDTH_M = 6.0, 18.0, 3.0
ROWS, COLUMNS = 48, 48
BANDS, LANES = 6, 4
CONTRAST = 2.0
"""Grey levels of standard deviation below which a cell says little."""
ALIKE = 0.8


def _grid() -> NDArray[np.float64]:
    ahead = 1 / np.linspace(1 / NEAR_M, 1 / FAR_M, ROWS)
    lateral = np.linspace(-HALF_WIDTH_M, HALF_WIDTH_M, COLUMNS)
    across, along = np.meshgrid(lateral, ahead)
    return np.stack([across.ravel(), along.ravel(), np.ones(ROWS * COLUMNS)])


GRID = _grid()


class Patch:
    """Road points of two frames; homographies [3, 3] take (lateral, ahead, 1) in metres to their pixels."""

    def __init__(self, earlier: Grey, later: Grey, earlier_homography: Matrix, later_homography: Matrix) -> None:
        self._earlier = earlier
        self._homography = np.asarray(earlier_homography, np.float64)
        self._now = _cells(later, np.asarray(later_homography, np.float64) @ GRID)
        self._own = (self._now**2).mean(1)

    def alike(self, metres: float) -> tuple[float, float]:
        """If the car drove so far between the two: the correlation of the whole patch, cells at their own means, and
        the share of the cells that have contrast which are alike."""
        moved = self._homography @ GRID + self._homography[:, 1:2] * metres
        then = _cells(self._earlier, moved)
        together, other = (then * self._now).mean(1), (then**2).mean(1)
        floor = CONTRAST**2
        whole = together.sum() / np.sqrt((other.sum() + floor) * (self._own.sum() + floor))
        seen = self._own > floor
        each = together / np.sqrt((other + floor) * (self._own + floor))
        return float(whole), float((each[seen] > ALIKE).mean()) if seen.any() else 0.0


def _cells(frame: Grey, points: NDArray[np.float64]) -> NDArray[np.float32]:
    """Grey levels [cells, pixels of one] at homogeneous pixels [3, P], each cell's mean taken off."""
    depth = np.maximum(points[2], 0.1)
    across, down = ((points[k] / depth).astype(np.float32).reshape(ROWS, COLUMNS) for k in (0, 1))
    seen = cv2.remap(frame, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    cells = seen.reshape(BANDS, ROWS // BANDS, LANES, COLUMNS // LANES).swapaxes(1, 2).reshape(BANDS * LANES, -1)
    return np.asarray(cells - cells.mean(1, keepdims=True))
