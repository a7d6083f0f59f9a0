"""A video with its speeds drawn in, for a person to judge them by.

Rungs lie on the road ahead, three metres apart: they stay where they are on the asphalt as far as the speed is right.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import FileIO
from typing import Any

import cv2
import numpy as np

from services.speed.camera import Attitude, Camera, ground_homography
from services.speed.canvas import BOLD, SHIFT, Axes, Colour, Picture, Writing, fixed, highest, lowest, ticks
from services.speed.film import film
from shared.kalman import Array

NARROWEST, WIDEST, HIGHEST = 640, 1280, 1280
"""Pixels across and down that a film's picture has: smaller ones are enlarged, larger ones reduced, high ones stand in
the middle of a film of the least width."""
BAR = 0.17
"""Height of the bar below the picture, as a share of its width."""
WINDOW_S = 10.0
NEAR_M, FAR_M, HALF_WIDTH_M = 6.0, 18.0, 1.75
RUNG_M = 3.0
KMH = 3.6
DARK: Colour = (30, 25, 22)
WHITE: Colour = (250, 248, 246)
FAINT: Colour = (160, 150, 142)
GRID: Colour = (62, 54, 48)
LINE: Colour = (245, 190, 90)
BAND_1: Colour = (128, 92, 44)
BAND_2: Colour = (78, 60, 38)
RAW: Colour = (130, 200, 110)
ROAD: Colour = (120, 220, 120)


@dataclass(frozen=True, slots=True)
class Told:
    """What there is to be drawn of a sequence: columns [T], one entry a frame. `attitudes` [T] or none: how the camera
    sat on the car, None for its nominal pitch; `troubles` [T] or none: what is wrong with a frame."""

    camera: Camera
    time_s: Array
    speed_mps: Array
    sd_mps: Array
    raw_mps: Array
    attitudes: Sequence[Attitude | None] = ()
    troubles: Sequence[str | None] = ()
    title: str = ""


def draw_film(
    told: Told,
    pictures: Iterable[tuple[float, Picture]],
    fps: float,
    file: FileIO,
    check: Callable[[], None],
    report: Callable[[float], None],
) -> None:
    """Writes the film of a sequence's pictures, in order, to an open file. `check` is called before each and may raise
    to stop; `report` with the share that is done. Raises Overloaded when the disk is full."""
    overlay = Overlay(told)
    frames = len(told.time_s)
    with film(file, overlay.width, overlay.height, fps) as out:
        for index, (time_s, picture) in zip(range(frames), pictures, strict=False):
            check()
            out.add(time_s, overlay.draw(index, picture))
            report((index + 1) / frames)


class Overlay:
    """Draws a sequence's frames, in order. `width` and `height` are those of the film, both even."""

    def __init__(self, told: Told) -> None:
        self._told = told
        camera = told.camera
        scale = min(min(max(camera.width, NARROWEST), WIDEST) / camera.width, HIGHEST / camera.height)
        self._size = _even(camera.width * scale), _even(camera.height * scale)
        self._enlarged = np.diag([self._size[0] / camera.width, self._size[1] / camera.height, 1.0])
        self.width = max(self._size[0], NARROWEST)
        self._left = (self.width - self._size[0]) // 2
        bar = _even(max(112, BAR * self.width))
        self.height = self._size[1] + bar
        self._writing = Writing()
        self._unit = bar / 112
        high = highest(told.speed_mps, told.sd_mps)
        self._values = (lowest(told.speed_mps, high), high)
        self._driven = _driven(told)

    def draw(self, index: int, picture: Picture) -> Picture:
        """The frame of that index, [height, width, 3], as it appears in the film."""
        across, down = self._size
        how = cv2.INTER_AREA if picture.shape[1] > across else cv2.INTER_LINEAR
        canvas = np.empty((self.height, self.width, 3), np.uint8)
        canvas[:] = DARK
        shown = canvas[:down, self._left : self._left + across]
        shown[:] = cv2.resize(picture, self._size, interpolation=how)
        self._draw_road(shown, index)
        self._write(canvas, index)
        self._plot(canvas, index)
        return canvas

    def _draw_road(self, picture: Picture, index: int) -> None:
        told = self._told
        attitude = told.attitudes[index] if told.attitudes else None
        homography = self._enlarged @ ground_homography(told.camera, attitude or Attitude(told.camera.pitch_rad))
        side = HALF_WIDTH_M
        outline = _seen(homography, [(-side, NEAR_M), (-side, FAR_M), (side, FAR_M), (side, NEAR_M)])
        if outline is None:
            return
        layer = picture.copy()
        cv2.fillPoly(layer, [outline], ROAD, cv2.LINE_AA, SHIFT)
        cv2.addWeighted(layer, 0.18, picture, 0.82, 0, picture)
        cv2.polylines(picture, [outline], True, ROAD, 1, cv2.LINE_AA, SHIFT)
        offset = -self._driven[index] % RUNG_M
        for ahead in np.arange(NEAR_M - NEAR_M % RUNG_M + offset, FAR_M, RUNG_M):
            rung = _seen(homography, [(-side, ahead), (side, ahead)]) if ahead >= NEAR_M else None
            if rung is not None:
                cv2.polylines(picture, [rung], False, ROAD, 1, cv2.LINE_AA, SHIFT)

    def _write(self, canvas: Picture, index: int) -> None:
        told, unit, top = self._told, self._unit, self._size[1]
        speed, sd = float(told.speed_mps[index]), float(told.sd_mps[index])
        left = 20 * unit
        if np.isfinite(speed):
            large, small = f"{speed:.1f} ± {sd:.1f} m/s", f"{speed * KMH:.0f} ± {sd * KMH:.0f} km/h"
        else:
            large, small = "no speed", ""
        self._writing.put(canvas, large, left, top + 48 * unit, round(32 * unit), WHITE, weight=BOLD)
        self._writing.put(canvas, small, left, top + 76 * unit, round(19 * unit), WHITE)
        trouble = told.troubles[index] if told.troubles else None
        said = (
            f"not measured{f': {trouble}' if trouble else ''}" if index and np.isnan(told.raw_mps[index]) else trouble
        )
        self._writing.put(
            canvas, said if index and said else told.title, left, top + 100 * unit, round(13 * unit), FAINT
        )

    def _plot(self, canvas: Picture, index: int) -> None:
        told, unit, top = self._told, self._unit, self._size[1]
        now = float(told.time_s[index])
        first = int(np.searchsorted(told.time_s, now - WINDOW_S))
        shown = slice(max(first - 1, 0), index + 1)
        left = 300 * unit if self.width >= 600 * unit else self.width / 2
        box = (round(left), round(top + 14 * unit), round(self.width - 56 * unit), round(top + 90 * unit))
        axes = Axes(box, (now - WINDOW_S, now), self._values)
        area = canvas[:, box[0] : box[2] + round(6 * unit)]
        inside = Axes((0, box[1], box[2] - box[0], box[3]), axes.times, axes.values)
        time_s, speed, sd = told.time_s[shown], told.speed_mps[shown], told.sd_mps[shown]
        inside.band(area, time_s, speed - 2 * sd, speed + 2 * sd, BAND_2)
        inside.band(area, time_s, speed - sd, speed + sd, BAND_1)
        self._scale(canvas, axes)
        inside.dots(area, time_s, told.raw_mps[shown], RAW, 1.5 * unit)
        inside.line(area, time_s, speed, LINE, max(1, round(1.6 * unit)))
        inside.dots(area, time_s[-1:], speed[-1:], WHITE, 3.2 * unit)

    def _scale(self, canvas: Picture, axes: Axes) -> None:
        left, _, right, bottom = axes.box
        unit = self._unit
        for value in ticks(*axes.values, 4):
            y = round(axes.y(value))
            cv2.line(canvas, (left, y), (right, y), GRID, 1)
            self._writing.put(canvas, f"{value:g}", right + 10 * unit, y + 4 * unit, round(12 * unit), FAINT)
        below = bottom + 15 * unit
        self._writing.put(canvas, f"{WINDOW_S:g} s ago", left, below, round(12 * unit), FAINT)
        self._writing.put(canvas, "now", right, below, round(12 * unit), FAINT, anchor=0.5)
        self._writing.put(canvas, "m/s", right + 22 * unit, below, round(12 * unit), FAINT)


def _driven(told: Told) -> Array:
    """[T] metres since the first frame, by the speeds."""
    speed = np.nan_to_num(told.speed_mps)
    return np.concatenate([[0.0], np.cumsum(np.diff(told.time_s) * (speed[1:] + speed[:-1]) / 2)])


def _seen(homography: Any, points: Sequence[tuple[float, float]]) -> Any:
    """Points of the road in the picture, in OpenCV's fixed point; None where one lies behind the camera."""
    rays = homography @ np.array([(*point, 1.0) for point in points]).T
    return None if (rays[2] <= 1e-3).any() else fixed((rays[:2] / rays[2]).T)


def _even(length: float) -> int:
    return max(2, 2 * round(length / 2))
