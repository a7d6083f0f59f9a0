"""What a pair of frames says about its own measurement: whether it stands, and how far it is to be believed.

The net knows how sure the correlation makes it among pictures like those that it learnt from. What lies beyond them is
seen here: a road patch that is not the same at the displacement that was found, tracks that no one motion explains, a
camera that moves as no car does.
"""

from dataclasses import dataclass
from math import hypot

import cv2
import numpy as np

from services.speed.camera import Camera, Matrix
from services.speed.epipolar import Points, from_ahead
from services.speed.order import percentiles
from services.speed.patch import Patch
from services.speed.rotation import SIDEWAYS_RAD, Motion, painted
from services.speed.scene import Trouble

STANDING_SD = 0.05
"""m/s: a thirtieth of a pixel at the near end of the road patch, and what the tracks add to that."""
STANDING_REACH_M = 0.03
COVERED_SD = 0.5
ALIKE_STILL = 0.8
ALIKE = 0.75, 0.5, 4.0
"""Correlation of the road patch below which a measurement is doubted, the range to where nothing is left of it, and the
standard deviation in m/s that it has then. On the recorded drives 98 of 100 pairs lie above 0.87, and where something
on the road brings it down to 0.3 the error is 0.6 m/s."""
FITTING = 0.7, 0.3, 6.0
"""The same for the share of tracks that fit the motion; 0.86 at least on the recorded drives, less amid traffic."""
KEPT = 0.3, 0.3, 4.0
"""The same for the share of corners that were found again; 0.46 at least on the recorded drives."""
LOST = 0.2
"""Share of corners found again below which the two frames hardly show one scene."""
HOPELESS_MPS = 4.0
"""Beyond that a measurement says nothing that the frames around it do not say better."""
NEAREST_M, FURTHEST_M, ASIDE_M, MIN_STEPS = 3.0, 14.0, 6.0, 6
LEAST, MOST, LEEWAY_MPS, DISTINCT = 0.6, 1.6, 0.5, 0.15
"""The speed lies between that share of the tracks' lowest tenth and of their highest, unless the road patch is more
alike at it, by that much, than unmoved. On the recorded drives the lower quartile is 0.9 to 1.1 of the speed, the upper
0.95 to 1.5, each in 9 pairs of 10."""
TURN_STANDING_RPS, TURN_RPS, TILT_RPS, TIGHTEST_M = 0.1, 1.5, 0.8, 4.0
"""Radians per second and metres: cars do not turn while they stand, nor faster than that about the upright axis, nor
in a circle of a radius below that, nor faster than a kerb turns them about the two other axes."""


@dataclass(frozen=True)
class Verdict:
    """The speed with its standard deviation in m/s; with a `trouble` it is not to be believed at all."""

    speed_mps: float
    sd_mps: float
    trouble: Trouble | None = None


def judge(
    speed_mps: float, sd_mps: float, seconds: float, motion: Motion, tried: int, patch: Patch, steps_m: Points
) -> Verdict:
    """What to make of the graph's answer. `tried` counts the corners looked for, `patch` is the road of the pair,
    `steps_m` what `road_steps` found."""
    if _moves_as_no_car(motion, seconds, abs(speed_mps) + sd_mps):
        return Verdict(speed_mps, 2 * HOPELESS_MPS, Trouble.foreign)
    alike, _ = patch.alike(speed_mps * seconds)
    if motion.still:
        return _standing(speed_mps, sd_mps, seconds, alike, patch.alike(0.0)[0])
    tracks = max(len(motion.before), 1)
    kept = tracks / max(tried, 1)
    if kept < LOST:
        return Verdict(speed_mps, 2 * HOPELESS_MPS, Trouble.cut)
    doubt = _doubt(alike, *ALIKE) + _doubt(motion.inliers / tracks, *FITTING) + _doubt(kept, *KEPT)
    contradicted = _contradicted(speed_mps, steps_m / seconds)
    if contradicted and not (alike > ALIKE[0] and alike - patch.alike(0.0)[0] > DISTINCT):
        doubt = hypot(doubt, contradicted)
    return Verdict(speed_mps, hypot(sd_mps, doubt), Trouble.foreign if doubt > HOPELESS_MPS else None)


def road_steps(motion: Motion, camera: Camera, earlier_homography: Matrix, later_homography: Matrix) -> Points:
    """How far, in metres, the car drove by each track that fits the motion and lies where the road is near, as if all
    lay on the road; by what stands on it that is more than it was. Homographies take (lateral, ahead, 1) to pixels."""
    moves = motion.fits & ~painted(motion.before, motion.after, camera.focal_px)
    then, now = (
        _on_the_road(bearings[moves], camera, homography)
        for bearings, homography in ((motion.before, earlier_homography), (motion.after, later_homography))
    )
    near = (now[1] > NEAREST_M) & (now[1] < FURTHEST_M) & (np.abs(now[0]) < ASIDE_M)
    return np.asarray(then[1, near] - now[1, near])


def _on_the_road(bearings: Points, camera: Camera, homography: Matrix) -> Points:
    """(lateral, ahead) [2, tracks]; 0 ahead for what lies above the horizon."""
    calibration = np.array([[camera.focal_px, 0, camera.cx_px], [0, camera.focal_px, camera.cy_px], [0, 0, 1]])
    road = np.linalg.inv(homography.astype(np.float64)) @ calibration @ from_ahead(bearings)
    below = road[2] > 0
    return np.asarray(np.where(below, road[:2] / np.where(below, road[2], 1.0), 0.0))


def _contradicted(speed_mps: float, by_tracks_mps: Points) -> float:
    """How far the speed lies from all that the tracks on the road near by allow. A car close ahead may carry many of
    them: the road patch, where it is plainly alike at the speed and not unmoved, outweighs them."""
    if len(by_tracks_mps) < MIN_STEPS:
        return 0.0
    low, high = percentiles(by_tracks_mps, (10, 90))
    low, high = min(low * LEAST, low * MOST) - LEEWAY_MPS, max(high * LEAST, high * MOST) + LEEWAY_MPS
    return max(low - speed_mps, speed_mps - high, 0.0)


def _doubt(value: float, whole: float, span: float, most: float) -> float:
    return most * min(1.0, max(0.0, (whole - value) / span)) ** 2


def _standing(speed_mps: float, sd_mps: float, seconds: float, alike: float, unmoved: float) -> Verdict:
    """The tracks say that the car stands. Where the road patch agrees it does; where something covers the patch it does
    so too, less surely; where the patch is seen to move beyond doubt the tracks were those of a bonnet or a caption."""
    if unmoved > ALIKE_STILL and (unmoved > alike - 0.02 or abs(speed_mps) * seconds < STANDING_REACH_M):
        return Verdict(0.0, STANDING_SD)
    if alike < ALIKE[0]:
        return Verdict(0.0, COVERED_SD)
    return Verdict(speed_mps, hypot(sd_mps, 0.3 * abs(speed_mps)))


def _moves_as_no_car(motion: Motion, seconds: float, fastest_mps: float) -> bool:
    turn = np.abs(cv2.Rodrigues(motion.rotation)[0].ravel()) / seconds
    if motion.still:
        return bool(np.linalg.norm(turn) > TURN_STANDING_RPS)
    astray = motion.direction is not None and abs(float(motion.direction[2])) < np.cos(SIDEWAYS_RAD)
    most = min(TURN_RPS, TURN_STANDING_RPS + fastest_mps / TIGHTEST_M)
    return bool(astray or turn[1] > most or max(turn[0], turn[2]) > TILT_RPS)
