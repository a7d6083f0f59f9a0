"""Drives against each other: train on one, look at the others."""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from torch import nn

from services.speed.training.data import Clip, Pair, pairs_of, rendered, split
from services.speed.training.examples import Examples, joined, prepare
from services.speed.training.parallel import World
from services.speed.training.recipe import Recipe
from services.speed.training.train import judge

Pairs = dict[str, list[Pair]]
RENDERED_SKIPS = (1, 2)
RENDERED_HELD_OUT = 0.15
"""The share of the rendered clips that is left out of the training."""
ROUGH_ALONE = 1.4
"""How much rougher the rendered roads are where no recorded ones teach how uneven roads can be."""


@dataclass(frozen=True)
class Fold:
    """`training` and `held_out` come from the drive `drive` (and rendered clips); `unseen` are the plain pairs of
    neighbouring frames of all other drives, with no variant."""

    drive: str
    training: Examples
    held_out: Examples
    unseen: Examples

    def score(self, net: nn.Module) -> dict[str, float]:
        """Errors on drives that the net has not seen."""
        return judge(net, self.unseen)


def material(clips: list[Clip], pairs: Pairs, recipe: Recipe, work: Path, world: World) -> tuple[Examples, Examples]:
    """Training and held-out examples: of the recorded clips and of rendered ones, some of which are left out. Where
    there are no recorded clips the held-out examples are plain pairs of neighbouring frames of those left out, as the
    served path sees them. The first process makes the examples, the others read what it made."""
    if not world.leads:
        world.wait()
    made = rendered_pairs(recipe.rendered, recipe.seed, 1.0 if clips else ROUGH_ALONE)
    kept = {f"rendered_{k}" for k in range(max(1, int(recipe.rendered * (1 - RENDERED_HELD_OUT))), recipe.rendered)}
    parts = [split(pairs[clip.name]) for clip in clips]
    training = [prepare(some, recipe, work) for some, _ in parts]
    training.append(prepare([pair for pair in made if pair.clip.name not in kept], recipe, work))
    held_out = [prepare(some, recipe, work) for _, some in parts]
    if not clips:
        near = [pair for pair in made if pair.clip.name in kept and pair.later == pair.earlier + 1]
        held_out.append(prepare(near, replace(recipe, variants=0), work))
    if world.leads:
        world.wait()
    return joined(training), joined(held_out)


def folds(clips: list[Clip], pairs: Pairs, recipe: Recipe, work: Path, world: World) -> list[Fold]:
    """One for each drive."""
    found = []
    for drive in sorted({clip.drive for clip in clips}):
        own = [clip for clip in clips if clip.drive == drive]
        near = [p for clip in clips if clip.drive != drive for p in pairs[clip.name] if p.later == p.earlier + 1]
        training, held_out = material(own, pairs, recipe, work, world)
        found.append(Fold(drive, training, held_out, prepare(near, replace(recipe, variants=0), work)))
    return found


@cache
def rendered_pairs(count: int, seed: int, rough: float = 1.0) -> list[Pair]:
    """Pairs of rendered clips, whose truth is exact: they hold the mean without bias."""
    return [pair for clip in rendered(count, seed, rough=rough) for pair in pairs_of(clip, RENDERED_SKIPS)]
