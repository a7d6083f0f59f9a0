"""Pinhole dash cameras and the homographies that carry the road plane into their images.

Axes of a camera: x to the right, y down, z ahead, metres. A point of the road is (lateral, ahead), measured from the
point of the road below the camera along the direction of travel. Lens distortion is not modelled: frames are taken to
be rectified.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

MAX_PITCH_RAD = 0.6
MAX_HEIGHT_M = 10.0
NEAREST_M = 6.0
"""Where the road that is looked at begins."""
FURTHEST_UNIT = 4.0
MARGIN = 1.02


@dataclass(frozen=True)
class Camera:
    """A camera above a flat road; the pixel numbers hold for frames of `width` x `height` only.

    `pitch_rad` is positive when the camera looks down. `scale_sd`, a share of the speed, says how wrong all speeds
    together may be because height and focal length are not known better. Raises ValueError for a number out of its
    range.
    """

    focal_px: float
    cx_px: float
    cy_px: float
    height_m: float
    pitch_rad: float
    width: int
    height: int
    scale_sd: float = 0.0

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"camera resolution must be at least 1x1 pixels, got {self.width}x{self.height}")
        span = float(max(self.width, self.height))
        _check("focal_px", self.focal_px, 0.1 * span, 20 * span)
        _check("cx_px", self.cx_px, -span, 2 * span)
        _check("cy_px", self.cy_px, -span, 2 * span)
        _check("height_m", self.height_m, 0.1, MAX_HEIGHT_M)
        _check("pitch_rad", self.pitch_rad, -MAX_PITCH_RAD, MAX_PITCH_RAD)
        _check("scale_sd", self.scale_sd, 0.0, 1.0)

    def scaled(self, width: int, height: int) -> "Camera":
        """The same camera for frames resized to `width` x `height`.

        Where the aspect ratio differs the horizontal field of view is held and the image centre keeps its place.
        """
        across, down = width / self.width, height / self.height
        return replace(
            self, focal_px=self.focal_px * across, cx_px=self.cx_px * across, cy_px=self.cy_px * down,
            width=width, height=height,
        )  # fmt: skip

    def with_values(self, **values: float | None) -> "Camera":
        """This camera with the given numbers in place of its own; None keeps the old one."""
        return replace(self, **{name: value for name, value in values.items() if value is not None})  # type: ignore[arg-type]

    def widened(self, speed_mps: Matrix, sd_mps: Matrix) -> Matrix:
        """The standard deviations [T] of speeds [T], once smoothed, with what all of them share through the scale."""
        return np.hypot(sd_mps, self.scale_sd * np.abs(speed_mps))

    @property
    def unit_m(self) -> float:
        """1 where the frame shows the road from NEAREST_M ahead; where it begins further off, how many times further.

        In that unit of length the camera is lower and its speeds are smaller by that factor, and it sees the road from
        NEAREST_M.
        """
        lowest = float(np.arctan2(self.height - 1 - self.cy_px, self.focal_px)) + self.pitch_rad
        nearest = self.height_m / np.tan(lowest) if 0 < lowest < np.pi / 2 else np.inf if lowest <= 0 else 0.0
        return float(np.clip(MARGIN * nearest / NEAREST_M, 1.0, min(FURTHEST_UNIT, max(1.0, self.height_m / 0.1))))

    def measured_in(self, unit_m: float) -> "Camera":
        """The same camera with its height in another unit of length."""
        return replace(self, height_m=self.height_m / unit_m)

    @property
    def matrix(self) -> Matrix:
        """3x3 matrix from camera axes to homogeneous pixels."""
        focal = self.focal_px
        return np.array([[focal, 0, self.cx_px], [0, focal, self.cy_px], [0, 0, 1]], dtype=np.float64)


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must lie between {low:g} and {high:g} for this resolution, got {value:g}")


@dataclass(frozen=True)
class Attitude:
    """How the camera sits on the moving car: it looks `pitch_rad` below and `yaw_rad` to the right of the direction of
    travel, and the road falls away to the right by `roll_rad`. Since the earlier frame it rose by `rise_m` from the
    road, as a car does that bounces."""

    pitch_rad: float = 0.0
    yaw_rad: float = 0.0
    roll_rad: float = 0.0
    rise_m: float = 0.0


def ground_homography(camera: Camera, attitude: Attitude, rotation: Matrix | None = None) -> Matrix:
    """3x3 matrix from road points (lateral, ahead, 1) in metres to homogeneous pixels.

    `rotation` turns the axes of this camera into those of the camera that took the frame: given the rotation to the
    earlier frame, that frame is seen with the rotation taken out, from the height that the camera had then.
    """
    height = camera.height_m if rotation is None else camera.height_m - attitude.rise_m
    level = np.array([[1, 0, 0], [np.sin(attitude.roll_rad), 0, height], [0, 1, 0]], dtype=np.float64)
    road = rotation_about_x(attitude.pitch_rad) @ rotation_about_y(attitude.yaw_rad) @ level
    return camera.matrix @ (road if rotation is None else rotation @ road)


def rotation_about_x(angle_rad: float) -> Matrix:
    """Takes directions of a level camera to those of one that looks `angle_rad` further down."""
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]], dtype=np.float64)


def rotation_about_y(angle_rad: float) -> Matrix:
    """Takes directions of a camera to those of one that looks `angle_rad` further right."""
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]], dtype=np.float64)


PRESETS: Mapping[str, Camera] = MappingProxyType(
    {
        "kitti": Camera(718.0, 620.5, 188.0, 1.65, 0.0, 1241, 376),
        "kitti-03": Camera(721.5, 609.6, 172.9, 1.65, 0.0, 1242, 375),
        "kitti-09": Camera(707.1, 601.9, 183.1, 1.65, 0.0, 1241, 376),
        "comma-eon": Camera(910.0, 582.0, 437.0, 1.22, 0.0, 1164, 874),
    }
)
"""Known cameras, at full resolution: KITTI's (Geiger et al., IJRR 2013; "kitti" is the rounded one for a drive whose
calibration is not known) and comma's EON (openpilot's nominal numbers, not tried on its videos here)."""

DEFAULT_CAMERA = "kitti"
