from itertools import pairwise

import numpy as np
import pytest

from services.speed.camera import Attitude, Camera, ground_homography, rotation_about_x
from services.speed.mount import DIRECTION_SD, KERB_RAD, PITCH_PRIOR_SD, Mount
from services.speed.rotation import UNKNOWN, Motion

CAMERA = Camera(360.0, 310.0, 94.0, 1.65, 0.01, 620, 188)


def direction(pitch: float, yaw: float) -> np.ndarray:
    return np.array([-np.sin(yaw), -np.sin(pitch) * np.cos(yaw), np.cos(pitch) * np.cos(yaw)])


def travelling(pitch: float, yaw: float, backwards: bool = False) -> Motion:
    return Motion(np.eye(3), direction(pitch, yaw) * (-1 if backwards else 1), 200)


def driven(pitch: float, metres: float, noise_px: float = 0.0, seed: int = 0) -> Motion:
    """A motion with tracks of points 5 to 60 m off: the camera moved on by `metres`, looking `pitch` below its path."""
    draw = np.random.default_rng(seed)
    depth = draw.uniform(5, 60, 200)
    later = np.column_stack([draw.uniform(-0.8, 0.8, 200) * depth, draw.uniform(-0.2, 0.25, 200) * depth, depth])
    travel = direction(pitch, 0.0)
    earlier = later + metres * travel
    before, after = (points[:, :2] / points[:, 2:] for points in (earlier, later))
    before = before + noise_px / CAMERA.focal_px * draw.standard_normal(before.shape)
    return Motion(np.eye(3), travel, 200, False, before, after, np.ones(200, np.bool_))


@pytest.mark.parametrize("backwards", [False, True])
def test_learns_pitch_and_yaw_from_the_direction_of_travel(backwards: bool) -> None:
    mount = Mount(CAMERA)
    for _ in range(60):
        attitude = mount.update(travelling(0.03, -0.02, backwards))
    assert attitude.pitch_rad == pytest.approx(0.03, abs=1e-4)
    assert attitude.yaw_rad == pytest.approx(-0.02, abs=1e-4)
    assert mount.ahead == pytest.approx(direction(0.03, -0.02), abs=2e-4)


def test_begins_with_the_nominal_pitch_weighed_against_the_first_pair() -> None:
    mount = Mount(CAMERA)
    gain = PITCH_PRIOR_SD**2 / (PITCH_PRIOR_SD**2 + DIRECTION_SD**2)
    assert mount.update(travelling(0.02, 0.0)).pitch_rad == pytest.approx(0.01 + gain * 0.01, abs=1e-4)


def test_averages_noise() -> None:
    draw, mount = np.random.default_rng(0), Mount(CAMERA)
    held = [mount.update(travelling(0.02 + 0.007 * draw.standard_normal(), 0.0)).pitch_rad for _ in range(400)]
    assert np.std(held[50:]) < 0.5 * 0.007


def test_one_wild_direction_changes_nothing_but_a_lasting_one_is_believed() -> None:
    mount = Mount(CAMERA)
    for _ in range(40):
        mount.update(travelling(0.0, 0.0))
    before = mount.pitch_rad
    assert mount.update(travelling(0.3, 0.4)).pitch_rad == before
    for _ in range(400):
        mount.update(travelling(0.06, 0.0))
    assert mount.pitch_rad == pytest.approx(0.06, abs=2e-3)


def test_standing_keeps_what_is_known() -> None:
    mount = Mount(CAMERA)
    known = mount.update(travelling(0.02, 0.01))
    assert mount.update(UNKNOWN).pitch_rad == known.pitch_rad


def test_what_is_not_learnt_yet_is_said_and_fades() -> None:
    mount = Mount(CAMERA)
    shares = [mount.scale_sd] + [(mount.update(travelling(0.0, 0.0)), mount.scale_sd)[1] for _ in range(20)]
    assert 0.1 < shares[0] < 0.2
    assert all(later <= earlier for earlier, later in pairwise(shares))
    assert shares[-1] < 0.005
    low = Mount(CAMERA.with_values(height_m=1.0))
    for _ in range(20):
        low.update(travelling(0.0, 0.0))
    assert 0.01 < low.scale_sd < 0.05


def test_pairs_far_apart_let_the_mount_wander_further() -> None:
    sure, unsure = Mount(CAMERA), Mount(CAMERA)
    for _ in range(200):
        sure.update(travelling(0.0, 0.0), 0.1)
        unsure.update(travelling(0.0, 0.0), 0.5)
    assert sure.update(travelling(0.01, 0.0), 0.1).pitch_rad < unsure.update(travelling(0.01, 0.0), 0.5).pitch_rad


def test_a_banked_road_is_believed_but_for_what_kerbs_feign() -> None:
    mount = Mount(CAMERA)
    attitude = mount.update(travelling(0.0, 0.0))
    for _ in range(400):
        mount.observe(attitude, 10.0, np.array([0.0, 0.05 - attitude.roll_rad]), 0.01)
        attitude = mount.update(travelling(0.0, 0.0))
    assert mount.roll_rad == pytest.approx(0.05, abs=1e-3)
    assert attitude.roll_rad == pytest.approx(0.05 - KERB_RAD, abs=1e-3)
    level = Mount(CAMERA)
    for _ in range(100):
        level.observe(Attitude(), 10.0, np.array([0.0, 0.01]), 0.01)
    assert level.update(travelling(0.0, 0.0)).roll_rad == 0


@pytest.mark.parametrize("answer", [(np.nan, 0.1, 0.01), (10.0, np.nan, 0.01), (10.0, 0.1, np.inf)])
def test_an_answer_that_is_no_number_teaches_nothing(answer: tuple[float, float, float]) -> None:
    mount = Mount(CAMERA)
    mount.observe(Attitude(), answer[0], np.array([0.0, answer[1]]), answer[2])
    assert (mount.roll_rad, mount.speed_mps) == (0.0, 0.0)


def test_rotation_and_direction_of_travel_are_held_together() -> None:
    """Noise turns the direction of travel and, to make up for it far off, the rotation; near what is expected of the
    direction the rotation is better too. The truth is no rotation."""
    pitch, found, settled = 0.01, [], []
    for seed in range(30):
        mount = Mount(CAMERA)
        for _ in range(30):
            mount.update(travelling(pitch, 0.0))
        noisy = driven(pitch, 0.4, 0.5, seed)
        wrong = rotation_about_x(0.0004 * (-1) ** seed)
        mount.update(Motion(wrong, noisy.direction, 200, False, noisy.before, noisy.after, noisy.fits))
        found.append(np.arctan2(wrong[1, 2], wrong[2, 2]))
        settled.append(np.arctan2(mount.rotation[1, 2], mount.rotation[2, 2]))
    assert np.std(settled) < 0.6 * np.std(found)


def test_a_car_that_bounces_up_rises_from_the_road() -> None:
    """The camera looks 0.01 rad below the road's direction and 0.016 below its path: it goes up by 0.006 of the way.
    A good half of that is believed, the rest may be noise."""
    mount = Mount(CAMERA)
    for _ in range(100):
        mount.update(travelling(0.01, 0.0))
    mount.observe(Attitude(), 10.0, np.zeros(2), 0.01)
    attitude = mount.update(driven(0.016, 1.0))
    assert 0.4 * 0.006 < attitude.rise_m < 0.006
    here, then = (ground_homography(CAMERA, attitude, turned) for turned in (None, np.eye(3)))
    assert np.allclose(here[:, :2], then[:, :2])
    assert (then[:, 2] / here[:, 2])[1] == pytest.approx((CAMERA.height_m - attitude.rise_m) / CAMERA.height_m)


def test_of_a_speed_not_known_yet_no_rise_is_made() -> None:
    mount = Mount(CAMERA)
    for _ in range(20):
        mount.update(travelling(0.01, 0.0))
    assert mount.update(driven(0.016, 1.0)).rise_m == 0
