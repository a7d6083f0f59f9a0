"""Which camera an answer holds for, and whether it says what it assumed."""

from dataclasses import replace

import numpy as np
import pytest

from services.speed.camera import DEFAULT_CAMERA, PRESETS
from services.speed.views import FOCALS, GIVEN_SD, HEIGHTS_M, View
from shared.errors import Unprocessable

ALL = {"focal_px": 900.0, "cx_px": 640.0, "cy_px": 360.0, "height_m": 1.2, "pitch_rad": 0.05}


def test_nothing_given_is_said() -> None:
    camera, warnings = View().camera(620, 188)
    assert replace(camera, scale_sd=0.0) == PRESETS[DEFAULT_CAMERA].scaled(620, 188)
    assert len(warnings) == 1
    assert f"{DEFAULT_CAMERA!r} is assumed" in warnings[0]
    assert f"{camera.scale_sd:.1%} of the speed" in warnings[0]


def test_a_preset_is_scaled_to_the_frames() -> None:
    camera, warnings = View("kitti-03").camera(621, 188)
    assert camera.focal_px == pytest.approx(721.5 / 2)
    assert (camera.width, camera.height, warnings) == (621, 188, [])


def test_all_numbers_are_taken_as_they_are() -> None:
    camera, warnings = View(None, **ALL).camera(1280, 720)
    assert {key: getattr(camera, key) for key in ALL} == ALL
    assert warnings == []


def test_half_a_camera_overrides_the_preset_and_says_so() -> None:
    camera, warnings = View("kitti", height_m=1.3, pitch_rad=0.01).camera(1241, 376)
    assert (camera.height_m, camera.pitch_rad, camera.focal_px) == (1.3, 0.01, 718)
    assert len(warnings) == 1
    assert warnings[0].startswith("focal_px, cx_px, cy_px not given; taken from camera 'kitti', scaled to the frames. ")


def test_frames_of_another_shape_are_said() -> None:
    assert "1.78 times as wide as high" in View("kitti").camera(1280, 720)[1][0]


@pytest.mark.parametrize(
    ("view", "pointer"),
    [({"focal_px": 5.0}, "/focal_px"), ({"cy_px": 5000.0}, "/cy_px"), ({"height_m": 0.0}, "/height_m")],
)
def test_numbers_that_fit_no_such_frames(view: dict[str, float], pointer: str) -> None:
    with pytest.raises(Unprocessable, match="620 x 188") as caught:
        View(None, **{**ALL, **view}).camera(620, 188)
    assert pointer in [error.pointer for error in caught.value.errors]


def test_unknown_preset() -> None:
    with pytest.raises(Unprocessable, match="kitti-03"):
        View("webcam")


def test_of_a_known_camera_little_is_unsure_but_not_nothing() -> None:
    """A preset, all of the numbers, or those two that speeds go with."""
    known = View("kitti"), View("kitti", height_m=1.4), View(None, **ALL), View(focal_px=359.0, height_m=1.65)
    assert [view.camera(620, 188)[0].scale_sd for view in known] == pytest.approx(4 * [GIVEN_SD])


@pytest.mark.parametrize("given", [{}, {"height_m": 1.3}, {"focal_px": 300.0}])
def test_what_is_not_given_is_as_unsure_as_dash_cams_differ(given: dict[str, float]) -> None:
    """The root mean square over 100,000 cameras drawn from what HEIGHTS_M and FOCALS say; their mean is known to a
    third of a percent."""
    camera, _ = View(None, **given).camera(620, 188)
    draw = np.random.default_rng(0)
    heights = draw.uniform(*HEIGHTS_M, 100_000) if "height_m" not in given else np.full(100_000, given["height_m"])
    focals = draw.uniform(*FOCALS, 100_000) * 620 if "focal_px" not in given else np.full(100_000, given["focal_px"])
    share = heights * focals / (camera.height_m * camera.focal_px) * (1 + GIVEN_SD * draw.standard_normal(100_000))
    assert camera.scale_sd == pytest.approx(np.sqrt(np.mean((share - 1) ** 2)), rel=0.01)


def test_what_the_scale_leaves_open_widens_every_speed_and_is_not_averaged_out() -> None:
    camera, _ = View().camera(620, 188)
    assert camera.widened(np.array([0.0, 10.0, -10.0]), np.full(3, 0.1)) == pytest.approx(
        [0.1, *2 * [np.hypot(0.1, 10 * camera.scale_sd)]]
    )
