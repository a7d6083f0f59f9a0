"""What a pair says about its own measurement."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from services.speed.camera import Attitude, Matrix, ground_homography
from services.speed.doubt import STANDING_SD, Verdict, judge, road_steps
from services.speed.patch import Patch
from services.speed.rotation import Motion
from services.speed.scene import Trouble
from tests.services.speed.oddities import CAMERA, Grey, drive, noise

ROAD = ground_homography(CAMERA, Attitude())
AHEAD = np.array([0.0, 0.0, 1.0])
NOTHING = np.empty(0)


def patch_of(pictures: list[Grey]) -> Patch:
    return Patch(pictures[0], pictures[1], ROAD, ROAD)


def turned(x: float, y: float, z: float) -> Matrix:
    return np.asarray(cv2.Rodrigues(np.array([x, y, z], float))[0])


def moving(
    direction: np.ndarray = AHEAD, rotation: Matrix | None = None, fitting: float = 1.0, count: int = 200
) -> Motion:
    points = np.random.default_rng(0).normal(0, 0.3, (count, 2))
    fits = np.arange(count) < fitting * count
    rotation = np.eye(3) if rotation is None else rotation
    return Motion(rotation, direction, int(fits.sum()), False, points, 1.05 * points, fits)


STILL = Motion(np.eye(3), None, 200, True, np.ones((200, 2)), np.ones((200, 2)), np.ones(200, np.bool_))


@pytest.fixture(scope="module")
def driven() -> Patch:
    """0.6 m in 0.1 s."""
    return patch_of(drive([6.0, 6.0]))


@pytest.fixture(scope="module")
def unmoved() -> Patch:
    return patch_of(drive([0.0, 0.0]))


@pytest.fixture(scope="module")
def covered() -> Patch:
    return patch_of(noise(2, 3))


def told(patch: Patch, motion: Motion, speed: float = 6.0, steps: np.ndarray = NOTHING, tried: int = 200) -> Verdict:
    return judge(speed, 0.3, 0.1, motion, tried, patch, steps)


def test_where_all_agrees_the_net_is_believed(driven: Patch) -> None:
    assert told(driven, moving()) == Verdict(6.0, 0.3)


def test_a_patch_that_is_not_alike_widens_the_sd(driven: Patch, covered: Patch) -> None:
    assert told(driven, moving(), 0.0).sd_mps > 0.4
    assert told(covered, moving()).sd_mps > 2.0


def test_tracks_that_do_not_fit_widen_it_and_none_that_do_end_it(driven: Patch) -> None:
    some, few = (told(driven, moving(fitting=share)) for share in (0.55, 0.2))
    assert 0.5 < some.sd_mps < 3.0
    assert some.trouble is None
    assert few.trouble is Trouble.foreign


def test_corners_that_are_all_but_lost_are_a_cut(driven: Patch) -> None:
    assert told(driven, moving(count=30), tried=300).trouble is Trouble.cut


@pytest.mark.parametrize(
    ("motion", "what"),
    [
        (moving(np.array([1.0, 0.0, 0.1])), "sideways"),
        (moving(rotation=turned(0.12, 0, 0)), "nods"),
        (moving(rotation=turned(0, 0.2, 0)), "spins"),
        (replace(STILL, rotation=turned(0, 0.02, 0)), "turns on the spot"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_moves_as_no_car_is_foreign(driven: Patch, motion: Motion, what: str) -> None:
    assert told(driven, motion).trouble is Trouble.foreign, what


def test_a_tight_turn_and_a_kerb_are_driven(driven: Patch) -> None:
    assert told(driven, moving(rotation=turned(0.03, 0.1, 0.01))).trouble is None


def test_a_slow_car_does_not_turn_fast(unmoved: Patch) -> None:
    assert told(unmoved, moving(rotation=turned(0, 0.05, 0)), 0.1).trouble is Trouble.foreign


def test_standing_takes_tracks_and_road(unmoved: Patch, driven: Patch, covered: Patch) -> None:
    assert told(unmoved, STILL, 0.1) == Verdict(0.0, STANDING_SD)
    assert told(covered, STILL, 20.0).speed_mps == 0
    assert told(covered, STILL, 20.0).sd_mps > 5 * STANDING_SD
    assert told(driven, STILL).speed_mps == 6.0
    assert told(driven, STILL).sd_mps > 1


@pytest.mark.parametrize(("steps", "believed"), [(0.0, True), (0.05, True), (0.6, False), (2.5, False)])
def test_tracks_on_the_road_contradict_a_patch_that_may_stand(unmoved: Patch, steps: float, believed: bool) -> None:
    """As text or dirt before the road does, which stands while the car drives."""
    found = told(unmoved, moving(), 0.2, np.full(20, steps))
    assert (found.sd_mps == 0.3) == believed
    assert believed or found.trouble or abs(found.speed_mps - steps / 0.1) < 3 * found.sd_mps


def test_a_road_that_plainly_moves_outweighs_the_tracks_of_a_car_ahead(driven: Patch) -> None:
    assert told(driven, moving(), steps=np.full(20, 0.02)) == Verdict(6.0, 0.3)


def test_road_steps_are_metres_driven_and_leave_out_what_is_painted_on() -> None:
    draw = np.random.default_rng(2)
    lateral, ahead = draw.uniform(-3, 3, 60), draw.uniform(5, 12, 60)
    then = np.column_stack([lateral, np.full(60, 1.65)]) / (ahead + 0.8)[:, None]
    now = np.column_stack([lateral, np.full(60, 1.65)]) / ahead[:, None]
    now[:5] = then[:5] = draw.uniform([-0.4, 0.15], [0.4, 0.25], (5, 2))
    found = road_steps(Motion(np.eye(3), AHEAD, 60, False, then, now, np.ones(60, np.bool_)), CAMERA, ROAD, ROAD)
    assert len(found) == 55
    assert found == pytest.approx(np.full(55, 0.8), abs=1e-6)
