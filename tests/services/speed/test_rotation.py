import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.speed.camera import Camera, Matrix
from services.speed.epipolar import Points
from services.speed.render import render_frames
from services.speed.rotation import Motion, motion, motion_of, sight_of
from services.speed.tracks import Grey
from tests.services.speed.scenes import scene

CAMERA = Camera(360.0, 310.0, 94.0, 1.65, 0.0, 620, 188)
small = st.floats(-0.03, 0.03)


def off(found: Motion, rotation: Matrix) -> float:
    """Angle between two rotations, radians."""
    return float(np.linalg.norm(cv2.Rodrigues(found.rotation @ rotation.T)[0]))


@settings(max_examples=12, deadline=None)
@given(small, small, small, st.floats(0.6, 3.0), st.floats(-0.03, 0.03))
def test_finds_the_rotation_and_direction_of_exact_points(
    x: float, y: float, z: float, metres: float, aside: float
) -> None:
    """Exact points leave nothing but the pull towards straight ahead (sd 0.04 rad), which the tolerances cover."""
    direction = np.array([aside, 0.0, 1.0]) / np.hypot(aside, 1)
    before, after, rotation = scene([x, y, z], metres * direction)
    found = motion_of(sight_of(before, after, 360.0))
    assert off(found, rotation) < 1e-3
    assert found.direction is not None
    assert np.arccos(np.clip(found.direction @ (rotation.T @ direction), -1, 1)) < 5e-3


def test_survives_a_third_of_wrong_tracks() -> None:
    before, after, rotation = scene([0.004, -0.02, 0.003], [0.0, 0.0, 1.0], noise_px=0.15)
    after[:50] += np.random.default_rng(1).uniform(-0.05, 0.05, (50, 2))
    found = motion_of(sight_of(before, after, 360.0))
    assert off(found, rotation) < 2e-3
    assert 80 <= found.inliers <= 115


def test_reversing_points_backwards() -> None:
    before, after, _ = scene([0.0, 0.0, 0.0], [0.0, 0.0, -1.0])
    direction = motion_of(sight_of(before, after, 360.0)).direction
    assert direction is not None
    assert direction[2] < -0.99


def test_a_turn_on_the_spot_is_still_and_has_no_direction() -> None:
    before, after, rotation = scene([0.0, 0.05, 0.0], [0.0, 0.0, 0.0], noise_px=0.1)
    found = motion_of(sight_of(before, after, 360.0))
    assert found.still
    assert found.direction is None
    assert off(found, rotation) < 1e-3


@pytest.mark.parametrize("frame", [np.zeros((188, 620), np.uint8), np.full((188, 620), 255, np.uint8)])
def test_a_picture_of_nothing_gives_no_motion(frame: Grey) -> None:
    found = motion(frame, frame, CAMERA)
    assert found.inliers == 0
    assert found.direction is None
    assert np.array_equal(found.rotation, np.eye(3))


def test_rendered_shake_is_found() -> None:
    frames = list(render_frames(np.arange(2) * 0.1, np.array([9.0, 9.0]), 4, CAMERA))
    found = motion(frames[0], frames[1], CAMERA)
    assert found.direction == pytest.approx([0, 0, 1], abs=0.02)
    assert off(found, np.eye(3)) < 4e-3


def crossed(share: float, forward: bool = False) -> tuple[Points, Points]:
    """A street that stands still, and a share of it covered by what passes from left to right, or drives on ahead."""
    before, _, _ = scene([0, 0, 0], [0, 0, 0], count=200)
    after = before + np.random.default_rng(1).normal(0, 0.1 / 360, before.shape)
    covered = np.arange(200) < share * 200
    after[covered] = before[covered] * 0.97 if forward else before[covered] + [0.05, 0.0]
    return before, after


@pytest.mark.parametrize("share", [0.2, 0.6, 0.7])
def test_a_car_stands_though_most_of_the_picture_passes_by(share: float) -> None:
    found = motion_of(sight_of(*crossed(share), 360.0))
    assert found.still
    assert found.direction is None
    assert off(found, np.eye(3)) < 1e-3


def test_a_car_stands_behind_one_that_leaves_when_the_road_says_so() -> None:
    seen = sight_of(*crossed(0.6, forward=True), 360.0)
    assert seen.static is not None
    assert motion_of(seen, standing=True).still


def test_standing_needs_something_static() -> None:
    seen = sight_of(*scene([0.0, 0.01, 0.0], [0.0, 0.0, 1.0], noise_px=0.1)[:2], 360.0)
    assert seen.static is None
    assert not motion_of(seen, standing=True).still


def test_a_caption_does_not_pull_at_the_rotation() -> None:
    """Points that never move fit any motion without rotation; a fifth of the tracks would hold it near none."""
    before, after, rotation = scene([0.0, -0.02, 0.0], [0.0, 0.0, 1.0], noise_px=0.1)
    text = np.random.default_rng(3).uniform([-0.8, 0.2], [-0.3, 0.25], (35, 2))
    found = motion_of(sight_of(np.vstack([before, text]), np.vstack([after, text]), 360.0))
    assert off(found, rotation) < 5e-4
    assert len(before) - 3 < len(found.before) <= len(before)
