"""The net that reads a correlation volume: what each cell of the road says, and the plane that fits all of it.

One small convolution, the same for every cell, so that no place of the picture can be learnt by heart, turns a cell's
correlation curve into a distribution over displacements. A road whose pitch is `p` and whose roll is `r` beyond what
was assumed moves by

    metres * (1 + (p/h) (2 ahead + metres) - (r/h) lateral)

at the place (lateral, ahead) under a camera of height `h`, to first order in the tilts. The three unknowns are found
by weighted least squares in closed form, with Gaussian priors on the tilts, and reweighted so that cells which do not
belong to the road (cars, verges, shadows) lose their say. What is learnt is how curves become distributions, the
width of the priors, the weights' law and the standard deviation; scale and place are geometry.
"""

from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from services.speed.training.network import (
    BANDS,
    COLUMNS,
    FAR_M,
    FINE_STEPS,
    HALF_WIDTH_M,
    LANES,
    NEAR_M,
    ROWS,
    TILT_UNIT,
    Reading,
    Volume,
    summit,
)

Layer = TypeVar("Layer", bound=nn.Module)

CELLS = BANDS * LANES
SHARPNESS = 20.0
REJECT, FLOOR = 3.0, 0.1
LOG_SD = (-5.0, 3.0)
WINDOWS = (6.0, 4.0, 3.0)
"""Standard deviations, in steps, of the windows around the fit in which each round reads the cells."""
TILT_SD = (0.6, 0.8)
"""Of the priors of pitch and roll, in TILT_UNIT."""
OPEN_SD = 4.0
"""Of the prior, in TILT_UNIT, under which the tilts are answered: wide, so that they can be averaged over pairs."""
CURVATURE = 1e-4
"""Least weight in all that a pair is given, so that a pair without texture has an answer too: its start."""


def places() -> tuple[Tensor, Tensor]:
    """How far ahead and how far to the right the middle of each cell lies, metres [cells] each."""
    ahead = (1 / torch.linspace(1 / NEAR_M, 1 / FAR_M, ROWS)).reshape(BANDS, -1).mean(1)
    lateral = torch.linspace(-HALF_WIDTH_M, HALF_WIDTH_M, COLUMNS).reshape(LANES, -1).mean(1)
    return ahead.repeat_interleave(LANES), lateral.repeat(BANDS)


class Cells(NamedTuple):
    """What the cells say: displacement `moved` in steps from the peak, its `weight`, and the `fit` of the plane there,
    [N, cells] each."""

    moved: Tensor
    weight: Tensor
    fit: Tensor


class PlaneNet(nn.Module):
    """Volume -> Reading. Untrained it is the robust fit of the plane; training starts there."""

    basis: Tensor
    steps: Tensor

    def __init__(self, width: int = 16, kernel: int = 5) -> None:
        super().__init__()
        ahead, lateral = places()
        self.register_buffer("basis", TILT_UNIT * torch.stack([2 * ahead, -lateral]), persistent=False)
        self.register_buffer("steps", torch.arange(FINE_STEPS) - FINE_STEPS // 2.0, persistent=False)
        self.along = nn.Sequential(
            nn.Conv1d(6, width, kernel, padding=kernel // 2), nn.GELU(),
            nn.Conv1d(width, width, kernel, padding=kernel // 2), nn.GELU(),
        )  # fmt: skip
        self.logit = _silent(nn.Conv1d(width, 1, 1))
        self.quality = _silent(nn.Linear(2 * width, 1))
        self.doubt = nn.Sequential(nn.Linear(7, 16), nn.GELU(), _silent(nn.Linear(16, 3)))
        self.log_sharpness = nn.Parameter(torch.tensor(SHARPNESS).log())
        self.log_window = nn.Parameter(torch.tensor(WINDOWS).log())
        self.log_reject = nn.Parameter(torch.tensor(REJECT).log())
        self.log_floor = nn.Parameter(torch.tensor(FLOOR).log())
        self.log_prior = nn.Parameter(torch.tensor(TILT_SD).log())

    def forward(self, volume: Volume) -> Reading:
        overall = volume.curves.mean(1)
        start = summit(overall)
        learnt, quality = self._read(volume, overall, start)
        scores = learnt + self.log_sharpness.exp() * volume.curves
        reach = volume.peak / volume.step + start
        pitched = self.basis[0] + TILT_UNIT * (volume.step * reach)[:, None]
        basis = reach[:, None, None] * torch.stack([pitched, self.basis[1].expand_as(pitched)], dim=1)
        cells, metres, variance = self._fit(scores, quality, basis, start)
        told = self._tell(volume, overall, quality, cells, variance)
        free, free_variance = plane(cells.weight, cells.moved, basis, torch.full((2,), OPEN_SD**-2))
        return Reading(
            metres=volume.peak + volume.step * metres,
            log_sd=(0.5 * variance.log() + 1 + told[:, 0]).clamp(*LOG_SD),
            tilt=free[:, 1:],
            tilt_log_sd=(0.5 * free_variance[:, 1:].log() + 1 + told[:, 1:]).clamp(*LOG_SD),
            strayed=(learnt**2).mean((1, 2)) + (quality**2).mean(1),
        )

    def _read(self, volume: Volume, overall: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
        """The learnt part of the cells' scores [N, cells, FINE_STEPS], and the log of their weight [N, cells]."""
        curves = volume.curves
        band = curves.reshape(-1, BANDS, LANES, FINE_STEPS).mean(2, keepdim=True)
        band = band.expand(-1, -1, LANES, -1).reshape(curves.shape)
        near = torch.exp(-((self.steps - start[:, None]) ** 2) / 32)
        beside = (overall[:, None], (volume.contrast - 2)[..., None], volume.step.log()[:, None, None], near[:, None])
        x = torch.stack([curves, band, *(each.expand_as(curves) for each in beside)], dim=2)
        x = self.along(x.flatten(0, 1))
        learnt = self.logit(x).reshape(curves.shape)
        quality = self.quality(torch.cat([x.mean(2), x.amax(2)], dim=1)).reshape(curves.shape[:2])
        return learnt, quality

    def _fit(self, scores: Tensor, quality: Tensor, basis: Tensor, start: Tensor) -> tuple[Cells, Tensor, Tensor]:
        """The cells, the displacement [N] of the plane in steps from the peak, and the variance of that [N]."""
        fit = start[:, None].expand(-1, CELLS)
        rigid = self.log_prior.mul(-2).exp()
        windows = self.log_window.exp()
        for turn in range(len(WINDOWS)):
            share = torch.softmax(scores - 0.5 * ((self.steps - fit[..., None]) / windows[turn]) ** 2, dim=2)
            moved = (share * self.steps).sum(2)
            spread = (share * (self.steps - moved[..., None]) ** 2).sum(2) + self.log_floor.exp()
            weight = quality.exp() / spread
            if turn:
                weight = weight / (1 + (moved - fit) ** 2 / (spread * self.log_reject.mul(2).exp()))
            found, variance = plane(weight, moved, basis, rigid)
            fit = found[:, :1] + (found[:, 1:, None] * basis).sum(1)
        return Cells(moved, weight, fit), found[:, 0], variance[:, 0]

    def _tell(self, volume: Volume, overall: Tensor, quality: Tensor, cells: Cells, variance: Tensor) -> Tensor:
        """What is added to the logs of the three standard deviations [N, 3]."""
        total = cells.weight.sum(1)
        astray = (cells.weight * (cells.moved - cells.fit) ** 2).sum(1) / total
        facts = (
            variance.log(), (astray + 1e-3).log(), total.log() - 3, overall.amax(1), volume.peak - 1,
            volume.step.log() + 3, quality.mean(1),
        )  # fmt: skip
        told: Tensor = self.doubt(torch.stack(facts, dim=1))
        return told


def _silent(layer: Layer) -> Layer:
    """The layer, which says 0 until it is trained."""
    for weight in layer.parameters():
        nn.init.zeros_(weight)
    return layer


def plane(weight: Tensor, moved: Tensor, basis: Tensor, rigid: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted least squares of `moved` [N, cells] on 1 and `basis` [N, 2, cells], by Cramer's rule; `rigid` [2] are
    the inverse variances of the priors of the last two. Returns the three unknowns and their variances, [N, 3] each."""
    one, two = basis[:, 0], basis[:, 1]
    a = weight.sum(1) + CURVATURE
    b, c = (weight * one).sum(1), (weight * two).sum(1)
    d, e, f = (weight * one**2).sum(1) + rigid[0], (weight * one * two).sum(1), (weight * two**2).sum(1) + rigid[1]
    x, y, z = ((weight * moved * each).sum(1) for each in (torch.ones_like(one), one, two))
    rows = ((d * f - e * e, c * e - b * f, b * e - c * d), (a * f - c * c, b * c - a * e), (a * d - b * b,))
    (aa, ab, ac), (bb, bc), (cc,) = rows
    whole = a * aa + b * ab + c * ac
    found = torch.stack([aa * x + ab * y + ac * z, ab * x + bb * y + bc * z, ac * x + bc * y + cc * z], dim=1)
    return found / whole[:, None], (torch.stack([aa, bb, cc], dim=1) / whole[:, None]).clamp_min(1e-8)
