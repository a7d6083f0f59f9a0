import numpy as np
import pytest

from services.speed.camera import Attitude, ground_homography
from services.speed.patch import Patch
from tests.services.speed.oddities import CAMERA, Grey, drive, noise


@pytest.fixture(scope="module")
def steady() -> list[Grey]:
    return drive([6.0, 6.0])


ROAD = ground_homography(CAMERA, Attitude())


def test_the_patch_is_alike_at_the_distance_driven_and_only_there(steady: list[Grey]) -> None:
    patch = Patch(steady[0], steady[1], ROAD, ROAD)
    by_step = {step: patch.alike(step) for step in (0.0, 0.3, 0.6, 0.9)}
    assert max(by_step, key=lambda step: by_step[step][0]) == 0.6
    assert by_step[0.6][0] > 0.8
    assert by_step[0.6][1] > 2 * by_step[0.0][1]


def test_a_picture_is_itself(steady: list[Grey]) -> None:
    whole, share = Patch(steady[0], steady[0], ROAD, ROAD).alike(0.0)
    assert whole > 0.95
    assert share > 0.9


def test_light_and_contrast_do_not_matter(steady: list[Grey]) -> None:
    dimmed = (0.6 * steady[1] + 30).astype(np.uint8)
    same, other = (Patch(steady[0], later, ROAD, ROAD).alike(0.6)[0] for later in (steady[1], dimmed))
    assert other == pytest.approx(same, abs=0.05)


def test_noise_is_alike_nowhere() -> None:
    before, after = noise(2, 5)
    patch = Patch(before, after, ROAD, ROAD)
    assert max(patch.alike(step)[0] for step in np.linspace(-0.5, 3, 15)) < 0.3


def test_no_contrast_says_nothing() -> None:
    flat = np.full((CAMERA.height, CAMERA.width), 90, np.uint8)
    assert Patch(flat, flat, ROAD, ROAD).alike(0.0) == (0.0, 0.0)
