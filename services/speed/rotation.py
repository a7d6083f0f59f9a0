"""How a car's camera turned between two frames, and which way it moved."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.speed.camera import Camera, Matrix
from services.speed.epipolar import Points, Pose, Tracks, five_points, pure_rotation, rotation_residual
from services.speed.order import median
from services.speed.tracks import Grey, corners, track

MIN_TRACKS = 20
STILL_PX = 0.2
"""The camera stands where a pure rotation leaves a median residual below this."""
MOVING_PX, PAINTED_PX, OFF_AHEAD = 1.5, 0.25, 0.12
SLOW_PX = 2.0
STATIC_SHARE = 0.25
"""Of tracks that one small rotation explains, before a car may be taken to stand among others that move. Where it
drives at 0.4 m/s it is 0.11, above 2 m/s less than 0.05."""
NEAR = 0.1
"""Bearings that far below the horizon look at road within 16 m of a camera 1.65 m above it."""
NEAR_SHARE, NEAR_TRACKS = 0.3, 8
INLIER_PX = 0.7
SURE_SHARE = 0.8
ASTRAY = 2.0
"""RANSAC's motion is in doubt where fewer tracks fit it, or where its direction strays further, in standard deviations,
from the expected one."""
SIDEWAYS_RAD = 0.4
"""A car's direction of travel is never that far from the one expected."""
AHEAD = np.array([0.0, 0.0, 1.0])


def _no_points() -> Points:
    return np.empty((0, 2))


@dataclass(frozen=True)
class Motion:
    """`rotation` takes the later camera's axes to the earlier's; `direction` is the unit vector of travel in the later
    camera's axes, None where the car stands or too little was seen; `inliers` counts the tracks behind the answer.

    `before` and `after` are the bearings (x/z, y/z) [tracks, 2] of all tracks in the earlier and in the later frame,
    `fits` [tracks] says which of them are the inliers.
    """

    rotation: Matrix
    direction: NDArray[np.float64] | None
    inliers: int
    still: bool = False
    before: Points = field(default_factory=_no_points)
    after: Points = field(default_factory=_no_points)
    fits: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))


UNKNOWN = Motion(np.eye(3), None, 0)


@dataclass(frozen=True)
class Sight:
    """What two frames show without any knowledge of the camera's mount: bearings of their tracks, the rotation that
    explains them best alone, and the motion that RANSAC finds; None where there are too few tracks.

    `tried` counts the corners that were looked for. `static` is a small rotation that explains a good share of the
    tracks, as it would if the car stood amid traffic, None where there is none; `near` says that it explains those
    near by, too.
    """

    before: Points
    after: Points
    focal_px: float
    tried: int
    turned: Matrix | None = None
    found: Pose | None = None
    static: Matrix | None = None
    near: bool = False


def motion(earlier: Grey, later: Grey, camera: Camera, ahead: Points = AHEAD) -> Motion:
    """Motion between two frames, both [height, width] of the camera's resolution; no rotation where nothing is seen.

    `ahead` is the direction of travel that the mount of the camera lets expect, a unit vector in camera axes.
    """
    return motion_of(sight(earlier, later, camera), ahead)


def sight(earlier: Grey, later: Grey, camera: Camera) -> Sight:
    """The first half of `motion`, which needs no order of the frames."""
    begun = corners(earlier)
    before, after = track(earlier, later, begun)
    centre = np.array([camera.cx_px, camera.cy_px])
    return sight_of(
        (before - centre) / camera.focal_px, (after - centre) / camera.focal_px, camera.focal_px, len(begun)
    )


def sight_of(before: Points, after: Points, focal_px: float, tried: int = 0) -> Sight:
    """As `sight`, of bearings [tracks, 2]."""
    tried = max(tried, len(before))
    static = _static(before, after, focal_px)
    if static[0] is None:
        moves = ~painted(before, after, focal_px)
        before, after = before[moves], after[moves]
    if len(before) < MIN_TRACKS:
        return Sight(before, after, focal_px, tried)
    turned = pure_rotation(before, after)
    found = five_points(before, after, INLIER_PX / focal_px)
    return Sight(before, after, focal_px, tried, turned, found, *static)


def painted(before: Points, after: Points, focal_px: float) -> NDArray[np.bool_]:
    """Of a picture that moves, the tracks [tracks] that do not, far off the direction of travel: captions, dirt, the
    car's own bonnet. They would fit any motion that does not turn."""
    flow = np.linalg.norm(after - before, axis=1) * focal_px
    if not len(flow) or median(flow) < MOVING_PX:
        return np.zeros(len(flow), np.bool_)
    return np.asarray((flow < PAINTED_PX) & (np.linalg.norm(before, axis=1) > OFF_AHEAD))


def _static(before: Points, after: Points, focal_px: float) -> tuple[Matrix | None, bool]:
    slow = np.abs(after - before).max(1) * focal_px < SLOW_PX
    if slow.sum() < max(MIN_TRACKS, STATIC_SHARE * len(before)):
        return None, False
    rotation = pure_rotation(before[slow], after[slow])
    stands = rotation_residual(rotation, before, after) * focal_px < STILL_PX
    if stands.mean() < STATIC_SHARE:
        return None, False
    near = before[:, 1] > NEAR
    return rotation, bool(near.sum() >= NEAR_TRACKS and stands[near].mean() > NEAR_SHARE)


def motion_of(seen: Sight, ahead: Points = AHEAD, standing: bool = False) -> Motion:
    """The second half: the motion, refined on all tracks. `standing`: by other evidence the car stands, and what is
    `static` shows how it shook. It stands, too, where much is static and what is not moves the camera sideways: then
    something crosses before it."""
    before, after, turned = seen.before, seen.after, seen.turned
    if turned is None:
        return UNKNOWN
    if standing and seen.static is not None:
        return _still(seen, seen.static)
    if median(rotation_residual(turned, before, after)) * seen.focal_px < STILL_PX:
        return _still(seen, turned)
    tracks = Tracks(before, after, seen.focal_px, ahead)
    rotation, travel = _best(tracks, seen.found, (turned, ahead))
    travel = travel * _sense((rotation, travel), before, after)
    direction = rotation.T @ travel
    if seen.static is not None and abs(direction @ ahead) < np.cos(SIDEWAYS_RAD):
        return _still(seen, seen.static)
    fits = np.abs(tracks.pixels((rotation, travel))) < INLIER_PX
    return Motion(rotation, direction, int(fits.sum()), False, before, after, fits)


def _still(seen: Sight, turned: Matrix) -> Motion:
    fits = rotation_residual(turned, seen.before, seen.after) * seen.focal_px < INLIER_PX
    return Motion(turned, None, len(seen.before), True, seen.before, seen.after, fits)


def _best(tracks: Tracks, found: Pose | None, expected: Pose) -> Pose:
    """What RANSAC found, refined; where that is doubtful the expected motion as well, and the better of the two."""
    if found is None:
        return tracks.refined(expected)
    first = tracks.refined(found)
    fitting = np.mean(np.abs(tracks.pixels(first)) < INLIER_PX)
    if fitting > SURE_SHARE and np.abs(tracks.aside(first)).max() < ASTRAY:
        return first
    return min(first, tracks.refined(expected), key=tracks.cost)


def _sense(pose: Pose, before: Points, after: Points) -> float:
    """1 where the points move away from the focus of expansion that the translation gives, else -1."""
    rotation, travel = pose
    turned = after @ rotation[:, :2].T + rotation[:, 2]
    turned = turned[:, :2] / turned[:, 2:]
    outward = travel[2] * turned - travel[:2]
    return 1.0 if median(((turned - before) * outward).sum(1)) >= 0 else -1.0
