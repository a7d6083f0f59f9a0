from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from services.speed.camera import PRESETS, Attitude, ground_homography
from services.speed.rendering.drive import CAMERA_AHEAD_M, Manner, Truth, drive, rotation_between
from services.speed.rendering.road import FLAT, Floats, Road, Shape

CAMERA = replace(PRESETS["kitti"].scaled(620, 188), pitch_rad=0.02)
HILLS = Shape(
    np.array([[0.01, 120.0, 0.5]]), np.array([[0.4, 150.0, 0.0], [0.02, 40.0, 1.0]]), np.array([[0.02, 80.0, 0.0]])
)


def driven(road: Road, speed: Floats, manner: Manner | None = None) -> list[Truth]:
    return list(drive(road, manner or Manner(), CAMERA, np.arange(len(speed)) / 10, speed))


def test_on_a_flat_road_the_camera_moves_ahead_by_the_integrated_speed() -> None:
    truth = driven(Road(FLAT, 50), np.array([10.0, 12.0, 14.0]))
    assert truth[2].pose.centre - truth[0].pose.centre == pytest.approx([0, 0, 2.4], abs=1e-9)
    assert truth[2].attitude == Attitude(pytest.approx(0.02), 0.0, pytest.approx(0.0, abs=1e-9))  # type: ignore[arg-type]
    assert truth[2].height_m == pytest.approx(CAMERA.height_m)


def test_the_turning_centre_moves_by_the_integrated_speed_on_any_road() -> None:
    """Beside the centre line of a bend a metre of the car is not a metre of s; hills add what they climb."""
    road, manner = Road(HILLS, 150), Manner(lane_m=3.0, weave=(0.3, 60.0, 0.0))
    truth = driven(road, np.full(80, 9.0), manner)
    heads = [t.pose.to_camera.T @ [0.0, 0.0, 1.0] for t in truth]
    level = [t.pose.centre[[0, 2]] - CAMERA_AHEAD_M * head[[0, 2]] for t, head in zip(truth, heads, strict=True)]
    metres = np.linalg.norm(np.diff(level, axis=0), axis=1)
    assert metres == pytest.approx(np.full(79, 0.9), rel=0.005)


def test_reversing_goes_back() -> None:
    truth = driven(Road(FLAT, 50), np.full(3, -2.0))
    assert truth[2].pose.centre[2] - truth[0].pose.centre[2] == pytest.approx(-0.4)


def test_a_bend_turns_the_camera_by_the_curvature() -> None:
    always = np.array([[0.02, 1e9, np.pi / 2]])
    one, other = driven(Road(Shape(always, FLAT.height, FLAT.bank), 50), np.full(2, 10.0), Manner(lane_m=0.0))
    turn = cv2.Rodrigues(rotation_between(one.pose, other.pose))[0].ravel()
    assert np.linalg.norm(turn) == pytest.approx(0.02 * 1.0, rel=0.02)
    assert turn[1] > 0  # to the right, with y down


def test_braking_dips() -> None:
    falling = np.array([10.0, 9.7, 9.4, 9.1])
    dipped = driven(Road(FLAT, 50), falling, Manner(dip=0.004))
    assert dipped[2].attitude.pitch_rad == pytest.approx(0.02 + 0.004 * 3.0)


@pytest.mark.parametrize("yaw", [0.0, 0.02])
def test_attitude_height_and_rotation_carry_the_road_into_both_frames(yaw: float) -> None:
    """The homographies of the truth project the road where the poses do. 0.6 px: the road is no plane."""
    sway = np.array([[0.003, 0.7, 0.0]])
    road, manner = Road(HILLS, 80), Manner(pitch=sway, roll=sway, heave=sway, yaw_rad=yaw)
    one, other = driven(road, np.full(12, 12.0), manner)[-2:]
    camera = replace(CAMERA, height_m=other.height_m)
    travel = other.pose.to_camera @ (other.pose.centre - one.pose.centre)
    attitude = replace(other.attitude, yaw_rad=-float(np.arctan2(travel[0], travel[2])))
    points = road.point(other.pose.s + np.linspace(8, 17, 6), np.linspace(0.5, 3, 6))
    for pose, homography in (
        (other.pose, ground_homography(camera, attitude)),
        (one.pose, ground_homography(camera, attitude, rotation_between(one.pose, other.pose))),
    ):
        seen = _project(pose.to_camera, pose.centre, points)
        back = np.column_stack([seen, np.ones(6)]) @ np.linalg.inv(homography).T
        place = back[:, :2] / back[:, 2:]
        exact = _on_road(other, one if pose is one.pose else other, points, attitude)
        assert place[:, 0] == pytest.approx(exact[:, 0], abs=0.05)
        assert place[:, 1] == pytest.approx(exact[:, 1], rel=0.03)


def _project(to_camera: Floats, centre: Floats, points: Floats) -> NDArray[np.float64]:
    seen = (points - centre) @ to_camera.T @ CAMERA.matrix.T
    return np.asarray(seen[:, :2] / seen[:, 2:])


def _on_road(later: Truth, frame: Truth, points: Floats, attitude: Attitude) -> NDArray[np.float64]:
    """Lateral and ahead, along the axes of the later frame's plane, from below the camera of `frame`."""
    level = np.linalg.inv(CAMERA.matrix) @ ground_homography(CAMERA, replace(attitude, roll_rad=0.0))
    offsets = (points - frame.pose.centre) @ later.pose.to_camera.T
    return np.asarray(offsets @ np.column_stack([level[:, 0], level[:, 1]]))
