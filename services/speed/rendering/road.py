"""The road's course: a centre line in the world, its height, how it is banked, and the way back from a point to it.

World axes: x east, y down, z north, metres. A point of the road is (s, d): metres along the centre line and to the
right of it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

STEP_M = 0.5
BEHIND_M, BEYOND_M = 40.0, 220.0
"""How far the course goes on before its beginning and after its end."""
ASIDE_M = 40
"""How far to the side of the centre line points are told their place on the road."""
AHEAD_M, BACK_M, HOLD_M = 150.0, 12.0, 20.0


@dataclass(frozen=True)
class Shape:
    """Sums of sines over s: amplitudes, wavelengths (m) and phases, one row a term, of the curvature (1/m), the height
    (m, up) and the bank (how far the road falls to the right, rad)."""

    curvature: Floats
    height: Floats
    bank: Floats


FLAT = Shape(*(np.array([[0.0, 100.0, 0.0]]) for _ in range(3)))


def waves(terms: Floats, s: Floats | float) -> Floats:
    """The sum of sines `terms` [K, 3] at `s`, of any shape."""
    amplitude, length, phase = terms.T
    return np.asarray((amplitude * np.sin(2 * np.pi * np.asarray(s)[..., None] / length + phase)).sum(-1))


@dataclass(frozen=True)
class Place:
    """What the world's points [N] are on the road: `s`, `d` and `down`, the y of the surface there."""

    s: Floats
    d: Floats
    down: Floats


class Road:
    """A course at least `length` metres long."""

    def __init__(self, shape: Shape, length: float) -> None:
        self.shape = shape
        self.s = np.arange(-BEHIND_M, length + BEYOND_M, STEP_M)
        heading = np.cumsum(waves(shape.curvature, self.s)) * STEP_M
        self.heading = heading - np.interp(0, self.s, heading)
        middle = self.heading - 0.5 * STEP_M * waves(shape.curvature, self.s)
        self.x = np.cumsum(np.sin(middle)) * STEP_M
        self.z = np.cumsum(np.cos(middle)) * STEP_M

    def heading_at(self, s: Floats | float) -> Floats:
        """Radians to the right of north."""
        return np.asarray(np.interp(s, self.s, self.heading))

    def down_at(self, s: Floats | float, d: Floats | float) -> Floats:
        s = np.asarray(s, np.float64)
        return np.asarray(-waves(self.shape.height, s) + waves(self.shape.bank, s) * d)

    def point(self, s: Floats | float, d: Floats | float) -> Floats:
        """World points [..., 3] of the surface at (s, d)."""
        s, d = np.broadcast_arrays(np.asarray(s, np.float64), np.asarray(d, np.float64))
        heading = self.heading_at(s)
        x = np.interp(s, self.s, self.x) + d * np.cos(heading)
        z = np.interp(s, self.s, self.z) - d * np.sin(heading)
        return np.stack([x, self.down_at(s, d), z], axis=-1)

    def place(self, x: Floats, z: Floats, near_s: float) -> Place:
        """Where world points [N] lie on the stretch of road around `near_s`."""
        keep = np.flatnonzero((self.s > near_s - BACK_M - HOLD_M) & (self.s < near_s + AHEAD_M + HOLD_M))
        coarse = keep[::4]
        off = (x[:, None] - self.x[coarse]) ** 2 + (z[:, None] - self.z[coarse]) ** 2
        s = self.s[coarse[off.argmin(1)]]
        for _ in range(2):
            heading, bend = self.heading_at(s), waves(self.shape.curvature, s)
            east, north = x - np.interp(s, self.s, self.x), z - np.interp(s, self.s, self.z)
            d = east * np.cos(heading) - north * np.sin(heading)
            along = east * np.sin(heading) + north * np.cos(heading)
            s = s + np.clip(along / np.maximum(1 - bend * d, 0.3), -3, 3)
        return Place(s, d, self.down_at(s, d))


@dataclass(frozen=True)
class Chart:
    """Places on a grid of whole metres of the world, for looking up between them: `values` float32 [rows (z), columns
    (x), (s - origin_s, d, down)]."""

    west: float
    south: float
    origin_s: float
    values: NDArray[np.float32]

    @classmethod
    def around(cls, road: Road, s: float) -> "Chart":
        origin = HOLD_M * np.floor(s / HOLD_M)
        near = (road.s > origin - BACK_M) & (road.s < origin + AHEAD_M)
        x0, x1 = np.floor(road.x[near].min()) - ASIDE_M, np.ceil(road.x[near].max()) + ASIDE_M
        z0, z1 = np.floor(road.z[near].min()) - 10, np.ceil(road.z[near].max()) + 10
        x, z = np.meshgrid(np.arange(x0, x1 + 1), np.arange(z0, z1 + 1))
        found = road.place(x.ravel(), z.ravel(), origin)
        values = np.stack([found.s - origin, found.d, found.down], axis=-1).reshape(*x.shape, 3)
        return cls(x0, z0, origin, values.astype(np.float32))
