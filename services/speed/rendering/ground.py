"""What the ground looks like: asphalt, cobbles, lane marks, kerbs, verges and the shadows that lie on them.

A texture is [along, across] at TEXEL_M, periodic along the road, its middle column the centre line.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Floats = NDArray[np.floating[Any]]

TEXEL_M = 0.025
ROWS, COLUMNS = 4096, 1024
LEVELS = 9
SEAM = 2


@dataclass(frozen=True)
class Look:
    """How a road is made: grey levels, metres, and counts over the texture's hundred metres."""

    half_width_m: float = 3.6
    base: float = 105.0
    grain: float = 9.0
    blotches: float = 8.0
    streaks: float = 5.0
    patches: int = 3
    cracks: int = 5
    tar_lines: int = 1
    covers: int = 2
    cobbles: bool = False
    centre: str = "dashed"
    edges: str = "solid"
    arrows: int = 1
    mark: float = 200.0
    wear: float = 0.3
    kerb: bool = True
    pavement_m: float = 1.8
    verge: float = 90.0
    shade: float = 0.0
    shade_m: float = 0.6
    bars: int = 0


def surface(look: Look, draw: np.random.Generator) -> Floats:
    """Grey levels float32 [ROWS, COLUMNS]."""
    road = _cobbles(look, draw) if look.cobbles else _asphalt(look, draw)
    _marks(road, look, draw)
    ground = _verge(look, draw)
    beside = round(look.half_width_m / TEXEL_M)
    left, right = COLUMNS // 2 - beside, COLUMNS // 2 + beside
    edge = np.rint(_noise(draw, 40, 1)[:, 0] * (0 if look.kerb else 5)).astype(int)
    columns = np.arange(COLUMNS)[None]
    inside = (columns >= left + edge[:, None]) & (columns < right + edge[::-1, None])
    ground = np.where(inside, road, ground)
    if look.kerb:
        _kerbs(ground, left, right, look, draw)
    return np.clip(ground * _shade(look, draw), 0, 255).astype(np.float32)


def _noise(draw: np.random.Generator, along: int, across: int) -> Floats:
    """Smooth noise of unit variance at the grid points, cells of `along` x `across` texels."""
    grain = draw.standard_normal((ROWS // along + 1, max(2, COLUMNS // across + 1)), dtype=np.float32)
    return np.asarray(cv2.resize(grain, (COLUMNS, ROWS), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _fine(draw: np.random.Generator, cell: int) -> Floats:
    """Noise whose tile repeats four times across, which nobody sees."""
    tile = draw.standard_normal((ROWS // cell // 2, COLUMNS // cell // 4), dtype=np.float32)
    large = cv2.resize(tile, (COLUMNS // 4, ROWS // 2), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.tile(large, (2, 4)))


def _asphalt(look: Look, draw: np.random.Generator) -> Floats:
    road = look.base + look.grain * (0.8 * _fine(draw, 1) + 0.7 * _fine(draw, 2) + 0.6 * _fine(draw, 4))
    fine = 0.7 * _fine(draw, 8) + 0.7 * _noise(draw, 16, 16)
    road += look.blotches * (fine + 0.8 * _noise(draw, 60, 40) + 0.8 * _noise(draw, 400, 120))
    road += look.streaks * _noise(draw, 700, 12)
    for _ in range(look.patches):
        _patch(road, look, draw)
    for _ in range(look.cracks):
        _line(road, draw, -draw.uniform(10, 45), 1 + int(draw.random() < 0.3), 14.0)
    for _ in range(look.tar_lines):
        _line(road, draw, -draw.uniform(15, 50), int(draw.integers(2, 5)), 6.0)
    for _ in range(look.covers):
        at = (int(draw.normal(COLUMNS / 2, 90)), int(draw.integers(40, ROWS - 40)))
        cv2.circle(road, at, int(draw.integers(10, 15)), float(look.base + draw.uniform(-60, 40)), -1)
        cv2.circle(road, at, 15, float(look.base - 35), 1)
    return np.asarray(road)


def _patch(road: Floats, look: Look, draw: np.random.Generator) -> None:
    half = round(look.half_width_m / TEXEL_M)
    top, height = int(draw.integers(0, ROWS - 900)), int(draw.integers(30, 900))
    left = int(draw.integers(COLUMNS // 2 - half, COLUMNS // 2 + half - 20))
    width = int(draw.integers(20, 2 * half))
    part = road[top : top + height, left : left + width]
    part *= draw.uniform(0.7, 1.15)
    if draw.random() < 0.6:
        cv2.rectangle(road, (left, top), (left + width, top + height), float(look.base - draw.uniform(15, 40)), 2)


def _line(road: Floats, draw: np.random.Generator, depth: float, wide: int, wobble: float) -> None:
    """A crack or a tar line: along the road, across it, or any way."""
    kind, steps = draw.random(), int(draw.integers(8, 60))
    heading = np.array([0.0, 1.0] if kind < 0.4 else [1.0, 0.0] if kind < 0.7 else draw.normal(size=2))
    moves = 12 * heading + draw.normal(0, wobble / 3, (steps, 2))
    start = [draw.normal(COLUMNS / 2, 110), draw.uniform(0, ROWS)]
    course = (start + np.cumsum(moves, 0) * (0.5 if heading[0] else 1)).astype(np.int32)
    mask = np.zeros(road.shape, np.uint8)
    cv2.polylines(mask, [course], False, 255, wide)
    rows = slice(max(0, int(course[:, 1].min()) - 8), int(course[:, 1].max()) + 8)
    road[rows] += depth * cv2.blur(mask[rows], (3, 3)) / 255.0


def _cobbles(look: Look, draw: np.random.Generator) -> Floats:
    size = int(draw.integers(4, 9))
    tone = draw.standard_normal((ROWS // size + 1, COLUMNS // size + 2), dtype=np.float32)
    tone[1::2] = np.roll(tone[1::2], 1, axis=1)
    road = look.base + 1.4 * look.grain * cv2.resize(tone, None, fx=size, fy=size, interpolation=cv2.INTER_NEAREST)
    road = np.asarray(road[:ROWS, :COLUMNS].copy())
    road[::size] -= 25
    rows = np.arange(ROWS) // size % 2 == 1
    road[np.ix_(~rows, np.arange(0, COLUMNS, size))] -= 25
    road[np.ix_(rows, np.arange(size // 2, COLUMNS, size))] -= 25
    return np.asarray(cv2.GaussianBlur(road, (0, 0), 0.8) + 6 * _noise(draw, 200, 60), dtype=np.float32)


DASHES = {"dashed": (3.0, 9.0), "long": (6.0, 18.0), "short": (1.0, 2.0), "solid": (9.0, 9.0)}


def _marks(road: Floats, look: Look, draw: np.random.Generator) -> None:
    worn = look.mark - road
    worn = worn * np.clip(1 - look.wear * (1 + _noise(draw, 6, 6)), 0, 1)
    mask = np.zeros(road.shape, np.float32)
    inner = look.half_width_m - draw.uniform(0.15, 0.5)
    for kind, places in ((look.centre, (0.0,)), (look.edges, (-inner, inner))):
        if kind in DASHES:
            long, period = DASHES[kind]
            wide, phase = draw.uniform(0.1, 0.2), draw.uniform(0, period)
            on = np.mod(np.arange(ROWS) * TEXEL_M + phase, period) < long
            for place in places:
                first = round(COLUMNS / 2 + (place - wide / 2) / TEXEL_M)
                mask[on, first : first + round(wide / TEXEL_M)] = 1
    for _ in range(look.arrows):
        _sign(mask, look, draw)
    road += cv2.GaussianBlur(mask, (0, 0), 0.6) * worn


def _sign(mask: Floats, look: Look, draw: np.random.Generator) -> None:
    """An arrow, a number, a stop line or a zebra."""
    kind, top = draw.random(), int(draw.integers(0, ROWS - 220))
    middle = COLUMNS // 2 + round(draw.choice([-0.5, 0.5]) * look.half_width_m / TEXEL_M)
    if kind < 0.35:
        cv2.rectangle(mask, (middle - 3, top), (middle + 3, top + 120), 1.0, -1)
        head = np.array([[middle - 16, top + 110], [middle + 16, top + 110], [middle, top + 190]], np.int32)
        cv2.fillConvexPoly(mask, head, 1.0)
    elif kind < 0.7:
        word = str(int(draw.integers(20, 90)))
        small = np.zeros((24, 40), np.uint8)
        cv2.putText(small, word, (2, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 255, 3)
        large = cv2.resize(small[::-1], (70, 110)) / 255.0
        mask[top : top + 110, middle - 35 : middle + 35] = np.maximum(
            mask[top : top + 110, middle - 35 : middle + 35], large
        )
    else:
        half = round(look.half_width_m / TEXEL_M)
        bars = range(middle - 60, middle + 60, 40) if kind < 0.85 else ()
        for left in bars:
            mask[top : top + 120, left : left + 20] = 1
        if not bars:
            mask[top : top + 18, COLUMNS // 2 : COLUMNS // 2 + half] = 1


def _verge(look: Look, draw: np.random.Generator) -> Floats:
    blades = 0.6 * _fine(draw, 1) + 0.8 * _fine(draw, 4) + 0.8 * _noise(draw, 14, 14)
    ground = look.verge * (1 + 0.28 * blades + 0.2 * _noise(draw, 90, 60))
    if look.pavement_m:
        side = round((look.half_width_m + look.pavement_m) / TEXEL_M)
        slabs = look.base * draw.uniform(0.9, 1.3) + 6 * _fine(draw, 2) + 8 * _noise(draw, 40, 40)
        if draw.random() < 0.5:
            slabs[:: int(draw.integers(8, 40))] -= 22
            slabs[:, :: int(draw.integers(8, 40))] -= 18
        middle = COLUMNS // 2
        ground[:, middle - side : middle + side] = slabs[:, middle - side : middle + side]
    return np.asarray(ground, dtype=np.float32)


def _kerbs(ground: Floats, left: int, right: int, look: Look, draw: np.random.Generator) -> None:
    stone = look.base * draw.uniform(1.1, 1.6) + 8 * _noise(draw, 40, 2)
    stone[:: int(draw.integers(30, 50))] -= 40
    for first, gutter in ((left - 6, left), (right, right - 3)):
        ground[:, first : first + 6] = stone[:, first : first + 6]
        ground[:, gutter : gutter + 3] *= 0.6


def _shade(look: Look, draw: np.random.Generator) -> Floats:
    """The share of the light that reaches the ground."""
    light = np.ones((ROWS, COLUMNS), np.float32)
    if look.shade:
        cell = max(2, round(look.shade_m / TEXEL_M))
        leaves = _noise(draw, cell, cell) + 0.7 * _noise(draw, max(1, cell // 3), max(1, cell // 3))
        leaves += 1.5 * _noise(draw, 500, 300) + draw.uniform(-0.8, 0.8)
        light -= look.shade / (1 + np.exp(-np.clip(4 * leaves, -20, 20)))
    for _ in range(look.bars):
        top, tall = int(draw.integers(0, ROWS)), int(draw.integers(8, 400))
        slant, reach = int(draw.normal(0, 200)), int(draw.integers(200, COLUMNS))
        near = 0 if draw.random() < 0.5 else COLUMNS
        far = reach if near == 0 else COLUMNS - reach
        bar = np.array([[near, top], [near, top + tall], [far, top + tall + slant], [far, top + slant]], np.int32)
        dark = np.zeros(light.shape, np.uint8)
        cv2.fillConvexPoly(dark, bar, 255)
        light *= 1 - draw.uniform(0.3, 0.65) * cv2.blur(dark, (5, 5)) / np.float32(255)
    return light


class Ground:
    """A surface and its reductions: level k is averaged over 2^k texels along the road, over fewer across it, as a
    pixel that looks along the road averages it."""

    def __init__(self, texture: Floats) -> None:
        self.levels = []
        for k in range(LEVELS):
            size = (COLUMNS >> max(0, k // 2 - 1), ROWS >> k)
            level = cv2.resize(texture, size, interpolation=cv2.INTER_AREA)
            self.levels.append(np.concatenate([level[-SEAM:], level, level[:SEAM]]))

    def look_up(self, s: Floats, d: Floats, footprint_m: Floats) -> Floats:
        """Grey levels [H, W] at road points `s`, `d` float32 [H, W], averaged over `footprint_m` [H] along the road."""
        wanted = np.clip(np.log2(np.maximum(footprint_m, 1e-6) / TEXEL_M), 0, LEVELS - 1.001)
        out = np.zeros(s.shape, np.float32)
        for k, level in enumerate(self.levels):
            weight = np.maximum(0, 1 - np.abs(wanted - k)).astype(np.float32)
            rows = np.flatnonzero(weight)
            if not len(rows):
                continue
            across = COLUMNS / level.shape[1]
            band = slice(rows[0], rows[-1] + 1)
            down = np.mod(s[band] / TEXEL_M, ROWS) / 2**k + (SEAM - 0.5)
            aside = (d[band] / TEXEL_M + COLUMNS / 2) / across - 0.5
            values = cv2.remap(level, aside, down.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
            out[band] += weight[band, None] * values
        return out
