"""What stands and drives beside the road: upright textured panels, and boxes of them.

A texture is float32 [height, width, (grey x opacity, opacity)], top row first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
SIZE = 256
NEAR_M = 1.2


def texture(grey: Floats, opacity: Floats | float = 1.0) -> list[Floats]:
    """A texture and its reductions."""
    opaque = np.broadcast_to(np.asarray(opacity, np.float32), grey.shape)
    levels = [np.stack([np.clip(grey, 0, 255) * opaque, opaque], axis=-1).astype(np.float32)]
    while min(levels[-1].shape[:2]) > 8:
        height, width = levels[-1].shape[:2]
        smaller = cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        levels.append(np.asarray(smaller, np.float32))
    return levels


def noise(draw: np.random.Generator, *cells: int, size: int = SIZE) -> Floats:
    """The sum of smooth noises with cells of that many texels, divided by their number's root."""
    whole = np.zeros((size, size), np.float32)
    for cell in cells:
        grain = draw.standard_normal((size // cell + 1, size // cell + 1), dtype=np.float32)
        whole += cv2.resize(grain, (size, size), interpolation=cv2.INTER_CUBIC)
    return whole / np.float32(np.sqrt(len(cells)))


def foliage(draw: np.random.Generator, base: float, *, wall: bool) -> list[Floats]:
    """Leaves: a hedge or the edge of a wood when `wall`, else the crown of a tree."""
    grey = base * np.exp(0.55 * noise(draw, 3, 7, 16) + 0.35 * noise(draw, 40))
    down, across = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    ragged = 0.10 * noise(draw, 6, 20)
    if wall:
        opaque = down > 0.12 + ragged + 0.08 * np.sin(2 * np.pi * (across * 2 + draw.random()))
        grey *= 1.15 - 0.6 * down
    else:
        opaque = np.hypot(across - 0.5, down - 0.5) < 0.42 + ragged
        opaque &= noise(draw, 6, 14) > -1.1
    return texture(grey, cv2.GaussianBlur(opaque.astype(np.float32), (0, 0), 0.8))


def facade(draw: np.random.Generator) -> list[Floats]:
    """A house with windows and a door."""
    wall = draw.uniform(70, 230)
    grey = wall + 5 * noise(draw, 2, 8) + 8 * noise(draw, 64)
    rows, columns = int(draw.integers(2, 4)), int(draw.integers(3, 7))
    for row in range(rows):
        for column in range(columns):
            x, y = round((column + 0.3) * SIZE / columns), round((row + 0.25) * SIZE / rows)
            wide, tall = round(0.4 * SIZE / columns), round(0.5 * SIZE / rows)
            cv2.rectangle(grey, (x - 2, y - 2), (x + wide + 2, y + tall + 2), float(wall * 1.15), -1)
            cv2.rectangle(grey, (x, y), (x + wide, y + tall), float(draw.uniform(20, 90)), -1)
            cv2.line(grey, (x + wide // 2, y), (x + wide // 2, y + tall), float(wall), 2)
    return texture(grey)


def rail(draw: np.random.Generator) -> list[Floats]:
    """A guard rail: a beam on posts."""
    grey = np.full((64, SIZE), draw.uniform(110, 190), np.float32) + 6 * draw.standard_normal((64, SIZE))
    grey[8:30] *= np.linspace(1.2, 0.7, 22)[:, None]
    opaque = np.zeros((64, SIZE), np.float32)
    opaque[4:34] = 1
    opaque[34:, ::64] = opaque[34:, 1::64] = opaque[34:, 2::64] = 1
    return texture(grey, opaque)


def post(draw: np.random.Generator) -> list[Floats]:
    """A pole, a trunk or a marker post."""
    grey = draw.uniform(25, 220) + 8 * noise(draw, 2, 16, size=64)
    if draw.random() < 0.4:
        grey[8:20] = 30
    return texture(np.asarray(grey[:, :16] * np.linspace(1.2, 0.6, 16)))


def car_back(draw: np.random.Generator, paint: float) -> list[Floats]:
    """A car seen from behind or before."""
    grey = np.full((96, 128), paint, np.float32) * np.linspace(1.1, 0.75, 96)[:, None]
    opaque = np.ones(grey.shape, np.float32)
    cv2.rectangle(grey, (20, 8), (108, 36), float(draw.uniform(15, 60)), -1)
    cv2.rectangle(grey, (44, 58), (84, 68), 210.0, -1)
    for left in (6, 104):
        cv2.rectangle(grey, (left, 44), (left + 18, 54), float(draw.uniform(40, 250)), -1)
        cv2.rectangle(grey, (left, 80), (left + 20, 95), 12.0, -1)
    cv2.rectangle(grey, (26, 82), (102, 95), 20.0, -1)
    for x in range(22):
        opaque[: 40 - 2 * x, [x, 127 - x]] = 0
    return texture(grey, opaque)


def car_side(draw: np.random.Generator, paint: float) -> list[Floats]:
    grey = np.full((96, 256), paint, np.float32) * np.linspace(1.15, 0.7, 96)[:, None]
    opaque = np.zeros(grey.shape, np.float32)
    shape = np.array([[4, 84], [2, 50], [50, 40], [80, 6], [180, 4], [228, 42], [254, 52], [252, 84]], np.int32)
    cv2.fillPoly(opaque, [shape], 1.0)
    glass = np.array([[62, 40], [86, 12], [176, 10], [212, 40]], np.int32)
    cv2.fillPoly(grey, [glass], float(draw.uniform(20, 70)))
    cv2.line(grey, (130, 10), (130, 80), float(paint * 0.6), 2)
    for x in (52, 204):
        cv2.circle(opaque, (x, 80), 15, 1.0, -1)
        cv2.circle(grey, (x, 80), 15, 14.0, -1)
        cv2.circle(grey, (x, 80), 8, float(draw.uniform(90, 200)), -1)
    return texture(grey, opaque)


@dataclass(frozen=True)
class Panel:
    """Upright, from one point of the ground to another (world [3] each), `height` metres tall, standing `lift` above
    the ground; it shows the columns of its texture between the shares `u` [2]."""

    start: Floats
    end: Floats
    height: float
    texture: Sequence[Floats]
    u: tuple[float, float] = (0.0, 1.0)
    lift: float = 0.0


def clipped(start: Floats, end: Floats, u: tuple[float, float]) -> tuple[Floats, Floats, tuple[float, float]] | None:
    """The part of a line (camera axes) that lies before NEAR_M; None where there is none."""
    if start[2] < NEAR_M and end[2] < NEAR_M:
        return None
    a, b = start, end
    first, last = u
    if start[2] < NEAR_M:
        t = (NEAR_M - start[2]) / (end[2] - start[2])
        a, first = start + t * (end - start), u[0] + t * (u[1] - u[0])
    elif end[2] < NEAR_M:
        t = (NEAR_M - start[2]) / (end[2] - start[2])
        b, last = start + t * (end - start), u[0] + t * (u[1] - u[0])
    return a, b, (first, last)


def paint(frame: Floats, panel: Panel, to_camera: Floats, centre: Floats, matrix: Floats, light: float) -> None:
    """Draws the panel into the frame [H, W] of a camera at `centre` that turns world directions by `to_camera`."""
    up = to_camera @ np.array([0.0, -1.0, 0.0])
    base = panel.lift * up
    kept = clipped(to_camera @ (panel.start - centre) + base, to_camera @ (panel.end - centre) + base, panel.u)
    if kept is None:
        return
    a, b, (first, last) = kept
    corners = np.stack([a + panel.height * up, b + panel.height * up, b, a]) @ matrix.T
    if corners[:, 2].min() < 0.3:
        return
    pixels = corners[:, :2] / corners[:, 2:]
    low = np.maximum(np.floor(pixels.min(0)), 0).astype(int)
    high = np.minimum(np.ceil(pixels.max(0)) + 1, frame.shape[::-1]).astype(int)
    if (high - low).min() < 1 or (high - low).max() < 2:
        return
    tall = max(np.ptp(pixels[:, 1]), 1e-3)
    level = int(np.clip(np.rint(np.log2(panel.texture[0].shape[0] / tall)), 0, len(panel.texture) - 1))
    source = panel.texture[level]
    height, width = source.shape[:2]
    rect = np.array([[first * width, 0], [last * width, 0], [last * width, height], [first * width, height]]) - 0.5
    warp = cv2.getPerspectiveTransform(rect.astype(np.float32), (pixels - low).astype(np.float32))
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    drawn = cv2.warpPerspective(source, warp, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    part = frame[low[1] : high[1], low[0] : high[0]]
    part *= 1 - drawn[..., 1]
    part += light * drawn[..., 0]
