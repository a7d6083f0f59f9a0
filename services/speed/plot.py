"""A sequence's speeds as a picture: the track with its bands, the raw measurements, and where nothing was measured."""

from collections.abc import Sequence

import cv2
import numpy as np

from services.speed.canvas import BOLD, Axes, Colour, Picture, Writing, highest, lowest, runs, ticks
from shared.kalman import Array

SIZE = (1440, 770)
BOX = (110, 96, 1330, 618)
WHITE: Colour = (255, 255, 255)
INK: Colour = (54, 40, 32)
FAINT: Colour = (150, 138, 130)
GRID: Colour = (236, 231, 228)
GAP: Colour = (226, 236, 250)
LINE: Colour = (168, 84, 14)
BAND_1: Colour = (238, 196, 152)
BAND_2: Colour = (250, 230, 212)
RAW: Colour = (120, 170, 60)
KMH = 3.6
MANY = 2000
"""Frames beyond which the measurements lie under the band, so that it can be seen."""


def draw_plot(
    time_s: Array, speed_mps: Array, sd_mps: Array, raw_mps: Array, title: str, notes: Sequence[str] = ()
) -> Picture:
    """All [T]; raw_mps is NaN where a frame was not measured. `notes` stand below, as far as there is room.

    Blue, green, red, SIZE wide and high."""
    picture = np.full((SIZE[1], SIZE[0], 3), 255, np.uint8)
    writing = Writing()
    high = highest(speed_mps, sd_mps)
    axes = Axes(BOX, (float(time_s[0]), float(time_s[-1])), (lowest(speed_mps, high), high))
    _shade_gaps(picture, axes, time_s, raw_mps)
    _grid(picture, axes)
    many = len(time_s) > MANY
    if many:
        axes.dots(picture, time_s, raw_mps, RAW, 1.2)
    axes.band(picture, time_s, speed_mps - 2 * sd_mps, speed_mps + 2 * sd_mps, BAND_2)
    axes.band(picture, time_s, speed_mps - sd_mps, speed_mps + sd_mps, BAND_1)
    _grid(picture, axes, over=True)
    if not many:
        axes.dots(picture, time_s, raw_mps, RAW, 2.4)
    axes.line(picture, time_s, speed_mps, LINE, 1 if many else 2)
    _label(picture, axes, writing)
    _head(picture, writing, title, notes, speed_mps, bool(np.isnan(raw_mps[1:]).any()))
    return picture


def png(picture: Picture) -> bytes:
    """Raises OSError where it cannot be written."""
    written, data = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 6])
    if not written:
        raise OSError("the plot could not be written as PNG")
    return data.tobytes()


def _shade_gaps(picture: Picture, axes: Axes, time_s: Array, raw_mps: Array) -> None:
    """From the last frame measured before a gap to the next one after it; the first frame never is, and no gap."""
    _, top, _, bottom = axes.box
    missing = np.isnan(raw_mps)
    missing[0] &= bool(missing[1:2].all())
    for run in runs(missing):
        start, end = time_s[max(run.start - 1, 0)], time_s[min(run.stop, len(time_s) - 1)]
        cv2.rectangle(picture, (int(axes.x(start)), top), (int(np.ceil(axes.x(end))), bottom), GAP, -1)


def _grid(picture: Picture, axes: Axes, *, over: bool = False) -> None:
    left, top, right, bottom = axes.box
    layer = picture.copy() if over else picture
    for value in ticks(*axes.values, 8):
        y = round(axes.y(value))
        cv2.line(layer, (left, y), (right, y), FAINT if value == 0 else GRID, 1)
    for time in ticks(*axes.times, 12):
        x = round(axes.x(time))
        cv2.line(layer, (x, top), (x, bottom), GRID, 1)
    if over:
        cv2.addWeighted(layer, 0.35, picture, 0.65, 0, picture)


def _label(picture: Picture, axes: Axes, writing: Writing) -> None:
    left, top, right, bottom = axes.box
    cv2.rectangle(picture, (left, top), (right, bottom), FAINT, 1)
    for value in ticks(*axes.values, 8):
        writing.put(picture, f"{value:g}", left - 14, axes.y(value) + 7, 20, INK, anchor=1)
    low, high = (each * KMH for each in axes.values)
    for value in ticks(low, high, 8):
        y = axes.y(value / KMH)
        cv2.line(picture, (right, round(y)), (right + 6, round(y)), FAINT, 1)
        writing.put(picture, f"{value:g}", right + 14, y + 7, 20, FAINT)
    for time in ticks(*axes.times, 12):
        writing.put(picture, f"{time:g}", axes.x(time), bottom + 30, 20, INK, anchor=0.5)
    writing.put(picture, "time, s", (left + right) / 2, bottom + 64, 22, INK, anchor=0.5)
    writing.put(picture, "speed, m/s", left - 70, top - 16, 20, INK)
    writing.put(picture, "km/h", right + 14, top - 16, 20, FAINT)


def _head(
    picture: Picture, writing: Writing, title: str, notes: Sequence[str], speed_mps: Array, has_gaps: bool
) -> None:
    left, _, right, bottom = BOX
    writing.put(picture, title, left, 50, 30, INK, weight=BOLD)
    if np.isfinite(speed_mps).any():
        mean, most = np.nanmean(speed_mps), np.nanmax(speed_mps)
        said = f"mean {mean:.1f} m/s ({mean * KMH:.0f} km/h), highest {most:.1f} m/s ({most * KMH:.0f} km/h)"
    else:
        said = "no frame could be measured"
    writing.put(picture, said, right, 50, 22, INK, anchor=1)
    x: float = left
    entries = [("speed", LINE, 4), ("1 sd", BAND_1, 16), ("2 sd", BAND_2, 16), ("measured, frame by frame", RAW, 0)]
    for text, colour, thick in [*entries, *([("not measured", GAP, 16)] if has_gaps else [])]:
        middle = bottom + 92
        if thick:
            cv2.rectangle(picture, (round(x), middle - thick // 2), (round(x) + 30, middle + thick // 2), colour, -1)
        else:
            cv2.circle(picture, (round(x) + 15, middle), 4, colour, -1, cv2.LINE_AA)
        writing.put(picture, text, x + 40, middle + 7, 20, INK)
        x += 40 + writing.width(text, 20) + 36
    writing.put(picture, writing.fitted(" · ".join(notes), right - left, 16), left, bottom + 132, 16, FAINT)
