"""How the camera sits on the moving car and how the road lies before it, learnt while the car drives."""

import numpy as np
from numpy.typing import NDArray

from services.speed.camera import Attitude, Camera, Matrix
from services.speed.epipolar import AHEAD_SD, Tracks
from services.speed.rotation import Motion

PAIR_S = 0.1
"""Seconds between the frames of a pair that the figures per pair below hold for."""
PITCH_PRIOR_SD, YAW_PRIOR_SD, ROLL_PRIOR_SD = 0.03, 0.03, 0.015
DRIFT_SD = 0.0015
"""How far, in radians, pitch and yaw wander from one pair of frames to the next, and ROLL_DRIFT_SD the roll."""
ROLL_DRIFT_SD = 0.001
DIRECTION_SD = 0.007
TILT_SD = 0.03
"""How far the roll that one pair shows lies from the road's; neighbouring pairs share most of that."""
KERB_RAD = 0.012
"""Kerbs, verges and parked cars stand higher than the road beside which they are, mostly on one side: as much roll as
they feign is left to the graph."""
HEAVE_SD = 0.002
"""How far, in radians, a car's bouncing turns the direction of travel up or down against the road."""
GATE = 4.0
SWERVE_RAD = 0.15
MIN_INLIERS = 40
SHARE_AT_M = 9.0
"""A pitch wrong by 1 rad makes the speed wrong by this over the camera's height: half of what it does to the road 9 m
ahead in both its distance and its direction; the other half the graph sees and mends."""
SETTLED_VARIANCE, USUAL_HEIGHT_M = DRIFT_SD * DIRECTION_SD, 1.65
"""Of the pitch, once it is learnt: what that leaves unsure under a camera so high, as most that the graph was trained
on, is part of the graph's own standard deviation."""


class Mount:
    """A scalar Kalman filter each for pitch, yaw and roll of one camera.

    Pitch and yaw follow the direction of travel, to which the road is taken to run parallel; the roll follows what the
    graph sees of the road's tilt, some pairs late. Everything it holds is a number or a small array.
    """

    def __init__(self, camera: Camera) -> None:
        self.pitch_rad = camera.pitch_rad
        self.yaw_rad = 0.0
        self.roll_rad = 0.0
        self.speed_mps = 0.0
        self.rotation: Matrix = np.eye(3)
        """Of the last pair, from the later axes to the earlier: that of its motion, refined with the direction of
        travel held near what the road and the bouncing of a car allow. Otherwise an error of the one is made good by
        an error of the other far off, but not on the road near by."""
        self._focal_px, self._height_m = camera.focal_px, camera.height_m
        self._variance = np.array([PITCH_PRIOR_SD, YAW_PRIOR_SD, ROLL_PRIOR_SD]) ** 2

    @property
    def ahead(self) -> NDArray[np.float64]:
        """The expected direction of travel in camera axes, a unit vector."""
        return _direction(self.pitch_rad, self.yaw_rad)

    @property
    def scale_sd(self) -> float:
        """Share of the speed, one standard deviation, by which a pitch not learnt yet makes it wrong; under a low
        camera some of it stays. One error for all pairs of these seconds: it is not averaged out, it fades as the pitch
        is learnt."""
        learnt = SETTLED_VARIANCE / USUAL_HEIGHT_M**2
        return SHARE_AT_M * float(np.sqrt(max(float(self._variance[0]) / self._height_m**2 - learnt, 0.0)))

    def update(self, motion: Motion, seconds: float = PAIR_S) -> Attitude:
        """Takes one pair's motion in; returns the attitude of the later frame, its yaw that of this very pair."""
        self._variance += np.array([DRIFT_SD, DRIFT_SD, ROLL_DRIFT_SD]) ** 2 * (seconds / PAIR_S)
        self.rotation = motion.rotation
        seen = motion.direction
        roll = float(np.sign(self.roll_rad)) * max(abs(self.roll_rad) - KERB_RAD, 0.0)
        if seen is None or motion.inliers < MIN_INLIERS:
            return Attitude(self.pitch_rad, self.yaw_rad, roll)
        pitch, yaw = _angles(seen)
        self.pitch_rad = self._blend(0, self.pitch_rad, pitch, DIRECTION_SD)
        self.yaw_rad = self._blend(1, self.yaw_rad, yaw, DIRECTION_SD)
        heading = self._settle(motion, yaw)
        yaw = self.yaw_rad if abs(yaw - self.yaw_rad) > SWERVE_RAD else heading[1]
        rise = self.speed_mps * seconds * (heading[0] - self.pitch_rad)
        return Attitude(self.pitch_rad, yaw, roll, rise)

    def observe(self, attitude: Attitude, speed_mps: float, tilt_rad: NDArray[np.floating], sd_rad: float) -> None:
        """What the graph said of a pair that was asked about with `attitude`: the speed, and how much further than
        assumed the camera looks down on the road and the road falls to the right (`tilt_rad` [2]), the latter with its
        standard deviation. It may be said some pairs later, as long as it is always equally late."""
        if not np.isfinite([speed_mps, tilt_rad[1], sd_rad]).all():
            return
        self.speed_mps = speed_mps
        seen = attitude.roll_rad + float(tilt_rad[1])
        self.roll_rad = self._blend(2, self.roll_rad, seen, float(np.hypot(TILT_SD, sd_rad)))

    def _settle(self, motion: Motion, yaw: float) -> tuple[float, float]:
        """Pitch and yaw of this pair's direction of travel, and with it the rotation."""
        held = float(np.hypot(HEAVE_SD, np.sqrt(self._variance[0])))
        if held > AHEAD_SD or motion.direction is None or not len(motion.before):
            return self.pitch_rad, yaw
        expected = _direction(self.pitch_rad, yaw)
        tracks = Tracks(motion.before, motion.after, self._focal_px, expected, (held, AHEAD_SD, AHEAD_SD))
        self.rotation, travel = tracks.refined((motion.rotation, motion.rotation @ motion.direction))
        return _angles(self.rotation.T @ travel)

    def _blend(self, which: int, held: float, seen: float, sd: float) -> float:
        spread = self._variance[which] + sd**2
        if (seen - held) ** 2 > GATE**2 * spread:
            return held
        gain = self._variance[which] / spread
        self._variance[which] *= 1 - gain
        return float(held + gain * (seen - held))


def _direction(pitch: float, yaw: float) -> NDArray[np.float64]:
    return np.array([-np.sin(yaw), -np.sin(pitch) * np.cos(yaw), np.cos(pitch) * np.cos(yaw)])


def _angles(direction: NDArray[np.float64]) -> tuple[float, float]:
    """Pitch and yaw of a direction of travel, forwards or backwards."""
    forward = direction if direction[2] > 0 else -direction
    return -float(np.arctan2(forward[1], forward[2])), -float(np.arcsin(np.clip(forward[0], -1, 1)))
