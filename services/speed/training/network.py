"""The speed model: a correlation volume over the road plane, and what a net that reads it answers.

Everything up to the volume has no weights. Its grid covers the road ahead, evenly spaced in the image (that is in one
over the distance), cut into cells; for every candidate displacement the earlier frame is sampled where the road would
have been, and each cell is correlated with the later frame (zero-mean, normalised). A coarse search over the whole
range finds the peak, a fine one around it makes the volume from which the net (`fusion`) reads how far the car drove,
how sure that is, and how the road is tilted against the plane that was assumed.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from services.speed.training.rounding import round_decimals

NEAR_M, FAR_M, HALF_WIDTH_M = 6.0, 18.0, 3.0
ROWS, COLUMNS = 64, 32
BANDS, LANES = 8, 4
COARSE_M = (-0.6, 8.0)
COARSE_STEPS = 48
COARSE_STRIDE = (2, 2)
"""The coarse search looks at every second row and column. Its steps grow with the displacement, as the metres do
that one pixel of the nearest row spans: they are even in 1 / (NEAR_M + displacement)."""
FINE_STEPS = 21
FINE_FLOOR_M, FINE_SHARE = 0.06, 0.15
"""The fine search spans this many metres and this share of the peak's displacement to either side."""
TEXTURE_FLOOR = 1.0
"""Grey levels squared: a cell of less contrast counts little."""
SPEEDS_SEEN_MPS = (0.0, 15.0)
GROWTH = 0.1
"""Beyond the speeds seen the standard deviation grows by this share of the excess."""
TILT_UNIT = 0.006
"""Radians per metre of camera height, in which the net reads tilts: 0.01 rad under a camera at 1.65 m."""
DECIMALS = 4
"""Of the speed and its standard deviation, in m/s: a thousandth of the least error there is."""


class Volume(NamedTuple):
    """`curves` [N, cells, FINE_STEPS] correlation per cell, `contrast` [N, cells] log of the cells' standard deviation,
    `peak` and `step` [N] metres: centre and spacing of the fine search."""

    curves: Tensor
    contrast: Tensor
    peak: Tensor
    step: Tensor


class GroundCorrelation(nn.Module):
    """Two frames and their homographies to the road -> the correlation volume around the best displacement."""

    grid: Tensor
    coarse: Tensor
    fine: Tensor

    def __init__(self) -> None:
        super().__init__()
        ahead = 1 / torch.linspace(1 / NEAR_M, 1 / FAR_M, ROWS)
        lateral = torch.linspace(-HALF_WIDTH_M, HALF_WIDTH_M, COLUMNS)
        grid = torch.stack([lateral.expand(ROWS, -1), ahead[:, None].expand(-1, COLUMNS), torch.ones(ROWS, COLUMNS)])
        self.register_buffer("grid", grid.reshape(3, -1), persistent=False)
        nearest = torch.linspace(1 / (NEAR_M + COARSE_M[0]), 1 / (NEAR_M + COARSE_M[1]), COARSE_STEPS)
        self.register_buffer("coarse", (1 / nearest - NEAR_M)[None], persistent=False)
        self.register_buffer("fine", torch.linspace(-1, 1, FINE_STEPS)[None], persistent=False)

    def forward(
        self, previous: Tensor, current: Tensor, previous_homography: Tensor, current_homography: Tensor
    ) -> Volume:
        earlier, later = previous.float().unsqueeze(1), current.float().unsqueeze(1)
        reference = sample(later, unit(later, current_homography) @ self.grid)
        before = unit(earlier, previous_homography)
        rough = self._correlate(reference, earlier, before, self.coarse, COARSE_STRIDE)[0].mean(1)
        peak = self.coarse[0][rough.argmax(1)]
        half = FINE_FLOOR_M + FINE_SHARE * peak.abs()
        shifts = peak[:, None] + half[:, None] * self.fine
        curves, contrast = self._correlate(reference, earlier, before, shifts, (1, 1))
        return Volume(curves, contrast, peak, half * (2 / (FINE_STEPS - 1)))

    def _correlate(
        self, reference: Tensor, earlier: Tensor, homography: Tensor, shifts: Tensor, stride: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Correlations [N, cells, K] for the displacements `shifts` [N or 1, K], and the log contrast [N, cells]."""
        down, across = stride
        rows, columns = ROWS // down, COLUMNS // across
        points = self.grid.reshape(3, ROWS, COLUMNS)[:, ::down, across // 2 :: across].reshape(3, -1)
        reference = reference.reshape(-1, ROWS, COLUMNS)[:, ::down, across // 2 :: across]
        base = (homography @ points).unsqueeze(2)
        moved = base + homography[:, :, 1, None, None] * shifts[:, None, :, None]
        values = sample(earlier, moved.flatten(2))
        shape = (-1, shifts.shape[1], BANDS, rows // BANDS, LANES, columns // LANES)
        values, reference = values.reshape(shape), reference.reshape(-1, 1, *shape[2:])
        reference = reference - reference.mean((3, 5), keepdim=True)
        mean = values.mean((3, 5), keepdim=True)
        together = (values * reference).mean((3, 5))
        spread = ((values - mean) ** 2).mean((3, 5)) + TEXTURE_FLOOR
        own = (reference**2).mean((3, 5)) + TEXTURE_FLOOR
        curves = (together / (spread * own).sqrt()).flatten(2).transpose(1, 2)
        return curves, own.log().flatten(1) / 2


def unit(image: Tensor, pixels: Tensor) -> Tensor:
    """Homogeneous `pixels` [N, 3, P] of `image` [N, 1, H, W], or the homographies to them, in units of half the image:
    its outermost pixels have their middles at -1 and 1."""
    across, down, depth = pixels.chunk(3, dim=1)
    height, width = image.shape[-2], image.shape[-1]
    return torch.cat([across * (2 / (width - 1)) - depth, down * (2 / (height - 1)) - depth, depth], dim=1)


def sample(image: Tensor, places: Tensor) -> Tensor:
    """Bilinear values [N, P] of `image` [N, 1, H, W] at homogeneous `places` [N, 3, P] as `unit` has them; beyond its
    edge, the edge."""
    where = (places[:, :2] / places[:, 2:].clamp_min(0.1)).transpose(1, 2).unsqueeze(1)
    return functional.grid_sample(image, where, padding_mode="border", align_corners=True)[:, 0, 0]


class Reading(NamedTuple):
    """`metres` [N] displacement and the log of its standard deviation, in steps of the fine search; `tilt` [N, 2] what
    is missing in the assumed pitch and roll, and the logs of its standard deviations, in TILT_UNIT; `strayed` [N] how
    far, squared, what was learnt leads away from what needs no learning."""

    metres: Tensor
    log_sd: Tensor
    tilt: Tensor
    tilt_log_sd: Tensor
    strayed: Tensor


def summit(curve: Tensor) -> Tensor:
    """Where `curve` [N, FINE_STEPS] peaks, in steps from its middle: the parabola through the highest three points."""
    top = curve[:, 1:-1].argmax(1, keepdim=True) + 1
    before, at, after = (curve.gather(1, top + offset)[:, 0] for offset in (-1, 0, 1))
    bend = (before - 2 * at + after).clamp_max(-1e-6)
    return top[:, 0].float() - FINE_STEPS // 2 + (0.5 * (before - after) / bend).clamp(-1, 1)


class SpeedModel(nn.Module):
    """The whole graph, as it is exported: frames and geometry in, speed with its standard deviation out, and how the
    road is tilted against the plane assumed. `net` reads the volume: Volume -> Reading."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.correlation = GroundCorrelation()
        self.net = net

    def forward(
        self,
        previous: Tensor,
        current: Tensor,
        previous_homography: Tensor,
        current_homography: Tensor,
        seconds: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Speed and its standard deviation [N] in m/s, rounded to DECIMALS; the latter is never rounded to 0. Then
        pitch and roll of the road beyond those assumed, and their standard deviations, [N, 2] each in rad, each pair
        by itself: a value per pair that may be averaged over pairs."""
        volume = self.correlation(previous, current, previous_homography, current_homography)
        reading: Reading = self.net(volume)
        speed = reading.metres / seconds
        excess = functional.relu(speed.abs() - SPEEDS_SEEN_MPS[1])
        sd = reading.log_sd.exp() * volume.step / seconds + GROWTH * excess
        unit = TILT_UNIT * camera_height(current_homography)[:, None]
        return (
            round_decimals(speed, DECIMALS),
            round_decimals(sd, DECIMALS).clamp_min(10.0**-DECIMALS),
            unit * reading.tilt,
            unit * reading.tilt_log_sd.exp(),
        )


def camera_height(homography: Tensor) -> Tensor:
    """Metres [N] above the road of the camera whose homographies [N, 3, 3] take (lateral, ahead, 1) to pixels.

    The columns are the calibration times the road's axes, the last times the height: the determinant is the height
    times the focal length squared, and the focal length follows from the first two columns where the camera looks
    ahead (to second order in its yaw)."""
    h = homography
    focal = h[:, 0, 0] - h[:, 0, 1] * h[:, 2, 0] / h[:, 2, 1]
    minors = (h[:, 1, 1] * h[:, 2, 2] - h[:, 1, 2] * h[:, 2, 1],
              h[:, 1, 0] * h[:, 2, 2] - h[:, 1, 2] * h[:, 2, 0],
              h[:, 1, 0] * h[:, 2, 1] - h[:, 1, 1] * h[:, 2, 0])  # fmt: skip
    determinant = h[:, 0, 0] * minors[0] - h[:, 0, 1] * minors[1] + h[:, 0, 2] * minors[2]
    return determinant.abs() / focal**2
