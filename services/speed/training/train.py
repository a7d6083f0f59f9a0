"""Training of the net on correlation volumes, which are computed once."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts
from tqdm import tqdm

from services.speed.training.ensemble import Ensemble
from services.speed.training.examples import Examples
from services.speed.training.fusion import TILT_SD, PlaneNet
from services.speed.training.network import Reading
from services.speed.training.parallel import World
from services.speed.training.recipe import Recipe

Weights = Mapping[str, Tensor]
HEAVIEST = 3.0
"""Steps: a pair whose standard deviation is beyond does not gain weight any more."""


def loss_of(net: nn.Module, batch: Examples, recipe: Recipe) -> Tensor:
    """Negative log likelihood of the displacement, in steps of the fine search, under a normal with heavy tails
    (Huber), weighted by the (detached) standard deviation so that hard pairs still teach the mean (beta-NLL, Seitzer
    et al., ICLR 2022, beta 1/2); beside it the same of the tilts, and a pull to what needs no learning and knows no
    drive."""
    reading: Reading = net(batch.volume)
    main = _likelihood((reading.metres - batch.metres) / batch.volume.step, reading.log_sd, recipe.outlier)
    tilt = _likelihood(reading.tilt - batch.tilt, reading.tilt_log_sd, recipe.outlier)
    return main + recipe.tilt_weight * tilt + recipe.pull * reading.strayed.mean()


def _likelihood(error: Tensor, log_sd: Tensor, outlier: float) -> Tensor:
    off = error * (-log_sd).exp()
    each = functional.huber_loss(off, torch.zeros_like(off), reduction="none", delta=outlier) + log_sd
    return (each * log_sd.detach().exp().clamp_max(HEAVIEST)).mean()


@torch.no_grad()
def judge(net: nn.Module, held_out: Examples) -> dict[str, float]:
    """Mean squared error in (m/s)^2, mean negative log likelihood of the speed (outliers count 8 at most), the shares
    of errors within one and two sd, and, where planes were varied, how much of the variance of pitch and roll the
    auxiliary target explains, each shrunk by its own sd."""
    net.eval()
    reading: Reading = net(held_out.volume)
    error = reading.metres - held_out.metres
    sd = reading.log_sd.exp() * held_out.volume.step
    off = (error / sd).abs()
    figures = {
        "mse": float(((error / held_out.seconds) ** 2).mean()),
        "nll": float((0.5 * off**2 + (sd / held_out.seconds).log()).clamp_max(8).mean()),
        "within_1sd": float((off < 1).float().mean()),
        "within_2sd": float((off < 2).float().mean()),
    }
    if (spread := held_out.tilt.var(0)).min() > 0:
        tilt = reading.tilt / (1 + (reading.tilt_log_sd.exp() / torch.tensor(TILT_SD).to(reading.tilt)) ** 2)
        explained = 1 - ((tilt - held_out.tilt) ** 2).mean(0) / spread
        figures |= {"pitch_r2": float(explained[0]), "roll_r2": float(explained[1])}
    return figures


class Trainer:
    """Holds one run: net, optimiser, schedule and the snapshots so far; may be saved and taken up again, and then ends
    with the very weights that it would have had."""

    def __init__(self, recipe: Recipe, world: World | None = None) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.world = world or World()
        self.net = PlaneNet(recipe.width).to(self.world.device)
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self.schedule = CosineAnnealingWarmRestarts(self.optimiser, recipe.period)
        self.epoch = 0
        self.snapshots: list[dict[str, Tensor]] = []
        self.history: list[dict[str, float]] = []
        self._spread = self.world.spread(self.net)

    def epoch_of(self, data: Examples) -> float:
        """One pass over `data` in an order that the seed and the epoch decide; the mean loss of this process."""
        draw = torch.Generator().manual_seed(1000 * self.recipe.seed + self.epoch)
        batches = torch.split(torch.randperm(len(data), generator=draw), self.recipe.batch)
        self.net.train()
        losses = []
        for number, batch in enumerate(each for each in batches if len(each) >= self.world.size):
            self.schedule.step(self.epoch + number / len(batches))
            seen = torch.rand(len(batch), data.cells, generator=draw) >= self.recipe.blots
            mine = data.at(self.world.share(batch)).blotted(self.world.share(seen))
            loss = loss_of(self._spread, mine.to(self.world.device), self.recipe)
            self.optimiser.zero_grad()
            torch.autograd.backward(loss * self.world.weight(batch))
            nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
            self.optimiser.step()
            losses.append(loss.item())
        self.epoch += 1
        if self.epoch % self.recipe.period == 0:
            self.snapshots.append({name: value.detach().cpu().clone() for name, value in self.net.state_dict().items()})
        return float(np.mean(losses))

    def run(self, data: Examples, held_out: Examples, checkpoint: Path | None = None) -> Ensemble:
        """Trains until the last cycle is over. Every process gets the ensemble; the first writes the checkpoint."""
        held_out = held_out.to(self.world.device)
        bar = tqdm(range(self.epoch, self.recipe.epochs), desc="training", disable=not self.world.leads)
        for _ in bar:
            loss = self.epoch_of(data)
            figures = judge(self.net, held_out)
            self.history.append({"loss": loss, **figures})
            bar.set_postfix(loss=f"{loss:.3f}", **{k: f"{v:.3f}" for k, v in figures.items()})
            if checkpoint and self.world.leads:
                self.save(checkpoint)
        self.world.wait()
        return ensemble_of(self.snapshots, self.recipe)

    def save(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        state: dict[str, Any] = {name: getattr(self, name).state_dict() for name in ("net", "optimiser", "schedule")}
        rest = {name: getattr(self, name) for name in ("epoch", "snapshots", "history")}
        written = file.with_suffix(".part")
        torch.save({**state, **rest, "recipe": asdict(self.recipe)}, written)
        written.replace(file)

    @classmethod
    def resume(cls, file: Path, world: World | None = None) -> "Trainer":
        """The run that `file` holds, at the epoch where it was saved."""
        stored = torch.load(file, weights_only=True)
        trainer = cls(Recipe(**stored["recipe"]), world)
        for name in ("net", "optimiser", "schedule"):
            getattr(trainer, name).load_state_dict(stored[name])
        for name in ("epoch", "snapshots", "history"):
            setattr(trainer, name, stored[name])
        return trainer


def ensemble_of(snapshots: list[dict[str, Tensor]], recipe: Recipe) -> Ensemble:
    members = []
    for weights in snapshots:
        members.append(PlaneNet(recipe.width))
        members[-1].load_state_dict(weights)
    return Ensemble(members).eval()
