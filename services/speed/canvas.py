"""Drawing: lines and areas over axes in pixels, and text, on pictures of blue, green and red."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]

SHIFT = 4
"""Bits of a pixel's fraction that OpenCV draws by."""
FAR_PX = 30_000.0
"""Coordinates are held to that, within what OpenCV's fixed point takes."""
REGULAR, BOLD = 400, 600


class Writing:
    """Text in OpenCV's own typeface. One for each picture or film: a typeface is not to be shared by threads."""

    def __init__(self) -> None:
        self._face = cv2.FontFace("sans")

    def put(
        self, picture: Picture, text: str, x: float, y: float, size: int, colour: Colour, *,
        weight: int = REGULAR, anchor: float = 0.0,
    ) -> None:  # fmt: skip
        """Its baseline begins at (x, y); with anchor 0.5 it is centred there, with 1 it ends there."""
        if anchor:
            x -= anchor * self.width(text, size, weight)
        cv2.putText(picture, text, (round(x), round(y)), colour, self._face, size, weight)

    def width(self, text: str, size: int, weight: int = REGULAR) -> int:
        _, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), self._face, size, weight)
        return int(width)

    def fitted(self, text: str, width: float, size: int) -> str:
        """As much of it as that many pixels hold, the rest told by an ellipsis."""
        if self.width(text, size) <= width:
            return text
        room = max(1, int(len(text) * width / self.width(text, size)) - 3)
        return f"{text[:room].rstrip()} …"


@dataclass(frozen=True, slots=True)
class Axes:
    """A box of pixels, left, top, right and bottom, that shows times and values of these spans."""

    box: tuple[int, int, int, int]
    times: tuple[float, float]
    values: tuple[float, float]

    def x(self, time: Any) -> Any:
        left, _, right, _ = self.box
        return left + (time - self.times[0]) / (self.times[1] - self.times[0]) * (right - left)

    def y(self, value: Any) -> Any:
        _, top, _, bottom = self.box
        return bottom - (value - self.values[0]) / (self.values[1] - self.values[0]) * (bottom - top)

    def points(self, times: Any, values: Any) -> NDArray[np.int32]:
        """[T, 1, 2] in OpenCV's fixed point."""
        return fixed(np.stack([self.x(np.asarray(times)), self.y(np.asarray(values))], axis=-1))

    def line(self, picture: Picture, times: Any, values: Any, colour: Colour, thickness: int) -> None:
        """Breaks where values are NaN."""
        for run in runs(np.isfinite(values)):
            cv2.polylines(picture, [self.points(times[run], values[run])], False, colour, thickness, cv2.LINE_AA, SHIFT)

    def band(self, picture: Picture, times: Any, low: Any, high: Any, colour: Colour) -> None:
        """The area between two lines, as far as it lies within the box."""
        low, high = (np.clip(each, *self.values) for each in (low, high))
        for run in runs(np.isfinite(low) & np.isfinite(high)):
            outline = np.concatenate([self.points(times[run], high[run]), self.points(times[run], low[run])[::-1]])
            cv2.fillPoly(picture, [outline], colour, cv2.LINE_AA, SHIFT)

    def dots(self, picture: Picture, times: Any, values: Any, colour: Colour, radius: float) -> None:
        shown = np.isfinite(values) & (values >= self.values[0]) & (values <= self.values[1])
        for x, y in self.points(times[shown], values[shown])[:, 0].tolist():
            cv2.circle(picture, (x, y), round(radius * (1 << SHIFT)), colour, -1, cv2.LINE_AA, SHIFT)


def fixed(points: Any) -> NDArray[np.int32]:
    """Pixels [P, 2] as OpenCV takes them with SHIFT, [P, 1, 2]."""
    held: NDArray[np.float64] = np.clip(points, -FAR_PX, FAR_PX) * (1 << SHIFT)
    return np.rint(held).astype(np.int32).reshape(-1, 1, 2)


def runs(true: Any) -> list[slice]:
    """Where neighbours are all true, as slices."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], true, [False]]).astype(np.int8)))
    return [slice(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def ticks(low: float, high: float, most: int) -> NDArray[np.float64]:
    """At most that many round numbers within a span, a multiple of 1, 2 or 5 times a power of ten apart."""
    rough = (high - low) / max(most, 1)
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * each for each in (1, 2, 5, 10, 20) if (high - low) / (power * each) < most)
    first = np.ceil(low / step - 1e-9)
    return np.asarray(np.arange(first, np.floor(high / step + 1e-9) + 1) * step + 0.0)


def highest(speed_mps: Any, sd_mps: Any) -> float:
    """A round upper end for an axis that shows speeds and most of their band, m/s."""
    with_band = (speed_mps + 2 * sd_mps)[np.isfinite(speed_mps)]
    if not len(with_band):
        return 10.0
    most = max(float(np.max(speed_mps[np.isfinite(speed_mps)])) * 1.05, float(np.quantile(with_band, 0.98)), 2.0)
    step = float(ticks(0, most, 8)[1])
    return float(np.ceil(most / step - 1e-9) * step)


def lowest(speed_mps: Any, high: float) -> float:
    """0, or a round number below the speeds where the car reverses."""
    least = float(np.min(speed_mps[np.isfinite(speed_mps)], initial=0.0))
    step = float(ticks(0, high, 8)[1])
    return float(np.floor(least / step + 1e-9) * step + 0.0)
