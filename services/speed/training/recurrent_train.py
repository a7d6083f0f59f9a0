"""Training of the recurrent head, and its errors beside those of the plain head with the Kalman filter."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from services.speed.smoothing import smooth_speeds
from services.speed.training.recurrent import HIDDEN, Recurrent, Step
from services.speed.training.recurrent_features import Reel


@dataclass(frozen=True)
class RecurrentRecipe:
    """`length` pairs a piece, `pieces` of them a step; the gradient goes back through all of a piece. The first `warm`
    pairs of a piece are read and not judged."""

    seed: int = 7
    epochs: int = 30
    steps: int = 20
    pieces: int = 16
    length: int = 40
    warm: int = 3
    learning_rate: float = 4e-3
    weight_decay: float = 0.1
    hidden: int = HIDDEN
    dropout: float = 0.4


@dataclass(frozen=True)
class Compared:
    """Errors of one clip in (m/s)^2 by a head trained on other drives: each pair by itself, the Kalman filter over the
    pairs, the recurrent head; shares of its errors within one and two of its standard deviations."""

    clip: str
    trained_on: str
    pairs: int
    mse_raw: float
    mse_kalman: float
    mse_recurrent: float
    within_1sd: float
    within_2sd: float


def fit(reels: Sequence[Reel], recipe: RecurrentRecipe) -> Recurrent:
    """A head trained on random pieces of the reels, cosine annealing to 0."""
    torch.manual_seed(recipe.seed)
    draw = np.random.default_rng(recipe.seed)
    net = Recurrent(reels[0].features.shape[1], recipe.hidden, recipe.dropout)
    everything = torch.cat([reel.features for reel in reels])
    net.centre.copy_(everything.mean(0))
    net.scale.copy_(everything.std(0).clamp_min(1e-3))
    optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    total = recipe.epochs * recipe.steps
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, total)
    bar = tqdm(range(total), desc="recurrent", leave=False)
    for _ in bar:
        loss = loss_of(net, pieces(reels, recipe, draw), recipe.warm)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        bar.set_postfix(loss=f"{loss.item():.3f}")
    return net.eval()


def pieces(reels: Sequence[Reel], recipe: RecurrentRecipe, draw: np.random.Generator) -> tuple[Tensor, ...]:
    """`features` [T, N, F], `measured`, `log_sd` and `truth` [T, N] of pieces drawn by length of reel."""
    length = min(recipe.length, *(len(reel) for reel in reels))
    room = np.array([len(reel) - length + 1 for reel in reels])
    chosen = draw.choice(len(reels), recipe.pieces, p=room / room.sum())
    cut = [reels[k].at(slice(first := int(draw.integers(room[k])), first + length)) for k in chosen]
    return tuple(torch.stack([getattr(c, n) for c in cut], 1) for n in ("features", "measured", "log_sd", "truth"))


def loss_of(net: Recurrent, piece: tuple[Tensor, ...], warm: int) -> Tensor:
    """Gaussian negative log likelihood of the truth, weighted by the (detached) standard deviation so that hard pairs
    still teach the mean (Seitzer et al., ICLR 2022, beta 1/2)."""
    features, measured, log_sd, truth = piece
    steps = net.run(features, measured, log_sd)[warm:]
    speed, log_sd = (torch.stack([getattr(step, name) for step in steps]) for name in ("speed", "log_sd"))
    likelihood = 0.5 * ((speed - truth[warm:]) * (-log_sd).exp()) ** 2 + log_sd
    whole: Tensor = (likelihood * log_sd.detach().exp()).mean()
    return whole


@torch.no_grad()
def watch(net: Recurrent, reel: Reel) -> list[Step]:
    """A step a pair of the whole reel."""
    return net.eval().run(reel.features[:, None], reel.measured[:, None], reel.log_sd[:, None])


def compare(net: Recurrent, reel: Reel, trained_on: str) -> Compared:
    """Pairs that could not be measured are left out of all three."""
    steps = watch(net, reel)
    speed, sd = (np.array([float(getattr(step, name)) for step in steps]) for name in ("speed", "log_sd"))
    sd, truth, raw = np.exp(sd), reel.truth.double().numpy(), reel.measured.double().numpy()
    plain = smooth_speeds(reel.time_s.numpy(), raw, reel.log_sd.double().exp().numpy(), "kalman")
    seen = np.isfinite(raw)
    off = np.abs(speed - truth)[seen] / sd[seen]
    mse = {
        f"mse_{name}": float(((values - truth)[seen] ** 2).mean())
        for name, values in (("raw", raw), ("kalman", plain.speed_mps), ("recurrent", speed))
    }
    shares = {f"within_{k}sd": float((off < k).mean()) for k in (1, 2)}
    return Compared(clip=reel.name.partition("/")[0], trained_on=trained_on, pairs=len(reel), **mse, **shares)
