"""What is no drive, or was spoilt, gets no confident wrong number: within three standard deviations, or unmeasured."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from services.speed.camera import PRESETS
from services.speed.estimator import Estimator, Frame, Measurement
from services.speed.scene import Trouble
from shared.onnx import OnnxModel
from tests.services.speed.drives import DRIVES, MODEL, needs_drives
from tests.services.speed.oddities import (
    CAMERA,
    NOT_A_DRIVE,
    Grey,
    drive,
    frames,
    lit,
    recompressed,
    traffic,
)

SLACK_MPS = 0.2
"""Truth is the speed at a frame, what is measured that of the tenth of a second before it."""
CUTS = {None, Trouble.first, Trouble.cut, Trouble.foreign}


@pytest.fixture(scope="module")
def estimator() -> Estimator:
    return Estimator(OnnxModel.load(MODEL, providers=["CPUExecutionProvider"]))


@pytest.fixture(scope="module")
def steady() -> list[Grey]:
    return drive(np.full(14, 8.0))


@pytest.fixture(scope="module")
def standing() -> list[Grey]:
    return drive(np.zeros(24))


def measured(estimator: Estimator, pictures: Sequence[Grey], fps: float = 10.0) -> list[Measurement]:
    return list(estimator.measure(frames(pictures, fps), CAMERA))


def wrong(found: Sequence[Measurement], truth: ArrayLike) -> list[Measurement]:
    """Those that claim what is not so."""
    spread = zip(found, np.broadcast_to(truth, len(found)), strict=True)
    return [each for each, true in spread if abs(each.speed_mps - true) > 3 * each.sd_mps + SLACK_MPS]


def troubles(found: Sequence[Measurement]) -> list[Trouble | None]:
    return [each.trouble for each in found]


def noisy(pictures: Sequence[Grey], light: float, noise: float) -> list[Grey]:
    return [lit(light * each, np.random.default_rng(k), noise) for k, each in enumerate(pictures)]


@pytest.mark.parametrize("name", sorted(NOT_A_DRIVE))
@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_no_drive_has_no_speed(estimator: Estimator, name: str, seed: int) -> None:
    """A speed that is not 0 beyond doubt would be a confident one; none of these cameras drives on a road."""
    found = measured(estimator, NOT_A_DRIVE[name](9, seed))
    assert not wrong(found, 0.0)
    assert all(np.isnan(each.speed_mps) == (each.trouble is not None) for each in found)


def test_night_is_dark(estimator: Estimator, steady: list[Grey]) -> None:
    found = measured(estimator, noisy(steady[:6], 0.06, 2.0))
    assert troubles(found) == [Trouble.dark] * 6
    assert np.isnan([each.speed_mps for each in found]).all()


def test_dusk_is_measured_with_an_sd_that_says_so(estimator: Estimator, steady: list[Grey]) -> None:
    day, dusk = measured(estimator, steady[:10]), measured(estimator, noisy(steady[:10], 0.25, 3.0))
    assert troubles(dusk[1:]) == [None] * 9
    assert not wrong(dusk, 8.0)
    assert np.median([each.sd_mps for each in dusk[1:]]) > np.median([each.sd_mps for each in day[1:]])


def test_a_covered_lens_is_dark_and_then_the_road_is_back(estimator: Estimator, steady: list[Grey]) -> None:
    covered = noisy([np.full_like(steady[0], 40)] * 4, 1.0, 3.0)
    found = measured(estimator, steady[:5] + covered + steady[9:])
    assert troubles(found[5:9]) == [Trouble.dark] * 4
    assert np.isnan([each.speed_mps for each in found[5:10]]).all()
    assert troubles(found[10:]) == [None] * 4
    assert not wrong(found, 8.0)


@pytest.mark.parametrize("kept", ["exactly", "encoded anew"])
def test_a_frozen_video_is_not_measured(estimator: Estimator, steady: list[Grey], kept: str) -> None:
    still = [steady[5] if kept == "exactly" else recompressed(steady[5], 90 + k) for k in range(6)]
    found = measured(estimator, steady[:6] + still + steady[6:])
    assert troubles(found[6:12]) == [Trouble.frozen] * 6
    assert np.isnan([each.speed_mps for each in found[6:13]]).all()
    assert troubles(found[14:]) == [None] * 6
    assert not wrong(found, 8.0)


def test_a_picture_that_repeats_itself_after_the_car_came_to_rest_reads_0(estimator: Estimator) -> None:
    speed = np.array([2.5, 2.0, 1.5, 1.0, 0.6, 0.3, 0.1, 0.0, 0.0])
    pictures = drive(speed)
    found = measured(estimator, pictures + [pictures[-1]] * 6)
    assert not wrong(found, np.append(speed, np.zeros(6)))
    assert troubles(found[1:]) == [None] * 14
    assert all(each.speed_mps == 0 and each.sd_mps < 0.1 for each in found[9:])


def test_a_video_shown_at_twice_its_rate(estimator: Estimator, steady: list[Grey]) -> None:
    found = measured(estimator, [each for each in steady for _ in range(2)], 20.0)
    assert troubles(found[3::2]) == [Trouble.frozen] * 13
    assert troubles(found[2::2]) == [None] * 13
    assert not wrong(found, 8.0)


def test_a_video_made_one_of_more_frames_a_second_has_a_wider_sd(estimator: Estimator) -> None:
    """24 frames a second shown at 30: each fourth is shown twice, and what lies between two is not what it seems."""
    pictures = drive(np.full(32, 8.0), fps=24.0)
    shown = [pictures[int(k * 24 / 30)] for k in range(40)]
    even, uneven = measured(estimator, pictures, 24.0), measured(estimator, shown, 30.0)
    assert not wrong(uneven, 8.0)
    late = [each.sd_mps for each in uneven[25:] if each.trouble is None]
    assert np.median(late) > 1.5 * np.median([each.sd_mps for each in even[20:]])


def test_a_cut_is_said_and_not_measured(estimator: Estimator, steady: list[Grey]) -> None:
    found = measured(estimator, steady[:7] + drive(np.full(7, 12.0), 9))
    assert np.isnan(found[7].speed_mps)
    assert found[7].trouble is Trouble.cut
    assert not wrong(found, np.repeat([8.0, 12.0], 7))


def test_a_leap_within_a_drive_is_not_measured(estimator: Estimator) -> None:
    long = drive(np.full(40, 8.0))
    found = measured(estimator, long[:6] + long[-6:])
    assert np.isnan(found[6].speed_mps)
    assert not wrong(found, 8.0)


def test_a_standing_car_reads_0_and_surely(estimator: Estimator, standing: list[Grey]) -> None:
    found = measured(estimator, standing[:8])
    assert all(each.speed_mps == 0 and each.sd_mps < 0.1 for each in found[1:])


@pytest.mark.parametrize("px", [9.0, 17.0, -23.0])
def test_a_standing_car_stays_at_0_while_traffic_passes_in_front(
    estimator: Estimator, standing: list[Grey], px: float
) -> None:
    crossed = traffic(standing, 1, abs(px))
    found = measured(estimator, crossed if px > 0 else crossed[::-1])
    assert not wrong(found, 0.0)
    assert np.nanmax(np.abs([each.speed_mps for each in found])) < SLACK_MPS
    assert np.mean([each.trouble is None for each in found[1:]]) > 0.4


def test_a_car_that_drives_is_never_said_to_stand(estimator: Estimator) -> None:
    found = measured(estimator, drive(np.full(8, 0.6)))
    assert all(each.speed_mps > 0.3 for each in found[1:])


@pytest.mark.parametrize("column", [10, 200], ids=["beside the road", "on the road"])
def test_a_caption_does_not_stop_the_car(estimator: Estimator, steady: list[Grey], column: int) -> None:
    """Text that recorders write into the picture stands still, in every frame."""
    written = [each.copy() for each in steady[:8]]
    for picture in written:
        for row in (150, 165, 180):
            cv2.putText(picture, "20:20:26 N48.99", (column, row), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)
    found = measured(estimator, written)
    assert not wrong(found, 8.0)


def test_strong_compression(estimator: Estimator, steady: list[Grey]) -> None:
    assert not wrong(measured(estimator, [recompressed(each, 20) for each in steady[:8]]), 8.0)


def recorded(name: str, first: int, count: int) -> tuple[list[Frame], NDArray[np.float64]]:
    video = cv2.VideoCapture(str(DRIVES / f"{name}.mp4"))
    truth = np.genfromtxt(DRIVES / f"{name}.csv", delimiter=",", names=True)
    pictures = [cv2.cvtColor(video.read()[1], cv2.COLOR_BGR2GRAY).astype(np.uint8) for _ in range(first + count)]
    times = truth["time_s"][first : first + count]
    shown = [Frame(float(t), grey) for t, grey in zip(times, pictures[first:], strict=True)]
    return shown, truth["speed_mps"][first : first + count]


RECORDED = [("val_odom03_0640_0800", 60, 20), ("train_odom09_0000_0419", 100, 16)]


@needs_drives
@pytest.mark.parametrize(("name", "first", "count"), RECORDED, ids=[name for name, *_ in RECORDED])
def test_recorded_drives_spoilt(estimator: Estimator, name: str, first: int, count: int) -> None:
    shown, truth = recorded(name, first, count)
    camera = PRESETS["kitti-" + name.split("_odom")[1][:2]]
    for spoil in (  # the fourth is a noise that stays, as dirt on the lens does
        lambda grey: grey,
        lambda grey: recompressed(grey, 25),
        lambda grey: lit(0.3 * grey, np.random.default_rng(grey.sum()), 3.0),
        lambda grey: lit(0.3 * grey, np.random.default_rng(3), 3.0),
        lambda grey: cv2.GaussianBlur(grey, (0, 0), 1.5).astype(np.uint8),
    ):
        found = list(estimator.measure([Frame(each.time_s, spoil(each.grey)) for each in shown], camera))
        assert not wrong(found, truth)


@needs_drives
def test_a_recorded_drive_that_freezes(estimator: Estimator) -> None:
    shown, truth = recorded(*RECORDED[0])
    frozen = [Frame(each.time_s, shown[8].grey if 8 <= k < 13 else each.grey) for k, each in enumerate(shown)]
    found = list(estimator.measure(frozen, PRESETS["kitti-03"]))
    assert troubles(found[9:13]) == [Trouble.frozen] * 4
    assert np.isnan([each.speed_mps for each in found[9:14]]).all()
    assert not wrong(found, truth)
