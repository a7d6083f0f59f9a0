"""Two views of a rigid scene: the essential matrix, its Sampson distance and the motion that makes it least.

Bearings are (x/z, y/z) [tracks, 2] of the same points in the earlier and in the later frame. Hartley & Zisserman,
Multiple View Geometry, 11.4.3; the five-point method is Nister's (PAMI 2004).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from services.speed.camera import Matrix

Points = NDArray[np.float64]
Pose = tuple[Matrix, Points]
"""Rotation from the later axes to the earlier, and the unit vector of travel in the earlier axes."""

NOISE_PX = 0.2
CAUCHY = 3.0
AHEAD_SD = 0.04
"""How far, in radians, the direction of travel of one pair strays from the expected one."""
ROUNDS = 12
SMALL_STEP = 1e-5
CROSS = np.cross(np.eye(3)[:, None], np.eye(3)).transpose(0, 2, 1)
"""[i] is the matrix that takes v to e_i x v."""


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
    rays_before, rays_after = _rays(before), _rays(after)
    weights = np.ones(len(before))
    rotation = np.eye(3)
    for _ in range(rounds):
        u, _, vt = np.linalg.svd((rays_before * weights[:, None]).T @ rays_after)
        rotation = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
        residual = rotation_residual(rotation, before, after)
        weights = 1 / (1 + (residual / (np.median(residual) + 1e-6)) ** 2)
    return rotation


def rotation_residual(rotation: Matrix, before: Points, after: Points) -> Points:
    """Distance [tracks] of each point from where the rotation alone would have it."""
    turned = after @ rotation[:, :2].T + rotation[:, 2]
    off = turned[:, :2] / turned[:, 2:] - before
    return np.asarray(np.sqrt((off * off).sum(1)))


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
        one = np.ones((1, len(before)))
        self._before, self._after = np.vstack([before.T, one]), np.vstack([after.T, one])
        self._unit = focal_px / NOISE_PX
        self._ahead = _cross(ahead) / np.asarray(sd)

    def residual(self, pose: Pose) -> Points:
        """Sampson distances in standard deviations [tracks]."""
        lines, back = self._lines((_cross(pose[1]) @ pose[0])[None])
        apart = (self._before * lines[0]).sum(0)
        slope = (lines[0, :2] ** 2).sum(0) + (back[0, :2] ** 2).sum(0)
        return np.asarray(apart / np.sqrt(np.maximum(slope, 1e-24)) * self._unit)

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
            pose = np.asarray(turn @ pose[0]), np.asarray(moved / np.linalg.norm(moved))
            if np.abs(step).max() < SMALL_STEP:
                break
        return pose

    def _step(self, pose: Pose, basis: Points) -> Points:
        rotation, travel = pose
        across = _cross(travel)
        essentials = np.concatenate([across[None], across @ CROSS, np.tensordot(basis, CROSS, 1)]) @ rotation
        lines, back = self._lines(essentials)
        apart = (self._before * lines).sum(1)
        squared = (lines[0, :2] ** 2).sum(0) + (back[0, :2] ** 2).sum(0)
        scale = self._unit / np.sqrt(np.maximum(squared, 1e-24))
        steeper = (lines[1:, :2] * lines[0, :2]).sum(1) + (back[1:, :2] * back[0, :2]).sum(1)
        residual = apart[0] * scale
        slopes = apart[1:] * scale - steeper * (residual / np.maximum(squared, 1e-24))
        weighted = slopes / (1 + (residual / CAUCHY) ** 2)
        pull = np.concatenate([across.T, basis]) @ rotation @ self._ahead
        normal = weighted @ slopes.T + pull @ pull.T
        gradient = weighted @ residual + pull @ self.aside(pose)
        return np.asarray(-np.linalg.solve(normal + 1e-9 * np.trace(normal) * np.eye(5), gradient))

    def _lines(self, essentials: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Epipolar lines [K, 3, tracks] in the earlier frame, and [K, 2, tracks] of those in the later."""
        lines = essentials.reshape(-1, 3) @ self._after
        back = np.ascontiguousarray(essentials.transpose(0, 2, 1)[:, :2]).reshape(-1, 3) @ self._before
        return lines.reshape(len(essentials), 3, -1), back.reshape(len(essentials), 2, -1)


def sampson(pose: Pose, before: Points, after: Points) -> Points:
    """Signed Sampson distance of each track from the epipolar geometry, in the units of the bearings [tracks]."""
    return Tracks(before, after, NOISE_PX, pose[1]).residual(pose)


def _aside_of(v: Points) -> Points:
    """Two unit vectors [2, 3] that stand upright on the unit vector v and on each other."""
    across = _cross(v)
    one = across[int(np.argmin(np.abs(v)))]
    one = one / np.linalg.norm(one)
    return np.stack([one, across @ one])


def _cross(v: Points) -> Matrix:
    return np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
