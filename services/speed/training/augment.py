"""Variants of a pair of frames: what another car, lens or light would have shown, and the truth that goes with it.

Twice and three times the speed come from pairs that lie two and three frames apart (`data.SKIPS`).
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from services.speed.camera import Attitude, Camera, Matrix, ground_homography
from services.speed.training.data import Pair
from services.speed.training.network import COARSE_M

PITCH_SD, ROLL_SD, YAW_SD = 0.006, 0.008, 0.004
FOCAL_SD = 0.003
CENTRE_SD = 0.006
"""Of the principal point, in shares of the frame's width; the pitch follows, as where the car heads tells it."""
ROTATION_SD = (0.0001, 0.001)
"""What is left of the rotation once it is taken out: between these, radians a component, in half of the variants."""
HEIGHTS = (0.75, 1.3)
STILL_SHARE, HIDDEN_SHARE, SHADED_SHARE, CODED_SHARE = 0.04, 0.12, 0.15, 0.3
MARGIN_M = 0.2
REACH_M = COARSE_M[1] - MARGIN_M
"""What the correlation can still find with room on both sides."""
REVERSED_BELOW_M = -COARSE_M[0] - 0.06
Grey = NDArray[np.uint8]


@dataclass(frozen=True)
class Sample:
    """What the graph is fed for one pair, and what it should answer: `metres` driven, and the `tilt` (pitch, roll; rad)
    by which the homographies were set off from the plane."""

    previous: Grey
    current: Grey
    previous_homography: NDArray[np.float32]
    current_homography: NDArray[np.float32]
    seconds: float
    metres: float
    tilt: tuple[float, float]


def plain(pair: Pair) -> Sample:
    """The pair as it is."""
    return _sample(pair, pair.clip.camera, pair.attitude)


def _sample(
    pair: Pair, camera: Camera, attitude: Attitude, set_off: tuple[float, float] | NDArray[np.float64] = (0.0, 0.0)
) -> Sample:
    believed, plane = pair.attitude, pair.plane
    return Sample(
        pair.clip.frames[pair.earlier],
        pair.clip.frames[pair.later],
        ground_homography(camera, attitude, pair.rotation).astype(np.float32),
        ground_homography(camera, attitude).astype(np.float32),
        pair.seconds,
        pair.metres,
        (
            float(plane.pitch_rad - believed.pitch_rad - set_off[0]),
            float(plane.roll_rad - believed.roll_rad - set_off[1]),
        ),
    )


def varied(pair: Pair, draw: np.random.Generator) -> Sample:
    """One random variant."""
    pitch, roll, yaw = np.array([PITCH_SD, ROLL_SD, YAW_SD]) * draw.standard_normal(3)
    held = pair.attitude
    attitude = replace(
        held, pitch_rad=held.pitch_rad + pitch, yaw_rad=held.yaw_rad + yaw, roll_rad=held.roll_rad + roll
    )
    camera, attitude = off_centre(pair.clip.camera, attitude, CENTRE_SD * draw.standard_normal(2))
    camera = replace(camera, focal_px=camera.focal_px * (1 + FOCAL_SD * draw.standard_normal()))
    reach = REACH_M if pair.metres > 0 else REVERSED_BELOW_M
    highest = max(HEIGHTS[0], min(HEIGHTS[1], reach / max(abs(pair.metres), 1e-9)))
    sample = raised(_sample(pair, camera, attitude, (pitch, roll)), draw.uniform(HEIGHTS[0], highest))
    if draw.random() < STILL_SHARE:
        sample = still(sample)
    if abs(sample.metres) < REVERSED_BELOW_M and draw.random() < 0.5:
        sample = backwards(sample)
    if draw.random() < 0.5:
        spread = np.exp(draw.uniform(*np.log(ROTATION_SD)))
        sample = turned(sample, camera.matrix, spread * draw.standard_normal(3))
    if draw.random() < SHADED_SHARE:
        sample = shaded(sample, draw)
    if draw.random() < HIDDEN_SHARE:
        sample = hidden(sample, draw)
    if draw.random() < 0.5:
        sample = mirrored(sample)
    return relit(sample, draw)


def raised(sample: Sample, factor: float) -> Sample:
    """The same picture from a camera `factor` times as high is of a road as many times as large: the truth grows."""
    larger = np.diag([1, 1, factor]).astype(np.float32)
    return replace(
        sample,
        previous_homography=sample.previous_homography @ larger,
        current_homography=sample.current_homography @ larger,
        metres=sample.metres * factor,
    )


def off_centre(camera: Camera, attitude: Attitude, share: NDArray[np.float64]) -> tuple[Camera, Attitude]:
    """The camera with its principal point taken to lie `share` [2] of the width from where it is, and the attitude that
    the direction of travel then tells: the horizon and the point where the car heads keep their pixels."""
    right, down = camera.width * share
    moved = replace(camera, cx_px=camera.cx_px + right, cy_px=camera.cy_px + down)
    pitch, yaw = attitude.pitch_rad + down / camera.focal_px, attitude.yaw_rad + right / camera.focal_px
    return moved, replace(attitude, pitch_rad=pitch, yaw_rad=yaw)


def still(sample: Sample) -> Sample:
    """The later frame twice: 0 m/s."""
    return replace(sample, previous=sample.current, previous_homography=sample.current_homography, metres=0.0)


def backwards(sample: Sample) -> Sample:
    """The pair the other way round: the car reverses. Each homography measures the road from below its own camera,
    along the same axes, so that they change places with their frames."""
    return replace(
        sample,
        previous=sample.current,
        current=sample.previous,
        previous_homography=sample.current_homography,
        current_homography=sample.previous_homography,
        metres=-sample.metres,
    )


def mirrored(sample: Sample) -> Sample:
    """Left and right exchanged, in the pictures and on the road."""
    flip_pixels = np.array([[-1, 0, sample.current.shape[1] - 1], [0, 1, 0], [0, 0, 1]], dtype=np.float32)
    flip_road = np.diag([-1, 1, 1]).astype(np.float32)
    return replace(
        sample,
        previous=sample.previous[:, ::-1],
        current=sample.current[:, ::-1],
        previous_homography=(flip_pixels @ sample.previous_homography @ flip_road).astype(np.float32),
        current_homography=(flip_pixels @ sample.current_homography @ flip_road).astype(np.float32),
        tilt=(sample.tilt[0], -sample.tilt[1]),
    )


def turned(sample: Sample, matrix: Matrix, vector: NDArray[np.float64]) -> Sample:
    """The rotation between the frames wrong by the rotation vector [3], radians; the truth stays."""
    wrong = matrix @ cv2.Rodrigues(vector)[0] @ np.linalg.inv(matrix)
    return replace(sample, previous_homography=(wrong @ sample.previous_homography).astype(np.float32))


def shaded(sample: Sample, draw: np.random.Generator) -> Sample:
    """A shadow with straight edges that lies on the road in both frames, and so moves as the road does."""
    x, far = np.sort(draw.uniform(-6, 6, 2)), np.sort(draw.uniform(4, 24, 2))
    slant = draw.uniform(-4, 4)
    corners = np.array([[x[0], far[0]], [x[1], far[0] + slant], [x[1], far[1] + slant], [x[0], far[1]]])
    depth = draw.uniform(0.3, 0.7)
    earlier = corners + np.array([0.0, sample.metres])
    return replace(
        sample,
        previous=_darkened(sample.previous, _pixels(sample.previous_homography, earlier), depth),
        current=_darkened(sample.current, _pixels(sample.current_homography, corners), depth),
    )


def _pixels(homography: NDArray[np.float32], road: NDArray[np.float64]) -> NDArray[np.float64]:
    points = np.column_stack([road[:, 0], np.maximum(road[:, 1], 1.0), np.ones(len(road))]) @ homography.T
    return np.asarray(points[:, :2] / np.maximum(points[:, 2:], 0.1))


def _darkened(frame: Grey, polygon: NDArray[np.float64], depth: float) -> Grey:
    """Drawn to a sixteenth of a pixel, so that the shadow moves as smoothly as the road."""
    mask = np.zeros(frame.shape, np.uint8)
    corners = np.rint(np.clip(polygon, -2000, 2000) * 16).astype(np.int32)
    cv2.fillConvexPoly(mask, corners, 255, cv2.LINE_AA, 4)
    return np.asarray(frame * (1 - depth * cv2.blur(mask, (3, 3)) / np.float32(255)), dtype=np.uint8)


def hidden(sample: Sample, draw: np.random.Generator) -> Sample:
    """Part of the road hidden by something like the back of a car that drives as we do: it stays where it is in the
    picture, but for a pixel or so."""
    at, half = draw.uniform(-3, 3), draw.uniform(0.6, 1.2)
    near = draw.uniform(6, 15)
    feet = _pixels(sample.current_homography, np.array([[at - half, near], [at + half, near]]))
    left, right = np.sort(feet[:, 0])
    bottom, tall = feet[:, 1].max(), 0.85 * (right - left)
    blob = draw.uniform(10, 220) + 25 * draw.standard_normal((12, 16), dtype=np.float32)
    blob[-3:] = 15
    frames = []
    for frame in (sample.previous, sample.current):
        shift, grow = draw.normal(0, 0.7, 2), 1 + draw.normal(0, 0.01)
        box = np.array([left, bottom - tall, right, bottom]) + np.tile(shift, 2)
        middle = (box[0] + box[2]) / 2
        box[[0, 2]] = middle + (box[[0, 2]] - middle) * grow
        frames.append(_pasted(frame, blob, np.rint(box).astype(int)))
    return replace(sample, previous=frames[0], current=frames[1])


def _pasted(frame: Grey, blob: NDArray[np.float32], box: NDArray[np.int_]) -> Grey:
    left, top, right, bottom = (int(edge) for edge in box)
    height, width = frame.shape
    if right - left < 2 or bottom - top < 2 or right - left > 2 * width:
        return frame
    picture = cv2.resize(blob, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    picture = picture[max(0, -top) : max(0, height - top), max(0, -left) : max(0, width - left)]
    whole = frame.copy()
    rows, columns = slice(max(0, top), max(0, bottom)), slice(max(0, left), max(0, right))
    whole[rows, columns] = np.clip(picture, 0, 255).astype(np.uint8)
    return whole


def relit(sample: Sample, draw: np.random.Generator) -> Sample:
    """Other light (gain, offset, gamma and a gradient common to both frames, a little gain of its own for each), blur,
    noise and the marks of JPEG, which differ between the frames even where the pictures are the same."""
    gamma, gain, offset = draw.uniform(0.7, 1.4), draw.uniform(0.6, 1.2), draw.uniform(-20, 20)
    noise = draw.uniform(0, 4) if draw.random() < 0.5 else 0.0
    blur = draw.uniform(0.4, 1.0) if draw.random() < 0.25 else 0.0
    quality = int(draw.integers(40, 96)) if draw.random() < CODED_SHARE else None
    slope = draw.uniform(-0.3, 0.3, 2) if draw.random() < 0.3 else None
    frames = []
    for frame in (sample.previous, sample.current):
        levels = 255 * (np.arange(256) / 255) ** gamma * gain * draw.uniform(0.95, 1.05) + offset
        lit = cv2.LUT(np.ascontiguousarray(frame), np.clip(levels, 0, 255).astype(np.float32))
        if slope is not None:
            height, width = lit.shape
            lit = lit * (1 + slope[0] * np.linspace(-1, 1, width, dtype=np.float32))
            lit = lit * (1 + slope[1] * np.linspace(-1, 1, height, dtype=np.float32))[:, None]
        if blur:
            lit = cv2.GaussianBlur(lit, (0, 0), blur)
        if noise:
            lit = lit + noise * draw.standard_normal(lit.shape, dtype=np.float32)
        frames.append(_coded(np.clip(lit, 0, 255).astype(np.uint8), quality))
    return replace(sample, previous=frames[0], current=frames[1])


def _coded(frame: Grey, quality: int | None) -> Grey:
    if quality is None:
        return frame
    coded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
