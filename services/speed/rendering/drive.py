"""How a car drives a road, and where that takes the camera on it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.speed.camera import Attitude, Camera, Matrix, rotation_about_x, rotation_about_y
from services.speed.rendering.road import Road, waves

Floats = NDArray[np.floating[Any]]

CAMERA_AHEAD_M = 1.0
"""From the turning centre, the rear axle, to the camera."""
WHEELBASE_M = 2.6
PLANE_M = (6.0, 18.0)
"""The stretch of road ahead whose plane is the truth of the attitude."""


@dataclass(frozen=True)
class Pose:
    """Where the camera is: `to_camera` turns world directions into camera axes, `centre` [3] is its place; the turning
    centre stands at `s` on the road."""

    to_camera: Matrix
    centre: Floats
    s: float


@dataclass(frozen=True)
class Truth:
    """What is known of one frame: `attitude` and `height_m` are those of the plane that fits the road ahead best;
    `speed_mps` is that of the turning centre, below 0 when reversing."""

    time_s: float
    speed_mps: float
    pose: Pose
    attitude: Attitude
    height_m: float


def rotation_between(earlier: Pose, later: Pose) -> Matrix:
    """Turns the later camera's axes into the earlier's, as `rotation.Motion` has it."""
    return np.asarray(earlier.to_camera @ later.to_camera.T)


def rotation_about_z(angle_rad: float) -> Matrix:
    """Takes directions of a camera to those of one that leans `angle_rad` to the right."""
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])


@dataclass(frozen=True)
class Manner:
    """Where on the road the car keeps: `lane_m` to the right of the centre line, weaving by `weave` (amplitude m,
    length m, phase). How its body moves: `dip` (rad per m/s^2 of braking) and the sums of sines over time `pitch`,
    `roll` (rad) and `heave` (m), rows of amplitude, period (s), phase. `yaw_rad`: how far the camera looks right of
    the car."""

    lane_m: float = 1.8
    weave: tuple[float, float, float] = (0.0, 100.0, 0.0)
    dip: float = 0.0
    pitch: Floats | None = None
    roll: Floats | None = None
    heave: Floats | None = None
    yaw_rad: float = 0.0


def drive(road: Road, manner: Manner, camera: Camera, time_s: Floats, speed_mps: Floats) -> Iterator[Truth]:
    """The truth of each frame of a drive that begins at s = 0. Distances integrate the speed (trapezoids)."""
    braking = -np.gradient(speed_mps, time_s) if len(time_s) > 1 else np.zeros(1)
    shaking = np.clip(np.concatenate([[0.0], np.cumsum(np.abs(np.diff(time_s) * speed_mps[1:]))]), 0, 1)
    s = 0.0
    for k, now in enumerate(time_s):
        if k:
            metres = (now - time_s[k - 1]) * (speed_mps[k] + speed_mps[k - 1]) / 2
            s = _advanced(road, manner, s, float(metres))
        sway = [
            0.0 if t is None else shaking[k] * float(waves(t, now)) for t in (manner.pitch, manner.roll, manner.heave)
        ]
        sway[0] += manner.dip * float(np.clip(braking[k], -4, 4))
        pose = _pose(road, manner, camera, s, (sway[0], sway[1], sway[2]))
        attitude, height = _plane(road, manner, pose)
        yield Truth(float(now), float(speed_mps[k]), pose, attitude, height)


def _aside(manner: Manner, s: float) -> tuple[float, float]:
    """The place of the car across the road, and how that changes with s."""
    amplitude, length, phase = manner.weave
    turn = 2 * np.pi / length
    return manner.lane_m + amplitude * np.sin(turn * s + phase), amplitude * turn * np.cos(turn * s + phase)


def _advanced(road: Road, manner: Manner, s: float, metres: float) -> float:
    def slope(at: float) -> float:
        d, side = _aside(manner, at)
        return 1 / float(np.hypot(1 - waves(road.shape.curvature, at) * d, side))

    return s + metres * slope(s + metres * slope(s) / 2)


def _pose(road: Road, manner: Manner, camera: Camera, s: float, sway: tuple[float, float, float]) -> Pose:
    d, side = _aside(manner, s)
    bend = float(waves(road.shape.curvature, s))
    heading = float(road.heading_at(s)) + float(np.arctan2(side, 1 - bend * d))
    rear, front = float(road.down_at(s, d)), float(road.down_at(s + WHEELBASE_M, d))
    bank = float(waves(road.shape.bank, s + WHEELBASE_M / 2))
    rise = float(np.arctan2(rear - front, WHEELBASE_M))
    car = rotation_about_z(np.arctan(bank)) @ rotation_about_x(-rise) @ rotation_about_y(heading)
    seat = np.array([0.0, -(camera.height_m + sway[2]), CAMERA_AHEAD_M])
    centre = road.point(s, d) + car.T @ seat
    body = rotation_about_x(camera.pitch_rad + sway[0]) @ rotation_about_z(-sway[1])
    return Pose(body @ rotation_about_y(manner.yaw_rad) @ car, centre, s)


def _plane(road: Road, manner: Manner, pose: Pose) -> tuple[Attitude, float]:
    """The plane through the road ahead as the camera sees it, least squares."""
    ahead = np.linspace(*PLANE_M, 7) + CAMERA_AHEAD_M
    s, across = np.meshgrid(pose.s + ahead, np.linspace(-2, 2, 5))
    d = _aside(manner, pose.s)[0] + across
    points = (road.point(s.ravel(), d.ravel()) - pose.centre) @ pose.to_camera.T
    normal, *_ = np.linalg.lstsq(points, np.ones(len(points)), rcond=None)
    height = float(1 / np.linalg.norm(normal))
    normal = normal * height
    pitch = float(np.arctan2(normal[2], normal[1]))
    level = rotation_about_y(-manner.yaw_rad) @ rotation_about_x(-pitch) @ normal
    return Attitude(pitch, manner.yaw_rad, float(np.arctan2(-level[0], level[1]))), height
