"""The correlation against roads painted by a homography: displacement, tilt and rise are known exactly."""

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from services.speed.camera import Attitude, Camera, Matrix, ground_homography
from services.speed.training.network import FINE_STEPS, GroundCorrelation, Volume, summit

CAMERA = Camera(360.0, 310.0, 86.0, 1.65, 0.0, 620, 188)
TEXEL_M, SIDE = 0.05, 1200
LEVEL = Attitude()


def paint(homography: Matrix) -> NDArray[np.uint8]:
    """A road of random grain from 10 m behind to 50 m ahead, 30 m to either side; each pixel the mean of 4 x 6."""
    grain = np.random.default_rng(1).standard_normal((SIDE, SIDE)).astype(np.float32)
    road = 128 + 40 * (cv2.GaussianBlur(grain, (0, 0), 1.5) * 5 + cv2.GaussianBlur(grain, (0, 0), 4) * 14) / 2
    metres = np.array([[TEXEL_M, 0, -30], [0, TEXEL_M, -10], [0, 0, 1]])
    finer = np.array([[4, 0, 1.5], [0, 6, 2.5], [0, 0, 1]])
    seen = cv2.warpPerspective(road, finer @ homography @ metres, (4 * CAMERA.width, 6 * CAMERA.height))
    seen = cv2.resize(seen, (CAMERA.width, CAMERA.height), interpolation=cv2.INTER_AREA)
    return np.clip(seen, 0, 255).astype(np.uint8)


def moved(metres: float) -> Matrix:
    """Takes the road's points as the later frame has them to those of a frame `metres` earlier."""
    return np.array([[1, 0, 0], [0, 1, metres], [0, 0, 1]], dtype=np.float64)


def correlate(metres: float, true: Attitude = LEVEL, assumed: Attitude = LEVEL) -> Volume:
    """The car drove `metres` and looked as `true` says, where `assumed` is what the graph is told."""
    turned = np.eye(3)
    frames = paint(ground_homography(CAMERA, true, turned) @ moved(metres)), paint(ground_homography(CAMERA, true))
    told = ground_homography(CAMERA, assumed, turned), ground_homography(CAMERA, assumed)
    inputs = [torch.from_numpy(frame)[None] for frame in frames]
    with torch.no_grad():
        volume: Volume = GroundCorrelation()(*inputs, *(torch.from_numpy(h.astype(np.float32))[None] for h in told))
    return volume


def read(volume: Volume) -> float:
    return float(volume.peak + volume.step * summit(volume.curves.mean(1)))


@pytest.mark.parametrize("metres", [-0.55, -0.1, 0.0, 0.3, 1.4, 3.3, 7.6])
def test_finds_every_displacement_within_its_reach(metres: float) -> None:
    """To a tenth of a pixel of the nearest row, 6 mm, and two thousandths of the way."""
    assert read(correlate(metres)) == pytest.approx(metres, abs=0.005 + 0.002 * abs(metres))


def bands(volume: Volume) -> NDArray[np.float64]:
    """Displacements [BANDS, LANES] of the cells by themselves."""
    cells = summit(volume.curves[0]).double().numpy()
    return np.asarray(float(volume.peak) + float(volume.step) * cells).reshape(8, 4)


def test_near_and_far_bands_disagree_over_a_wrong_pitch_and_sides_over_a_wrong_roll() -> None:
    """A camera that looks 0.01 rad further down than assumed: the road Z ahead of it moves by d (1 + 0.01 (2 Z + d)
    / h), 8 % too much at 6.3 m and 20 % at 15.8. Where the road falls to the right by 0.02 it moves less, by 0.02 x /
    h: the middles of the outer lanes lie 4.5 m apart. The last band has the fewest pixels."""
    level = bands(correlate(1.0))
    assert level[:-1] == pytest.approx(np.ones((7, 4)), abs=0.02)
    pitched = bands(correlate(1.0, Attitude(0.01))).mean(1)
    assert pitched[0] - 1 == pytest.approx(0.01 * (2 * 6.3 + 1) / 1.65, rel=0.15)
    assert pitched[-1] - pitched[0] == pytest.approx(0.01 * 2 * (15.8 - 6.3) / 1.65, rel=0.15)
    rolled = bands(correlate(1.0, Attitude(roll_rad=0.02))).mean(0)
    assert rolled[0] - rolled[-1] == pytest.approx(0.02 * 4.5 / 1.65, rel=0.15)


def test_a_bounce_shifts_the_speed_unless_it_is_told() -> None:
    """A camera that rises by 1 cm in 1 m of way seems 0.01 Z / h faster or slower: some 5 % at 9 m."""
    risen = Attitude(rise_m=0.01)
    unaware, aware = read(correlate(1.0, risen)), read(correlate(1.0, risen, risen))
    assert abs(unaware - 1) > 0.03
    assert aware == pytest.approx(1, abs=0.003)


def test_what_is_correlated_is_the_same_alone_and_among_others() -> None:
    alone, other = correlate(1.0), correlate(3.0)
    frames = torch.zeros(1, 188, 620, dtype=torch.uint8)
    homography = torch.from_numpy(ground_homography(CAMERA, LEVEL).astype(np.float32))[None]
    inputs = (frames, frames, homography, homography)
    pair = [torch.from_numpy(paint(ground_homography(CAMERA, LEVEL) @ moved(each)))[None] for each in (1.0, 0.0)]
    with torch.no_grad():
        together = GroundCorrelation()(*(torch.cat(both) for both in zip((*pair, *inputs[2:]), inputs, strict=True)))
    assert torch.allclose(together.curves[:1], alone.curves, atol=1e-5)
    assert alone.curves.shape == other.curves.shape == (1, 32, FINE_STEPS)
