"""A world and what a camera in it sees: ground, sky, panels beside the road, traffic; every pixel by its ray."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from services.speed.camera import Camera
from services.speed.rendering.drive import Manner, Pose, Truth, drive
from services.speed.rendering.ground import Ground
from services.speed.rendering.lens import Lens
from services.speed.rendering.road import HOLD_M, Chart, Road
from services.speed.rendering.things import Panel, paint

Grey = NDArray[np.uint8]
Floats = NDArray[np.floating[Any]]

FAR_M = 110.0
SETTLE = 4
"""Rounds in which a ray finds the height of the ground it meets; slopes are gentle."""
LENGTH_M, WIDTH_M, HEIGHT_M = 4.2, 1.75, 1.45


@dataclass(frozen=True)
class Car:
    """One that drives: at `s` when the clip begins, `speed_mps` along s (below 0 when it comes towards us) or, when it
    `leads`, that far ahead of us, swaying by `swing` metres; in the lane `d`."""

    s: float
    d: float
    speed_mps: float
    leads: bool
    swing: float
    back: Sequence[Floats]
    side: Sequence[Floats]

    def at(self, time_s: float, own_s: float) -> float:
        if self.leads:
            return own_s + self.s + self.swing * float(np.sin(0.5 * time_s + self.d))
        return self.s + self.speed_mps * time_s


@dataclass
class Scene:
    """`panels` with the s where each begins, in its order; `panorama` grey levels [PANORAMA] of what is infinitely far;
    `haze` its mean. `wet` is the share of light that the road mirrors; `own_shadow` [P, 2] a polygon in shares of the
    frame that our car's shadow darkens."""

    road: Road
    ground: Ground
    manner: Manner
    lens: Lens
    panels: list[tuple[float, Panel]]
    panorama: Floats
    cars: list[Car] = field(default_factory=list)
    wet: float = 0.0
    own_shadow: Floats | None = None
    sun: float = 1.0
    _chart: Chart | None = None

    def film(self, camera: Camera, time_s: Floats, speed_mps: Floats, seed: int) -> Iterator[tuple[Grey, Truth]]:
        """Each of the frames [T] with its truth."""
        draw = np.random.default_rng(seed)
        for truth in drive(self.road, self.manner, camera, time_s, speed_mps):
            light = self.look(camera, truth.pose, truth.time_s, self.lens.exposure_s * abs(truth.speed_mps))
            yield self.lens.expose(light, draw), truth

    def look(self, camera: Camera, pose: Pose, time_s: float, smear_m: float) -> Floats:
        """The light float32 [height, width] that the camera sees; `smear_m` is driven while the shutter is open."""
        rays = _rays(camera, pose)
        frame = sky(self.panorama, rays)
        horizon = _first_row(rays)
        if horizon < camera.height:
            self._lay(frame[horizon:], rays[:, horizon:], pose, smear_m)
        bare, matrix = frame.copy() if self.wet else frame, camera.matrix
        cars = [(car.at(time_s, pose.s), car) for car in self.cars]
        for _, panel in sorted(self._near(pose.s, cars), key=lambda pair: -pair[0]):
            paint(frame, panel, pose.to_camera, pose.centre, matrix, self.sun)
        if self.wet:
            self._mirror(frame, bare, horizon)
        if self.own_shadow is not None:
            self._darken(frame, self.own_shadow)
        return frame

    def _lay(self, frame: Floats, rays: Floats, pose: Pose, smear_m: float) -> None:
        chart = self._charted(pose.s)
        x, y, z = pose.centre
        under = float(self.road.down_at(pose.s + 10, self.manner.lane_m))
        down = np.maximum(rays[1], 1e-4)
        reach = np.minimum((under - y) / down, 2 * FAR_M)
        for _ in range(SETTLE):
            place = _chart_at(chart, x + reach * rays[0], z + reach * rays[2])
            reach = np.clip((place[..., 2] - y) / down, 0.1, 2 * FAR_M)
        s, d = place[..., 0] + np.float32(chart.origin_s), place[..., 1]
        columns = np.linspace(0, frame.shape[1] - 1, 9).astype(int)
        footprint = np.abs(np.median(np.gradient(s[:, columns], axis=0), axis=1)) if len(s) > 1 else np.full(1, 0.1)
        seen = self.ground.look_up(s, d, np.hypot(0.7 * footprint, smear_m))
        haze = np.clip((reach - 60) / (FAR_M - 60), 0, 1)
        frame[...] = self.sun * ((1 - haze) * seen + haze * 95)

    def _charted(self, s: float) -> Chart:
        if self._chart is None or not 0 <= s - self._chart.origin_s < HOLD_M:
            self._chart = Chart.around(self.road, s)
        return self._chart

    def _near(self, own_s: float, cars: list[tuple[float, Car]]) -> Iterator[tuple[float, Panel]]:
        low, high = np.searchsorted(self._starts, (own_s - 30, own_s + FAR_M))
        yield from self.panels[low:high]
        for s, car in cars:
            if own_s + 2 < s < own_s + FAR_M:
                yield from car_panels(self.road, s, car.d, car.back, car.side)

    @cached_property
    def _starts(self) -> Floats:
        return np.array([s for s, _ in self.panels])

    def _mirror(self, frame: Floats, bare: Floats, horizon: int) -> None:
        """What stands above the horizon shows below it, where the ground was `bare`."""
        rows = np.arange(horizon + 2, len(frame))
        mirrored = cv2.GaussianBlur(frame[np.maximum(2 * horizon - rows, 0)], (0, 0), 1.5, sigmaY=6)
        wet = (frame[rows] == bare[rows]) * np.float32(self.wet)
        frame[rows] += wet * (mirrored - 60 - 0.5 * frame[rows])

    def _darken(self, frame: Floats, shares: Floats) -> None:
        mask = np.zeros(frame.shape, np.uint8)
        cv2.fillConvexPoly(mask, (shares * frame.shape[::-1]).astype(np.int32), 255)
        frame *= 1 - 0.45 * cv2.blur(mask, (5, 3)) / np.float32(255)


def car_panels(
    road: Road, s: float, d: float, back: Sequence[Floats], side: Sequence[Floats]
) -> Iterator[tuple[float, Panel]]:
    """The faces, back and side, of a car that begins at `s`."""
    half = WIDTH_M / 2
    inner = d - half if d > 0 else d + half
    near, far = road.point(s, inner), road.point(s + LENGTH_M, inner)
    yield s + 0.2, Panel(near, far, HEIGHT_M, side)
    yield s, Panel(road.point(s, d - half), road.point(s, d + half), HEIGHT_M, back)


def _rays(camera: Camera, pose: Pose) -> Floats:
    """World directions float32 [3, height, width] of the pixels' rays."""
    x = ((np.arange(camera.width, dtype=np.float32) - camera.cx_px) / camera.focal_px)[None]
    y = ((np.arange(camera.height, dtype=np.float32) - camera.cy_px) / camera.focal_px)[:, None]
    turn = pose.to_camera.astype(np.float32)
    return np.stack([turn[0, i] * x + turn[1, i] * y + turn[2, i] for i in range(3)]).astype(np.float32)


def _first_row(rays: Floats) -> int:
    """The first row of which some pixel sees the ground."""
    rows = np.flatnonzero(rays[1].max(1) > 1.0 / FAR_M)
    return int(rows[0]) if len(rows) else int(rays.shape[1])


def _chart_at(chart: Chart, x: Floats, z: Floats) -> Floats:
    west, south = (x - np.float32(chart.west)).astype(np.float32), (z - np.float32(chart.south)).astype(np.float32)
    return np.asarray(cv2.remap(chart.values, west, south, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


PANORAMA = (192, 1440)
"""Elevations from -8 degrees to 40 in quarters of a degree, all the way round."""


def sky(panorama: Floats, rays: Floats) -> Floats:
    """What lies infinitely far in the directions of the rays."""
    azimuth = np.degrees(np.arctan2(rays[0], rays[2])) * 4
    elevation = np.degrees(np.arctan2(-rays[1], np.hypot(rays[0], rays[2]))) * 4
    column, row = np.mod(azimuth, PANORAMA[1]).astype(np.float32), (160 - elevation).astype(np.float32)
    round_about = np.concatenate([panorama, panorama[:, :1]], axis=1)
    return np.asarray(cv2.remap(round_about, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
