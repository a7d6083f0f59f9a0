"""Frames of whole scenes against what their truth says."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from services.speed.camera import PRESETS, ground_homography
from services.speed.render import street
from services.speed.rendering.chance import NEAREST_M, SIZES, random_camera, random_clip, random_speeds
from services.speed.rendering.drive import Manner, rotation_between
from services.speed.rendering.road import Road, Shape
from services.speed.rendering.scene import Scene

Array = NDArray[Any]
CAMERA = PRESETS["kitti"].scaled(620, 188)
TIME = np.arange(3) / 10


def bent() -> Scene:
    """A street that bends and climbs, driven with a body that sways."""
    sway = np.array([[0.003, 0.7, 0.4]])
    shape = Shape(np.array([[0.012, 200.0, 1.0]]), np.array([[0.15, 200.0, 0.0]]), np.array([[0.01, 150.0, 0.0]]))
    scene = street(1, 50)
    scene.road, scene.panels, scene.cars = Road(shape, 50), [], []
    scene.manner = Manner(lane_m=1.7, pitch=sway, roll=sway)
    return scene


def test_the_road_of_one_frame_is_that_of_the_next_moved_by_the_truth() -> None:
    """Seen from above along the truth, the two frames match where they are set off by the metres driven, and a
    tenth of a metre to either side they match worse."""
    (before, one), (after, other) = list(bent().film(CAMERA, TIME, np.full(3, 9.0), 1))[1:]
    camera = replace(CAMERA, height_m=other.height_m)
    travel = other.pose.to_camera @ (other.pose.centre - one.pose.centre)
    attitude = replace(other.attitude, yaw_rad=-float(np.arctan2(travel[0], travel[2])))
    to_later = ground_homography(camera, attitude)
    to_earlier = ground_homography(camera, attitude, rotation_between(one.pose, other.pose))
    reference = _above(after, to_later, 0.0)
    match = {shift: _agreement(reference, _above(before, to_earlier, shift)) for shift in (0.8, 0.9, 1.0)}
    assert match[0.9] > 0.95
    assert match[0.9] > max(match[0.8], match[1.0]) + 0.02


def _above(frame: Array, homography: Array, shift_m: float) -> Array:
    """7 to 15 m ahead and 2 m to either side at 5 cm a pixel."""
    metric = np.array([[0.05, 0, -2], [0, -0.05, 15 + shift_m], [0, 0, 1]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpPerspective(frame, homography @ metric, (80, 160), flags=flags), dtype=float)


def _agreement(one: Array, other: Array) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def test_a_standing_camera_sees_the_same_but_for_noise() -> None:
    frames = [frame for frame, _ in street(2, 10).film(CAMERA, TIME, np.zeros(3), 2)]
    assert not np.array_equal(frames[0], frames[1])
    assert np.abs(frames[0].astype(int) - frames[1]).mean() < 3


def test_a_car_that_leads_keeps_its_place_and_one_that_comes_grows() -> None:
    scene = street(3, 60)
    assert scene.cars[0].speed_mps < 0
    leading = replace(scene.cars[0], s=15.0, leads=True, swing=0.0)
    assert leading.at(3.0, 40.0) == 55.0
    assert scene.cars[0].at(1.0, 0.0) < scene.cars[0].at(0.0, 0.0)


def test_a_wet_road_mirrors_and_our_shadow_darkens() -> None:
    scene = street(4, 10)
    pose = next(scene.film(CAMERA, TIME, np.zeros(3), 4))[1].pose
    dry = scene.look(CAMERA, pose, 0.0, 0.0)
    scene.wet = 0.4
    wet = scene.look(CAMERA, pose, 0.0, 0.0)
    assert np.array_equal(dry[:80], wet[:80])
    assert np.abs(dry[150:] - wet[150:]).mean() > 5
    scene.wet, scene.own_shadow = 0.0, np.array([[0.3, 1.0], [0.7, 1.0], [0.6, 0.85], [0.4, 0.85]])
    assert scene.look(CAMERA, pose, 0.0, 0.0)[180, 310] == pytest.approx(0.55 * dry[180, 310], rel=0.02)


def test_clips_come_from_the_seed_alone() -> None:
    one, same, other = (random_clip(seed, 2) for seed in (7, 7, 8))
    assert np.array_equal(one.frames, same.frames)
    assert one.truth[1].speed_mps == same.truth[1].speed_mps
    assert one.frames.shape != other.frames.shape or not np.array_equal(one.frames, other.frames)


@pytest.mark.parametrize("seed", range(4))
def test_random_clips_have_pictures_and_a_truth_that_moves_as_fast_as_it_says(seed: int) -> None:
    clip = random_clip(100 + seed, 3)
    assert clip.frames.dtype == np.uint8
    assert clip.frames.shape[1:] == (clip.camera.height, clip.camera.width)
    assert clip.frames[:, :, :].std() > 8
    for before, after in zip(clip.truth, clip.truth[1:], strict=False):
        metres = (before.speed_mps + after.speed_mps) / 2 * (after.time_s - before.time_s)
        travelled = after.pose.to_camera @ (after.pose.centre - before.pose.centre)
        assert np.linalg.norm(travelled) == pytest.approx(abs(metres), rel=0.02, abs=0.02)
        assert np.sign(travelled[2]) == np.sign(metres) or abs(metres) < 0.02


def test_random_cameras_see_the_road_before_them() -> None:
    draw = np.random.default_rng(0)
    for _ in range(50):
        camera = random_camera(draw)
        assert (camera.width, camera.height) in SIZES
        row = camera.cy_px + camera.focal_px * np.tan(np.arctan(camera.height_m / NEAREST_M) - camera.pitch_rad)
        assert row < camera.height


def test_random_speeds_are_those_of_cars() -> None:
    draw, time = np.random.default_rng(1), np.arange(40) / 10
    speeds = np.array([random_speeds(draw, time) for _ in range(200)])
    assert speeds.max() > 25
    assert -3 < speeds.min() < -1
    assert np.abs(np.diff(speeds)).max() < 0.4
    assert 0.02 < (speeds == 0).all(1).mean() < 0.12
