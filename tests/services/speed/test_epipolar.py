import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import least_squares

from services.speed.epipolar import AHEAD_SD, CAUCHY, NOISE_PX, Pose, Tracks, five_points, pure_rotation, sampson
from tests.services.speed.scenes import scene

AHEAD = np.array([0.0, 0.0, 1.0])
small = st.floats(-0.03, 0.03)


@given(small, small, small)
def test_pure_rotation_is_exact_without_noise(x: float, y: float, z: float) -> None:
    before, after, rotation = scene([x, y, z], [0.0, 0.0, 0.0], count=40)
    assert pure_rotation(before, after) == pytest.approx(rotation, abs=1e-9)


def test_sampson_vanishes_on_the_truth_and_not_beside_it() -> None:
    before, after, rotation = scene([0.01, 0.02, 0.0], [0.1, 0.0, 1.0])
    assert np.abs(sampson((rotation, np.array([0.1, 0.0, 1.0])), before, after)).max() < 1e-12
    assert np.abs(sampson((np.eye(3), AHEAD), before, after)).max() > 1e-3


def test_sampson_is_what_opencv_computes() -> None:
    before, after, rotation = scene([0.01, 0.02, 0.0], [0.1, 0.0, 1.0], noise_px=1.0, count=30)
    travel = np.array([0.05, -0.02, 1.0])
    essential = np.cross(np.eye(3), travel) @ rotation
    mine = sampson((rotation, travel), before, after) ** 2
    for k in range(len(before)):
        theirs = cv2.sampsonDistance(np.append(after[k], 1.0), np.append(before[k], 1.0), essential)
        assert mine[k] == pytest.approx(theirs, rel=1e-9, abs=1e-18)


def test_five_points_find_the_motion_among_wrong_tracks() -> None:
    before, after, rotation = scene([0.004, -0.02, 0.003], [0.0, 0.0, 1.0], noise_px=0.1)
    after[:50] += np.random.default_rng(1).uniform(-0.05, 0.05, (50, 2))
    found = five_points(before, after, 0.7 / 360)
    assert found is not None
    assert np.linalg.norm(cv2.Rodrigues(found[0] @ rotation.T)[0]) < 5e-3
    assert abs(found[1] @ AHEAD) > np.cos(0.05)


def test_where_refining_ends_a_general_optimiser_finds_nothing_better() -> None:
    """scipy's least squares under the same loss, with its own numeric slopes; steps shrink by 0.4, the last is 1e-5.
    One scene in fifty has a better minimum within a hundredth of a radian, as robust losses have them."""
    draw = np.random.default_rng(5)
    beside = [further(draw) for _ in range(60)]
    assert np.mean(np.array(beside) < 1e-4) > 0.95


def further(draw: np.random.Generator) -> float:
    """How far the optimum near by lies from where refining ends, radians, in a scene of 0.5 to 3 m."""
    x, y, aside = *draw.uniform(-0.03, 0.03, 2), draw.uniform(-0.05, 0.05)
    metres = draw.uniform(0.5, 3.0)
    before, after, rotation = scene(
        [x, y, 0.0], [aside * metres, 0.0, metres], seed=int(draw.integers(99)), noise_px=0.2
    )
    tracks = Tracks(before, after, 360.0, AHEAD)
    found = tracks.refined((rotation, AHEAD))

    def pose(step: np.ndarray) -> Pose:
        moved = found[1] + np.append(step[3:], 0.0)
        return np.asarray(cv2.Rodrigues(step[:3])[0] @ found[0]), moved / np.linalg.norm(moved)

    def residual(step: np.ndarray) -> np.ndarray:
        each = tracks.residual(pose(step)) / CAUCHY
        robust = CAUCHY * np.sqrt(np.log1p(each**2)) * np.sign(each)
        return np.concatenate([robust, tracks.aside(pose(step))])

    best = least_squares(residual, np.zeros(5), xtol=1e-12, ftol=1e-12, gtol=1e-12, x_scale="jac").x
    assert tracks.cost(found) < tracks.cost((rotation, AHEAD))
    beside = float(np.abs(best).max())
    assert beside > 1e-4 or tracks.cost(found) < tracks.cost(pose(best)) + 1e-3
    return beside


def test_the_cost_counts_distances_and_the_direction() -> None:
    before, after, rotation = scene([0.0, 0.0, 0.0], [0.0, 0.0, 1.0], noise_px=0.2)
    tracks = Tracks(before, after, 360.0, np.array([np.sin(0.08), 0.0, np.cos(0.08)]))
    off = tracks.residual((rotation, AHEAD))
    robust = (CAUCHY**2 * np.log(1 + (off / CAUCHY) ** 2)).sum()
    assert tracks.cost((rotation, AHEAD)) == pytest.approx(robust + (np.sin(0.08) / AHEAD_SD) ** 2)
    assert tracks.pixels((rotation, AHEAD)) == pytest.approx(off * NOISE_PX)
