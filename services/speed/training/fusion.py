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

from collections.abc import Sequence
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
MINORS = torch.tensor(
    [
        3 * ((column + down) % 3) + (row + across) % 3
        for down, across in ((1, 1), (2, 2), (1, 2), (2, 1))
        for row in range(3)
        for column in range(3)
    ]
)
"""Where the factors of the adjugate of a symmetric 3 x 3 matrix stand among its nine numbers: nine each of the first
factor and the second, and of the product that is taken off."""
CURVATURE = 1e-4
"""Least weight in all that a pair is given, so that a pair without texture has an answer too: its start."""


def places() -> tuple[Tensor, Tensor]:
    """How far ahead and how far to the right the middle of each cell lies, metres [cells] each."""
    ahead = (1 / torch.linspace(1 / NEAR_M, 1 / FAR_M, ROWS)).reshape(BANDS, -1).mean(1)
    lateral = torch.linspace(-HALF_WIDTH_M, HALF_WIDTH_M, COLUMNS).reshape(LANES, -1).mean(1)
    return ahead.repeat_interleave(LANES), lateral.repeat(BANDS)


class Start(NamedTuple):
    """Where the nets begin: the mean curve `overall` [N, FINE_STEPS], its `summit` [N] in steps from the middle, and
    `seen` [N * cells, 6, FINE_STEPS], what the convolutions of all nets are given."""

    overall: Tensor
    summit: Tensor
    seen: Tensor


class Cells(NamedTuple):
    """What the cells say: displacement `moved` in steps from the peak, its `weight`, and the `fit` of the plane there,
    [nets, N, cells] each."""

    moved: Tensor
    weight: Tensor
    fit: Tensor


class Law(NamedTuple):
    """What several nets have learnt in numbers, [nets, 1, 1] each: `sharpness`, the `windows` of the rounds, `reject`
    and `floor`; and the inverse variances `rigid` [nets, 1, 2] of their priors."""

    sharpness: Tensor
    windows: tuple[Tensor, ...]
    reject: Tensor
    floor: Tensor
    rigid: Tensor

    @classmethod
    def of(cls, nets: Sequence["PlaneNet"]) -> "Law":
        def each(name: str) -> Tensor:
            return torch.stack([getattr(net, name).exp() for net in nets]).reshape(len(nets), 1, -1)

        windows = each("log_window").chunk(len(WINDOWS), dim=2)
        return cls(each("log_sharpness"), windows, each("log_reject"), each("log_floor"), each("log_prior").pow(-2))


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
        return Reading(*(each[0] for each in together([self], volume)))

    def read(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """The learnt part of the cells' scores [N, cells, FINE_STEPS], and the log of their weight [N, cells]."""
        x = self.along(seen)
        learnt: Tensor = self.logit(x)
        quality: Tensor = self.quality(torch.cat([x.mean(2), x.amax(2)], dim=1))
        return learnt.reshape(-1, CELLS, FINE_STEPS), quality.reshape(-1, CELLS)


def together(nets: Sequence[PlaneNet], volume: Volume) -> Reading:
    """What each of the nets says: Readings [nets, N, ...]. Worked out side by side, so that a graph of several has few
    operations more than that of one: they are small, and each costs by itself."""
    start = _start(volume, nets[0].steps)
    learnt, quality = (torch.stack(each) for each in zip(*(net.read(start.seen) for net in nets), strict=True))
    law, steps = Law.of(nets), nets[0].steps
    scores = learnt + law.sharpness[..., None] * volume.curves
    reach = volume.peak / volume.step + start.summit
    pitched = nets[0].basis[0] + TILT_UNIT * (volume.step * reach)[:, None]
    basis = reach[:, None, None] * torch.stack([pitched, nets[0].basis[1].expand_as(pitched)], dim=1)
    cells, metres, variance = _fit(law, steps, scores, quality, basis, start.summit)
    told = _tell(nets, volume, start.overall, quality, cells, variance)
    free, free_variance = plane(cells.weight, cells.moved, basis, basis.new_full((2,), OPEN_SD**-2))
    return Reading(
        metres=volume.peak + volume.step * metres,
        log_sd=(0.5 * variance.log() + 1 + told[..., 0]).clamp(*LOG_SD),
        tilt=free[..., 1:],
        tilt_log_sd=(0.5 * free_variance[..., 1:].log() + 1 + told[..., 1:]).clamp(*LOG_SD),
        strayed=(learnt**2).mean((2, 3)) + (quality**2).mean(2),
    )


def _start(volume: Volume, steps: Tensor) -> Start:
    curves = volume.curves
    overall = curves.mean(1)
    top = summit(overall)
    band = curves.reshape(-1, BANDS, LANES, FINE_STEPS).mean(2, keepdim=True)
    band = band.expand(-1, -1, LANES, -1).reshape(curves.shape)
    near = torch.exp(-((steps - top[:, None]) ** 2) / 32)
    beside = (overall[:, None], (volume.contrast - 2)[..., None], volume.step.log()[:, None, None], near[:, None])
    seen = torch.stack([curves, band, *(each.expand_as(curves) for each in beside)], dim=2)
    return Start(overall, top, seen.flatten(0, 1))


def _fit(
    law: Law, steps: Tensor, scores: Tensor, quality: Tensor, basis: Tensor, start: Tensor
) -> tuple[Cells, Tensor, Tensor]:
    """The cells, the displacement [nets, N] of the plane in steps from the peak, and the variance of that [nets, N]."""
    fit = start[:, None].expand(-1, CELLS)
    trust = quality.exp()
    for turn, window in enumerate(law.windows):
        share = torch.softmax(scores - 0.5 * ((steps - fit[..., None]) / window[..., None]) ** 2, dim=-1)
        moved = (share * steps).sum(-1)
        spread = (share * (steps - moved[..., None]) ** 2).sum(-1) + law.floor
        weight = trust / spread
        if turn:
            weight = weight / (1 + (moved - fit) ** 2 / (spread * law.reject**2))
        found, variance = plane(weight, moved, basis, law.rigid)
        fit = found[..., :1] + (found[..., 1:, None] * basis).sum(-2)
    return Cells(moved, weight, fit), found[..., 0], variance[..., 0]


def _tell(
    nets: Sequence[PlaneNet], volume: Volume, overall: Tensor, quality: Tensor, cells: Cells, variance: Tensor
) -> Tensor:
    """What is added to the logs of the three standard deviations [nets, N, 3]."""
    total = cells.weight.sum(-1)
    astray = (cells.weight * (cells.moved - cells.fit) ** 2).sum(-1) / total
    shared = (overall.amax(1), volume.peak - 1, volume.step.log() + 3)
    own = (variance.log(), (astray + 1e-3).log(), total.log() - 3)
    facts = torch.stack([*own, *(each.expand_as(total) for each in shared), quality.mean(-1)], dim=-1)
    return torch.stack([net.doubt(each) for net, each in zip(nets, facts.unbind(), strict=True)])


def _silent(layer: Layer) -> Layer:
    """The layer, which says 0 until it is trained."""
    for weight in layer.parameters():
        nn.init.zeros_(weight)
    return layer


def plane(weight: Tensor, moved: Tensor, basis: Tensor, rigid: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted least squares of `moved` [..., N, cells] on 1 and `basis` [N, 2, cells], by Cramer's rule; `rigid`
    [..., 2] are the inverse variances of the priors of the last two. Returns the three unknowns and their variances,
    [..., N, 3] each."""
    design = torch.cat([torch.ones_like(basis[:, :1]), basis], dim=1)
    weighted = design * weight[..., None, :]
    stiffness = torch.cat([torch.full_like(rigid[..., :1], CURVATURE), rigid], dim=-1)
    normal = weighted @ design.transpose(1, 2) + stiffness[..., None, :] * torch.eye(3, device=rigid.device)
    one, two, three, four = normal.flatten(-2).index_select(-1, MINORS.to(rigid.device)).chunk(4, dim=-1)
    adjugate = one * two - three * four
    whole = (normal[..., 0, :] * adjugate[..., :3]).sum(-1, keepdim=True)
    found = (torch.unflatten(adjugate, -1, (3, 3)) @ (weighted @ moved[..., None]))[..., 0]
    return found / whole, (adjugate[..., ::4] / whole).clamp_min(1e-8)
