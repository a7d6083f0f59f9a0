import pytest
import torch

from services.speed.camera import PRESETS, Attitude, ground_homography
from services.speed.training.examples import Examples
from services.speed.training.export import example
from services.speed.training.fusion import PlaneNet
from services.speed.training.network import (
    BANDS,
    COARSE_M,
    FINE_STEPS,
    LANES,
    SPEEDS_SEEN_MPS,
    GroundCorrelation,
    SpeedModel,
    Volume,
    camera_height,
    sample,
    summit,
    unit,
)


@pytest.mark.parametrize("batch", [1, 3])
def test_shapes(batch: int) -> None:
    frames = example(batch, 96, 320)
    volume = GroundCorrelation()(*frames[:4])
    assert volume.curves.shape == (batch, BANDS * LANES, FINE_STEPS)
    assert volume.contrast.shape == (batch, BANDS * LANES)
    assert volume.peak.shape == volume.step.shape == (batch,)
    speed, sd, tilt, tilt_sd = SpeedModel(PlaneNet()).eval()(*frames)
    assert speed.shape == sd.shape == (batch,)
    assert tilt.shape == tilt_sd.shape == (batch, 2)


def test_correlations_lie_between_minus_one_and_one(volumes: Examples) -> None:
    assert volumes.volume.curves.abs().max() <= 1 + 1e-4


@pytest.mark.parametrize("height", [0.8, 1.22, 2.4])
def test_the_height_of_the_camera_is_read_off_its_homography(height: float) -> None:
    """Exact but for the square of the yaw, 0.04 here: 0.1 %."""
    camera = PRESETS["comma-eon"].with_values(height_m=height)
    homography = ground_homography(camera, Attitude(0.05, -0.04, 0.03))
    assert camera_height(torch.from_numpy(homography)[None]).item() == pytest.approx(height, rel=2e-3)


def test_sampling_is_bilinear_and_stops_at_the_edge() -> None:
    image = torch.arange(12.0).reshape(1, 1, 3, 4)
    pixels = torch.tensor([[[1.0, 1.5, -5.0, 9.0, 4.0], [1.0, 0.5, -5.0, 9.0, 2.0], [1.0, 1.0, 1.0, 1.0, 2.0]]])
    assert sample(image, unit(image, pixels))[0].tolist() == pytest.approx([5.0, 3.5, 0.0, 11.0, 6.0])


@pytest.mark.parametrize("shift", [-6.3, 0.0, 4.4])
def test_the_summit_of_a_parabola_is_exact(shift: float) -> None:
    steps = torch.arange(FINE_STEPS) - FINE_STEPS // 2
    curve = 1 - 0.01 * (steps - shift) ** 2
    assert summit(curve[None]).item() == pytest.approx(shift, abs=1e-4)


def test_a_black_picture_gives_finite_numbers() -> None:
    frames = example(2)
    black = torch.zeros_like(frames[0])
    outputs = SpeedModel(PlaneNet()).eval()(black, black, *frames[2:])
    assert all(torch.isfinite(output).all() for output in outputs)


def test_the_sd_is_widened_by_the_excess_over_the_speeds_seen(volumes: Examples) -> None:
    model = SpeedModel(PlaneNet()).eval()
    frames = example(1)
    fast = torch.tensor([1e-3])
    speed, sd, _, _ = model(*frames[:4], fast)
    volume = model.correlation(*frames[:4])
    metres, log_sd, *_ = model.net(volume)
    plain = log_sd.exp() * volume.step / fast
    assert sd.item() == pytest.approx((plain + 0.1 * (speed.abs() - SPEEDS_SEEN_MPS[1]).clamp_min(0)).item(), rel=1e-5)
    assert COARSE_M[0] - 1 < metres.item() < COARSE_M[1] + 1
    assert isinstance(volume, Volume)
    assert len(volumes) > 0
