"""Points in front of a camera that turns and moves."""

import cv2
import numpy as np

from services.speed.camera import Matrix
from services.speed.epipolar import Points


def scene(
    rotation_vector: list[float],
    translation: list[float] | Points,
    seed: int = 0,
    noise_px: float = 0.0,
    count: int = 150,
) -> tuple[Points, Points, Matrix]:
    """Bearings before and after of points in front of a camera that turns and moves; the later camera stands at
    `translation` of the earlier axes."""
    draw = np.random.default_rng(seed)
    points = np.column_stack([draw.uniform(-12, 12, count), draw.uniform(-3, 1.6, count), draw.uniform(5, 50, count)])
    rotation, _ = cv2.Rodrigues(np.asarray(rotation_vector, float))
    moved = (points - translation) @ rotation
    before, after = (p[:, :2] / p[:, 2:] + noise_px / 360 * draw.standard_normal((count, 2)) for p in (points, moved))
    return before, after, np.asarray(rotation, float)
