"""What is put beside a road, and what lies at the end of the world."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from services.speed.rendering.road import BEHIND_M, BEYOND_M, Road
from services.speed.rendering.scene import PANORAMA, Car, car_panels
from services.speed.rendering.things import (
    Panel,
    car_back,
    car_side,
    facade,
    foliage,
    post,
    rail,
)

Floats = NDArray[np.floating[Any]]
Kinds = dict[str, list[Sequence[Floats]]]
WALL_M = 12.0


@dataclass(frozen=True)
class Surroundings:
    """What stands beside the road: shares of its length that have houses, hedges or the edge of a wood (`walls`), how
    many trees, posts and parked cars there are in a hundred metres of each side, whether there is a guard rail; the
    nearest anything stands to the centre line, metres."""

    houses: float = 0.3
    walls: float = 0.4
    trees: float = 4.0
    posts: float = 2.5
    parked: float = 0.5
    rail: bool = False
    nearest_m: float = 5.8
    tone: float = 60.0


def kinds(draw: np.random.Generator, tone: float) -> Kinds:
    """A few textures of everything; `tone` is the grey level of leaves."""
    return {
        "house": [facade(draw) for _ in range(3)],
        "wall": [foliage(draw, tone * draw.uniform(0.6, 1.2), wall=True) for _ in range(2)],
        "tree": [foliage(draw, tone * draw.uniform(0.7, 1.5), wall=False) for _ in range(3)],
        "post": [post(draw) for _ in range(4)],
        "rail": [rail(draw)],
    }


def furnish(road: Road, around: Surroundings, draw: np.random.Generator) -> list[tuple[float, Panel]]:
    """The panels along the whole road with the s where each begins, in its order."""
    stock = kinds(draw, around.tone)
    placed: list[tuple[float, Panel]] = []
    first, last = -BEHIND_M + 15, float(road.s[-1]) - BEYOND_M + 200
    for side in (-1.0, 1.0):
        placed += _fronts(road, around, stock, draw, side, first, last)
        placed += _scattered(road, around, stock, draw, side, first, last)
        if around.rail:
            starts = np.arange(first, last, 8.0)
            d = side * (around.nearest_m - 0.5)
            placed += [_along(road, s, 8.0, d, 0.75, stock["rail"][0]) for s in starts]
    return sorted(placed, key=lambda pair: pair[0])


def _along(
    road: Road, s: float, length: float, d: float, height: float, texture: Sequence[Floats]
) -> tuple[float, Panel]:
    return s, Panel(road.point(s, d), road.point(s + length, d), height, texture)


def _across(
    road: Road, s: float, d: float, width: float, height: float, texture: Sequence[Floats], lift: float = 0.0
) -> tuple[float, Panel]:
    ends = road.point(s, d - width / 2), road.point(s, d + width / 2)
    level = np.array([ends[0][0], ends[1][1], ends[0][2]])
    return s, Panel(level, ends[1], height, texture, lift=lift)


def _fronts(
    road: Road, around: Surroundings, stock: Kinds, draw: np.random.Generator, side: float, first: float, last: float
) -> list[tuple[float, Panel]]:
    """Houses, hedges and woods, one length after the other."""
    placed = []
    s = first
    while s < last:
        length, chance = float(draw.uniform(0.6, 1.2) * WALL_M), draw.random()
        back = side * (around.nearest_m + draw.uniform(2, 8))
        if chance < around.houses:
            house = stock["house"][int(draw.integers(3))]
            placed.append(_along(road, s, length, back, float(draw.uniform(4, 9)), house))
            placed.append(_across(road, s, back + side * 4, 8.0, float(draw.uniform(4, 8)), house))
            s += float(draw.uniform(2, 8))
        elif chance < around.houses + around.walls:
            leaves = stock["wall"][int(draw.integers(2))]
            near, tall = side * (around.nearest_m + draw.uniform(0.2, 3)), float(draw.choice([1.3, 2.0, 5.0, 9.0]))
            placed.append(_along(road, s, length, near, tall, leaves))
            placed.append(_across(road, s + length / 2, near + side * 4, 8.0, 1.2 * tall, leaves))
        s += length
    return placed


def _scattered(
    road: Road, around: Surroundings, stock: Kinds, draw: np.random.Generator, side: float, first: float, last: float
) -> list[tuple[float, Panel]]:
    """Trees, posts and parked cars, each anywhere."""
    placed = []
    hundreds = (last - first) / 100
    for s in draw.uniform(first, last, int(around.trees * hundreds)):
        d, tall = side * (around.nearest_m + draw.uniform(0.5, 9)), float(draw.uniform(3, 9))
        stem = float(draw.uniform(0.2, 0.45)) * tall
        placed.append(_across(road, s + 0.05, d, 0.3, stem * 1.2, stock["post"][0]))
        placed.append(_across(road, s, d, 0.8 * tall, tall - stem, stock["tree"][int(draw.integers(3))], stem * 0.9))
    for s in draw.uniform(first, last, int(around.posts * hundreds)):
        d, tall = side * (around.nearest_m - draw.uniform(0, 1)), float(draw.choice([1.0, 1.0, 6.0, 8.0]))
        placed.append(_across(road, s, d, 0.12 if tall > 1 else 0.2, tall, stock["post"][int(draw.integers(4))]))
    for s in draw.uniform(first, last, int(around.parked * hundreds)):
        paint = float(draw.uniform(20, 220))
        placed += car_panels(road, s, side * (around.nearest_m - 1.4), car_back(draw, paint), car_side(draw, paint))
    return placed


def traffic(draw: np.random.Generator, lane_m: float, count: int, leader: bool) -> list[Car]:
    """`count` oncoming cars and, if there is a `leader`, one ahead of us."""
    cars = []
    for _ in range(count):
        paint = float(draw.uniform(15, 220))
        back, side = car_back(draw, paint), car_side(draw, paint)
        cars.append(Car(draw.uniform(20, 400), -lane_m, -draw.uniform(5, 25), False, 0.0, back, side))
    if leader:
        paint = float(draw.uniform(15, 220))
        gap = float(draw.uniform(9, 45))
        back, side = car_back(draw, paint), car_side(draw, paint)
        cars.append(Car(gap, lane_m + draw.normal(0, 0.15), 0.0, True, draw.uniform(0, 0.25) * (gap - 5), back, side))
    return cars


def panorama(draw: np.random.Generator, brightness: float, tone: float) -> Floats:
    """A sky, clouded or not, over far hills with woods and fields."""
    rows = PANORAMA[0]
    rise = np.clip((160 - np.arange(rows, dtype=np.float32))[:, None] / 160, 0, 1)
    clouds = 4 * _belt(draw, 10) + 10 * _belt(draw, 40) + 14 * _belt(draw, 120)
    whole = brightness * (1 - draw.uniform(0, 0.35) * rise) + draw.uniform(0, 1.2) * clouds
    ridge = draw.uniform(2, 20) + draw.uniform(1, 8) * _belt(draw, 60)[0] + 1.5 * _belt(draw, 8)[0]
    woods = 0.75 * tone * (1 + 0.25 * _belt(draw, 3) + 0.3 * _belt(draw, 24)) + 25
    return np.where(160 - np.arange(rows)[:, None] > ridge[None], whole, woods).astype(np.float32)


def _belt(draw: np.random.Generator, cell: int) -> Floats:
    """Noise that closes upon itself all the way round."""
    rows, columns = PANORAMA
    grain = draw.standard_normal((rows // cell + 2, columns // cell), dtype=np.float32)
    grain = np.concatenate([grain[:, -2:], grain, grain[:, :2]], axis=1)
    wide = cv2.resize(grain, (columns * grain.shape[1] // (grain.shape[1] - 4), rows), interpolation=cv2.INTER_CUBIC)
    return np.asarray(wide[:, 2 * cell : 2 * cell + columns], dtype=np.float32)
