import numpy as np
import pytest

from services.speed.scene import Freeze, Look, Trouble, Watch
from tests.services.speed.oddities import CAMERA, Grey, drive, lit, recompressed

SMALL = CAMERA.scaled(310, 94)


@pytest.fixture(scope="module")
def steady() -> list[Grey]:
    return drive(np.full(4, 6.0))


def looks(pictures: list[Grey], fps: float = 10.0) -> list[Look]:
    watch = Watch()
    return [watch.look(grey, k / fps) for k, grey in enumerate(pictures)]


def test_a_drive_is_nothing_special(steady: list[Grey]) -> None:
    assert looks(steady) == [Look()] * 4


def test_an_exact_copy_and_one_encoded_anew(steady: list[Grey]) -> None:
    first = steady[0]
    assert looks([first, first, recompressed(first, 92)]) == [Look(), Look(copy=True, exact=True), Look(copy=True)]


def test_another_scene_is_a_cut_and_the_same_one_later_none(steady: list[Grey]) -> None:
    other = 255 - steady[0]
    assert looks([steady[0], other])[1].cut
    assert not looks([steady[0], other], fps=1.0)[1].cut


@pytest.mark.parametrize("level", [3, 40, 200])
def test_a_picture_without_contrast_is_dark(level: int) -> None:
    flat = lit(np.full((94, 310), level), np.random.default_rng(0), 2.0)
    assert looks([flat])[0].dark


def test_light_is_told_by_the_brightest_not_the_mean() -> None:
    """Lamps and what they light up are enough to see by."""
    night = np.full((94, 310), 4, np.uint8)
    night[40:60, ::3] = 160
    assert not looks([night])[0].dark


def saw(freeze: Freeze, looks: list[Look], start_s: float, step_s: float = 0.1, stale: bool = False) -> list[bool]:
    return [freeze.saw(look, stale, start_s + k * step_s) for k, look in enumerate(looks)]


COPY, EXACT = Look(copy=True), Look(copy=True, exact=True)


def test_a_copy_while_the_car_moves_is_frozen_however_long_it_lasts() -> None:
    freeze = Freeze()
    saw(freeze, [Look()] * 3, 0.0)
    freeze.measured(9.0, 0.2)
    assert saw(freeze, [COPY] * 50, 0.3) == [True] * 50


def test_a_copy_after_the_car_came_to_rest_is_not() -> None:
    freeze = Freeze()
    for k, speed in enumerate((2.0, 1.2, 0.5)):
        saw(freeze, [Look()], 0.1 * k)
        freeze.measured(speed, 0.1 * k)
    assert saw(freeze, [EXACT] * 9, 0.3) == [False] * 9


def test_a_single_wrong_speed_before_the_stop_does_not_freeze_the_video() -> None:
    freeze = Freeze()
    for k, speed in enumerate((0.9, 0.4, 6.0)):
        freeze.measured(speed, 0.1 * k)
    assert saw(freeze, [COPY] * 3, 0.3) == [False] * 3


def test_with_no_speed_before_it_only_an_exact_copy_is_frozen() -> None:
    assert saw(Freeze(), [EXACT] * 2, 0.1) == [True] * 2
    assert saw(Freeze(), [COPY] * 2, 0.1) == [False] * 2


def test_what_is_compared_with_a_frozen_picture_is_not_measured_either() -> None:
    freeze = Freeze()
    freeze.measured(9.0, 0.0)
    assert saw(freeze, [COPY], 0.1) == [True]
    assert saw(freeze, [Look()], 0.2, stale=True) == [True]
    assert saw(freeze, [Look()], 0.3) == [False]


def test_jitter_is_that_of_24_frames_shown_at_30() -> None:
    """Each new picture is shown up to 1/30 s late: the times between them stray by the deviation of 33 and 67 ms."""
    freeze = Freeze()
    freeze.measured(9.0, 0.0)
    saw(freeze, [COPY if k % 5 == 4 else Look() for k in range(40)], 0.0, 1 / 30)
    gaps = [1 / 30] * 3 + [2 / 30]
    assert freeze.jitter_s == pytest.approx(np.std(gaps), rel=0.15)


def test_even_copies_and_a_video_that_stopped_have_no_jitter() -> None:
    for pattern in ([Look(), COPY] * 20, [Look()] * 12 + [COPY] * 8 + [Look()] * 6):
        freeze = Freeze()
        freeze.measured(9.0, 0.0)
        saw(freeze, pattern, 0.0, 0.05)
        assert freeze.jitter_s == pytest.approx(0, abs=1e-9)


def test_troubles_are_written_by_their_names() -> None:
    assert [str(each) for each in Trouble] == ["first", "unseen", "dark", "frozen", "cut", "foreign"]
