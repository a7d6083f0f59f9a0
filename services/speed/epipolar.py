"""Two views of a rigid scene: the essential matrix, its Sampson distance and the motion that makes it least.

Bearings are (x/z, y/z) [tracks, 2] of the same points in the earlier and in the later frame. Hartley & Zisserman,
Multiple View Geometry, 11.4.3; the five-point method is Nister's (PAMI 2004).
"""

from math import sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from services.speed.camera import Matrix
from services.speed.order import median

Points = NDArray[np.float64]
Pose = tuple[Matrix, Points]
"""Rotation from the later axes to the earlier, and the unit vector of travel in the earlier axes."""

NOISE_PX = 0.2
CAUCHY = 3.0
AHEAD_SD = 0.04
"""How far, in radians, the direction of travel of one pair strays from the expected one."""
ROUNDS = 12
SMALL_STEP = 1e-5
CROSS = np.ascontiguousarray(np.cross(np.eye(3)[:, None], np.eye(3)).transpose(0, 2, 1))
"""[i] is the matrix that takes v to e_i x v."""
CROSS_ROWS = CROSS.reshape(3, 9)
FIVE = np.eye(5)


def five_points(before: Points, after: Points, threshold: float) -> Pose | None:
    """RANSAC with a fixed seed. Of the decompositions the one that turns least: a car does not turn half round."""
    cv2.setRNGSeed(0)
    essential, _ = cv2.findEssentialMat(
        after, before, np.eye(3), method=cv2.USAC_ACCURATE, prob=0.999, threshold=threshold
    )
    if essential is None or essential.shape != (3, 3):
        return None
    one, other, translation = (np.asarray(part, np.float64) for part in cv2.decomposeEssentialMat(essential))
    return (one if np.trace(one) > np.trace(other) else other), translation.ravel()


def pure_rotation(before: Points, after: Points, rounds: int = 4) -> Matrix:
    """The rotation from the later to the earlier axes that fits best when nothing but rotation happened (Kabsch,
    reweighted so that a moving minority counts little)."""
    homogeneous, target = from_ahead(after), np.ascontiguousarray(before.T)
    rays_before, rays_after = _rays(before), _rays(after)
    weighted: Points = rays_before.T
    rotation: Matrix = np.eye(3)
    for turn in range(rounds):
        _, u, vt = cv2.SVDecomp(weighted @ rays_after)
        if cv2.determinant(u) * cv2.determinant(vt) < 0:
            u[:, 2] *= -1
        rotation = np.asarray(u @ vt, np.float64)
        if turn < rounds - 1:
            residual = _off(rotation, target, homogeneous)
            weighted = rays_before.T / (1 + (residual / (median(residual) + 1e-6)) ** 2)
    return rotation


def rotation_residual(rotation: Matrix, before: Points, after: Points) -> Points:
    """Distance [tracks] of each point from where the rotation alone would have it."""
    return _off(rotation, before.T, from_ahead(after))


def _off(rotation: Matrix, before: Points, after: Points) -> Points:
    """`rotation_residual` of `before` [2, tracks] and `after` [3, tracks], the latter homogeneous."""
    turned = rotation @ after
    off = turned[:2] / turned[2] - before
    off *= off
    return np.asarray(np.sqrt(off[0] + off[1]))


def from_ahead(bearings: Points) -> Points:
    """(x/z, y/z, 1) [3, tracks]."""
    rays = np.ones((3, len(bearings)))
    rays[:2] = bearings.T
    return rays


def _rays(bearings: Points) -> Points:
    rays = np.column_stack([bearings, np.ones(len(bearings))])
    return np.asarray(rays / np.linalg.norm(rays, axis=1, keepdims=True))


class Tracks:
    """Bearings of the same points in two frames, laid out for the arithmetic: `distances` and their slopes cost a
    matrix product each way."""

    def __init__(
        self, before: Points, after: Points, focal_px: float, ahead: Points, sd: float | tuple[float, ...] = AHEAD_SD
    ) -> None:
        """`sd`, in radians: how far the direction may stray from `ahead`, about all axes alike or about x, y and z."""
        self._before, self._after = from_ahead(before), from_ahead(after)
        self._products = (self._before[:, None] * self._after).reshape(9, -1)
        self._unit = focal_px / NOISE_PX
        self._ahead = _cross(ahead) / np.asarray(sd)

    def residual(self, pose: Pose) -> Points:
        """Sampson distances in standard deviations [tracks]."""
        apart, lines = self._lines((_cross(pose[1]) @ pose[0])[None])
        slope = (lines[:, 0] * lines[:, 0]).sum(0)
        return np.asarray(apart[0] / np.sqrt(np.maximum(slope, 1e-24)) * self._unit)

    def pixels(self, pose: Pose) -> Points:
        """Sampson distances in pixels [tracks]."""
        return self.residual(pose) * NOISE_PX

    def aside(self, pose: Pose) -> Points:
        """How far the direction lies from the expected line, in standard deviations [3]."""
        return np.asarray(pose[1] @ pose[0] @ self._ahead)

    def cost(self, pose: Pose) -> float:
        """Cauchy's, of the distances, and the pull towards the expected direction."""
        scaled = self.residual(pose) / CAUCHY
        return float(CAUCHY**2 * np.log1p(scaled * scaled).sum() + (self.aside(pose) ** 2).sum())

    def refined(self, pose: Pose) -> Pose:
        """Gauss-Newton on the Sampson distances of all tracks under Cauchy weights, with a weak pull towards the
        expected direction; the slopes in closed form."""
        for _ in range(ROUNDS):
            basis = _aside_of(pose[1])
            step = self._step(pose, basis)
            turn, _ = cv2.Rodrigues(step[:3])
            moved = pose[1] + step[3:] @ basis
            pose = np.asarray(turn @ pose[0]), np.asarray(moved / sqrt(moved @ moved))
            if max(map(abs, step.tolist())) < SMALL_STEP:
                break
        return pose

    def _step(self, pose: Pose, basis: Points) -> Points:
        rotation, travel = pose
        across = _cross(travel)
        turns, shifts = across @ CROSS, (basis @ CROSS_ROWS).reshape(2, 3, 3)
        essentials = np.concatenate([across[None], turns, shifts]).reshape(18, 3) @ rotation
        apart, lines = self._lines(essentials.reshape(6, 3, 3))
        steeper = (lines * lines[:, :1]).sum(0)
        squared = np.maximum(steeper[0], 1e-24)
        scale = self._unit / np.sqrt(squared)
        residual = apart[0] * scale
        slopes = apart[1:] * scale - steeper[1:] * (residual / squared)
        weighted = slopes / (1 + (residual / CAUCHY) ** 2)
        pull = np.concatenate([across.T, basis]) @ rotation @ self._ahead
        normal = weighted @ slopes.T + pull @ pull.T
        gradient = weighted @ residual + pull @ self.aside(pose)
        damped = normal + 1e-9 * float(np.einsum("ii", normal)) * FIVE
        return np.asarray(cv2.solve(damped, -gradient[:, None])[1]).ravel()

    def _lines(self, essentials: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of `essentials` [K, 3, 3] the products with both bearings [K, tracks], and the first two coefficients [4, K,
        tracks] of the epipolar lines in the earlier frame, then in the later."""
        count = len(essentials)
        lines = np.empty((4 * count, self._before.shape[1]))
        np.matmul(essentials[:, :2].transpose(1, 0, 2).reshape(-1, 3), self._after, out=lines[: 2 * count])
        np.matmul(essentials[:, :, :2].transpose(2, 0, 1).reshape(-1, 3), self._before, out=lines[2 * count :])
        return essentials.reshape(-1, 9) @ self._products, lines.reshape(4, count, -1)


def sampson(pose: Pose, before: Points, after: Points) -> Points:
    """Signed Sampson distance of each track from the epipolar geometry, in the units of the bearings [tracks]."""
    return Tracks(before, after, NOISE_PX, pose[1]).residual(pose)


def _aside_of(v: Points) -> Points:
    """Two unit vectors [2, 3] that stand upright on the unit vector v and on each other."""
    across = _cross(v)
    one = across[int(np.argmin(np.abs(v)))]
    one = one / sqrt(one @ one)
    return np.array([one, across @ one])


def _cross(v: Points) -> Matrix:
    x, y, z = v.tolist()
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
