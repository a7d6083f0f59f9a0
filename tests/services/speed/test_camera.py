import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.speed.camera import DEFAULT_CAMERA, PRESETS, Attitude, Camera, Matrix, ground_homography, rotation_about_y

CAMERA = Camera(360.0, 310.0, 94.0, 1.65, 0.02, 620, 188)
angles = st.floats(-0.1, 0.1)


def pixel(homography: Matrix, lateral: float, ahead: float) -> tuple[float, float]:
    x, y, w = homography @ [lateral, ahead, 1.0]
    return x / w, y / w


def test_half_size_halves_every_pixel_number() -> None:
    full = PRESETS["kitti-03"]
    half = full.scaled(621, 188)
    assert half.focal_px == pytest.approx(full.focal_px / 2)
    assert half.cx_px == pytest.approx(full.cx_px / 2)
    assert half.cy_px == pytest.approx(full.cy_px * 188 / 375)
    assert (half.height_m, half.pitch_rad, half.width, half.height) == (1.65, 0.0, 621, 188)


def test_scaling_and_back_is_the_same_camera() -> None:
    back = CAMERA.scaled(1240, 376).scaled(620, 188)
    assert back == CAMERA


def test_a_cropped_shape_keeps_the_horizontal_field_of_view() -> None:
    taller = CAMERA.scaled(620, 376)
    assert taller.focal_px == CAMERA.focal_px
    assert taller.cy_px == 188


def test_single_values_are_overridden_and_none_keeps() -> None:
    camera = CAMERA.with_values(height_m=1.2, pitch_rad=None)
    assert camera.height_m == 1.2
    assert camera.pitch_rad == CAMERA.pitch_rad


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("focal_px", 0.0),
        ("focal_px", float("nan")),
        ("height_m", 0.0),
        ("height_m", 11.0),
        ("pitch_rad", 0.7),
        ("cx_px", 5e3),
    ],
)
def test_numbers_out_of_range_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{name} must lie between"):
        CAMERA.with_values(**{name: value})


def test_no_resolution_is_refused() -> None:
    with pytest.raises(ValueError, match="resolution"):
        CAMERA.scaled(0, 10)


def test_the_default_is_a_preset() -> None:
    assert DEFAULT_CAMERA in PRESETS


def test_a_level_camera_sees_the_road_by_similar_triangles() -> None:
    level = ground_homography(CAMERA, Attitude())
    assert pixel(level, 0.0, 10.0) == pytest.approx((310.0, 94.0 + 360.0 * 1.65 / 10.0))
    assert pixel(level, 2.0, 10.0) == pytest.approx((310.0 + 360.0 * 0.2, 94.0 + 59.4))


def test_looking_down_raises_the_horizon_and_looking_right_moves_it_left() -> None:
    far = 1e9
    assert pixel(ground_homography(CAMERA, Attitude(0.02)), 0.0, far)[1] == pytest.approx(94.0 - 360.0 * np.tan(0.02))
    assert pixel(ground_homography(CAMERA, Attitude(0.0, 0.03)), 0.0, far)[0] == pytest.approx(310 - 360 * np.tan(0.03))


def test_a_road_that_falls_to_the_right_is_lower_there() -> None:
    banked = ground_homography(CAMERA, Attitude(roll_rad=0.05))
    assert pixel(banked, 2.0, 10.0)[1] > pixel(banked, -2.0, 10.0)[1]


@given(angles, angles, st.floats(-3, 3), st.floats(6, 18))
def test_taking_a_rotation_out_is_looking_with_the_earlier_camera(
    pitch: float, turned: float, lateral: float, ahead: float
) -> None:
    """The earlier camera looked `turned` further left; its picture of the road, seen through the later pose and the
    rotation, is what its own yaw gives. Both are the same few products in double precision."""
    later, earlier = Attitude(0.0, 0.01 + turned), Attitude(0.0, 0.01)
    through = ground_homography(CAMERA, later, rotation_about_y(-turned))
    assert pixel(through, lateral, ahead) == pytest.approx(
        pixel(ground_homography(CAMERA, earlier), lateral, ahead), abs=1e-9
    )
    assert np.linalg.det(ground_homography(CAMERA, Attitude(pitch, turned))) != 0


@pytest.mark.parametrize(("height", "pitch"), [(188, 0.02), (150, 0.02), (135, -0.01), (188, -0.1)])
def test_the_unit_is_that_in_which_the_road_begins_in_the_frame(height: int, pitch: float) -> None:
    camera = CAMERA.with_values(height=height, pitch_rad=pitch)
    below = pixel(ground_homography(camera, Attitude(pitch)), 0.0, 6.0)[1] - (height - 1)
    in_units = camera.measured_in(camera.unit_m)
    assert camera.unit_m >= 1
    if camera.unit_m > 1:
        assert below > -2.5
        assert -2.5 < pixel(ground_homography(in_units, Attitude(pitch)), 0.0, 6.0)[1] - (height - 1) < 0
    else:
        assert below <= 0


@pytest.mark.parametrize("pitch", [-0.5, 0.5])
def test_a_camera_that_sees_no_road_or_only_road_still_has_a_unit(pitch: float) -> None:
    camera = CAMERA.with_values(pitch_rad=pitch, height_m=0.1)
    assert 1 <= camera.unit_m <= 4
    assert camera.measured_in(camera.unit_m).height_m >= 0.1


def test_a_length_in_units_is_the_same_picture() -> None:
    """The road 9 m ahead of a camera at 1.65 m looks like that 6 units ahead of one at 1.1."""
    whole, units = (ground_homography(camera, Attitude(0.02)) for camera in (CAMERA, CAMERA.measured_in(1.5)))
    assert pixel(whole, 1.5, 9.0) == pytest.approx(pixel(units, 1.0, 6.0))
