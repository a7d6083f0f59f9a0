from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from services.speed.camera import PRESETS, Attitude, ground_homography
from services.speed.render import render_frames
from services.speed.training.augment import (
    Sample,
    backwards,
    hidden,
    mirrored,
    off_centre,
    plain,
    raised,
    relit,
    shaded,
    still,
    turned,
    varied,
)
from services.speed.training.data import Clip, Pair, pairs_of
from services.speed.training.examples import examples
from services.speed.training.network import GroundCorrelation, summit


def peak(sample: Sample) -> float:
    """Metres where the mean of all cells' correlation is highest: no learning."""
    volume = examples([sample]).volume
    return float(volume.peak + volume.step * summit(volume.curves.mean(1)))


@pytest.fixture
def moving(pairs: list[Pair]) -> Pair:
    return pairs[-3]


@pytest.fixture(scope="module")
def slow() -> Pair:
    """A pair 0.25 m apart, which the search finds both ways."""
    camera, time = PRESETS["kitti"].scaled(620, 188), np.arange(3) / 10
    frames = np.stack(list(render_frames(time, np.full(3, 2.5), 3, camera)))
    return pairs_of(Clip("slow_0", frames, time, np.full(3, 2.5), camera), (1,))[-1]


def test_the_mirrored_road_moves_as_fast(moving: Pair) -> None:
    sample = plain(moving)
    flipped = mirrored(sample)
    assert peak(flipped) == pytest.approx(peak(sample), abs=0.01)
    assert flipped.tilt == (sample.tilt[0], -sample.tilt[1])


def test_mirrored_twice_is_as_it_was(moving: Pair) -> None:
    sample = plain(moving)
    again = mirrored(mirrored(sample))
    assert np.array_equal(again.previous, sample.previous)
    assert np.array_equal(again.current, sample.current)
    assert again.previous_homography == pytest.approx(sample.previous_homography, rel=1e-4, abs=1e-2)
    assert (again.seconds, again.metres, again.tilt) == (sample.seconds, sample.metres, sample.tilt)


def test_a_repeated_frame_does_not_move(moving: Pair) -> None:
    sample = still(plain(moving))
    assert sample.metres == 0
    assert peak(sample) == pytest.approx(0.0, abs=0.005)


def test_backwards_moves_as_far_the_other_way(slow: Pair) -> None:
    sample = plain(slow)
    reverse = backwards(sample)
    assert reverse.metres == -sample.metres == pytest.approx(-0.25)
    assert peak(sample) == pytest.approx(0.25, abs=0.02)
    assert peak(reverse) == pytest.approx(-0.25, abs=0.02)


def test_backwards_holds_at_any_distance(moving: Pair) -> None:
    """A point of the road, measured from below its own camera, is seen where it was."""
    sample = plain(moving)
    reverse = backwards(sample)
    from_later, from_earlier = 9.0, 9.0 + sample.metres
    assert from_earlier + reverse.metres == pytest.approx(from_later)
    assert seen(reverse.current_homography, from_earlier) == seen(sample.previous_homography, from_earlier)
    assert seen(reverse.previous_homography, from_earlier + reverse.metres) == pytest.approx(
        seen(sample.current_homography, from_later)
    )


def seen(homography: NDArray[np.floating[Any]], ahead: float, right: float = 1.0) -> tuple[float, float]:
    """The pixel of a place on the road."""
    x, y, w = homography @ [right, ahead, 1.0]
    return float(x / w), float(y / w)


def test_repeated_frames_differ_by_noise_and_coding_alone(moving: Pair) -> None:
    """Standing is not the same bytes twice."""
    for seed in range(30):
        sample = relit(still(plain(moving)), np.random.default_rng(seed))
        if not np.array_equal(sample.previous, sample.current):
            assert peak(sample) == pytest.approx(0.0, abs=0.02)
            return
    raise AssertionError("no variant in thirty had noise")


def test_a_wrong_rotation_leaves_the_truth_and_moves_the_picture(moving: Pair) -> None:
    """Half a milliradian of pitch is 0.0005 z^2 / h metres at z: 3 cm at 10 m."""
    sample, matrix = plain(moving), moving.clip.camera.matrix
    wrong = turned(sample, matrix, np.array([5e-4, 0.0, 0.0]))
    assert wrong.metres == sample.metres
    assert 0.01 < abs(peak(wrong) - peak(sample)) < 0.08
    assert turned(sample, matrix, np.zeros(3)).previous_homography == pytest.approx(sample.previous_homography)


def test_a_moved_principal_point_keeps_the_horizon_and_the_heading() -> None:
    camera, attitude = PRESETS["kitti"].scaled(620, 188), Attitude(0.02, -0.01, 0.0)
    other, held = off_centre(camera, attitude, np.array([0.01, -0.008]))
    assert other.cx_px == pytest.approx(camera.cx_px + 6.2)
    assert other.cy_px == pytest.approx(camera.cy_px - 4.96)
    one, two = (seen(ground_homography(c, a), 1e6) for c, a in ((camera, attitude), (other, held)))
    assert one == pytest.approx(two, abs=0.02)


def test_a_shadow_lies_on_the_road(moving: Pair) -> None:
    """It moves as the road does, so that what the correlation finds stays."""
    sample = plain(moving)
    shifts, changed = [], 0
    for seed in range(6):
        dark = shaded(sample, np.random.default_rng(seed))
        changed += not np.array_equal(dark.current, sample.current)
        shifts.append(peak(dark) - peak(sample))
    assert changed >= 4
    assert np.abs(shifts).max() < 0.05


def test_something_in_the_way_stays_where_it_is(moving: Pair) -> None:
    sample = plain(moving)
    blocked = hidden(sample, np.random.default_rng(2))
    masks = [a != b for a, b in ((blocked.previous, sample.previous), (blocked.current, sample.current))]
    assert 300 < masks[1].sum() < 0.4 * masks[1].size
    both = (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()
    assert both > 0.8


def test_the_truth_grows_with_the_height(moving: Pair) -> None:
    draw = np.random.default_rng(3)
    ratios = []
    for _ in range(12):
        sample = varied(moving, draw)
        if sample.metres:
            ratios.append(peak(sample) / sample.metres)
    assert np.median(ratios) == pytest.approx(1.0, abs=0.1)


def test_a_higher_camera_sees_a_larger_road(moving: Pair) -> None:
    sample = plain(moving)
    higher = raised(sample, 1.2)
    assert higher.metres == pytest.approx(1.2 * sample.metres)
    assert seen(higher.current_homography, 9.0, 1.2) == pytest.approx(seen(sample.current_homography, 7.5, 1.0))
    camera = moving.clip.camera.with_values(height_m=1.2 * moving.clip.camera.height_m)
    attitude = replace(moving.attitude, rise_m=1.2 * moving.attitude.rise_m)
    assert higher.previous_homography == pytest.approx(
        ground_homography(camera, attitude, moving.rotation), rel=1e-4, abs=1e-3
    )


def test_variants_come_from_the_seed_alone(moving: Pair) -> None:
    one, same, other = (varied(moving, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one.current, same.current)
    assert np.array_equal(one.previous_homography, same.previous_homography)
    assert not np.array_equal(one.current, other.current)


def test_other_light_keeps_the_geometry(moving: Pair) -> None:
    sample = plain(moving)
    lit = relit(sample, np.random.default_rng(0))
    assert lit.current.dtype == np.uint8
    assert not np.array_equal(lit.current, sample.current)
    assert peak(lit) == pytest.approx(peak(sample), abs=0.03)


def test_the_correlation_has_no_weights() -> None:
    assert not list(GroundCorrelation().parameters())
