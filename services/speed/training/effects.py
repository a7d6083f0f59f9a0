"""What parts of the recipe are worth, measured on drives that were not trained on."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from services.speed.training.folds import Fold
from services.speed.training.fusion import PlaneNet
from services.speed.training.recipe import Recipe
from services.speed.training.train import Trainer

FLAT = -8.0
"""Log of the prior standard deviation, in TILT_UNIT, of a plane that does not tilt."""


def auxiliary(recipe: Recipe, folds: Sequence[Fold], seeds: int) -> dict[str, dict[str, float]]:
    """Figures on the unseen drives with the auxiliary target and without it, of one cycle each, mean over seeds and
    folds; `mse_sd` is the standard deviation over seeds of the folds' mean error."""
    kinds = {"with": recipe.tilt_weight, "without": 0.0}
    recipes = {kind: replace(recipe, tilt_weight=weight, cycles=1) for kind, weight in kinds.items()}
    return {kind: _measured(each, folds, seeds) for kind, each in recipes.items()}


@torch.no_grad()
def structure(folds: Sequence[Fold]) -> dict[str, dict[str, float]]:
    """Figures on the unseen drives before any training: of the plane whose pitch and roll are free within their priors,
    and of one that is held to be as it was assumed."""
    free, flat = PlaneNet(), PlaneNet()
    flat.log_prior.fill_(FLAT)
    return {
        f"{kind}, drives other than {fold.drive}": fold.score(net)
        for kind, net in (("tilts free", free), ("tilts held at 0", flat))
        for fold in folds
    }


def _measured(recipe: Recipe, folds: Sequence[Fold], seeds: int) -> dict[str, float]:
    rows = []
    for seed in range(seeds):
        figures = []
        for fold in folds:
            trainer = Trainer(replace(recipe, seed=seed))
            for _ in range(recipe.epochs):
                trainer.epoch_of(fold.training)
            figures.append(fold.score(trainer.net))
        rows.append({name: float(np.mean([each[name] for each in figures])) for name in figures[0]})
    mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    return {**mean, "mse_sd": float(np.std([row["mse"] for row in rows])), "seeds": float(seeds)}
