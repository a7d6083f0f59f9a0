"""From clips to an exported model: fit, calibrate, export, score."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq

from services.speed.training.data import Clip
from services.speed.training.ensemble import Ensemble
from services.speed.training.evaluate import Course, Score, evaluate, scored
from services.speed.training.examples import Examples
from services.speed.training.export import export
from services.speed.training.folds import Fold
from services.speed.training.network import Reading, SpeedModel
from services.speed.training.parallel import World
from services.speed.training.recipe import Recipe
from services.speed.training.train import Trainer, ensemble_of, judge

LICENCES = {True: "CC BY-NC-SA 3.0", False: "Apache-2.0"}
"""Of weights that saw recorded drives, and of weights that did not."""
Effects = dict[str, dict[str, dict[str, float]]]
SHARES = ((0.6827, 1.0), (0.9545, 2.0))
"""Of a normal's values within so many standard deviations."""
BOUNDS = 0.2, 5.0
"""By what standard deviations are multiplied at least and at most."""


@dataclass(frozen=True)
class Run:
    """Where and how: `resume` takes up what the work folder holds of it."""

    recipe: Recipe
    work: Path
    world: World
    resume: bool = False


@dataclass
class Outcome:
    """What is known of a model when its card is written: `held_out` figures of blocks of the training clips,
    `scores` of clips, `crossed` those of models that did not see the clip's drive, `history` one row an epoch,
    `effects` the measured worth of parts of the recipe, `stretch` what the standard deviations were multiplied by for
    drives not seen, None where the held-out blocks decided."""

    recipe: Recipe
    recorded: bool = True
    processes: int = 1
    examples: int = 0
    stretch: float | None = None
    temperature: list[float] = field(default_factory=list)
    held_out: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    effects: Effects = field(default_factory=dict)
    scores: list[Score] = field(default_factory=list)
    crossed: list[Score] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


def fit(run: Run, training: Examples, held_out: Examples, name: str) -> Trainer:
    """A trainer whose last cycle is over."""
    checkpoint = run.work / f"{name}.pt"
    if run.resume and checkpoint.is_file():
        trainer = Trainer.resume(checkpoint, run.world)
        if trainer.recipe != replace(run.recipe, cycles=trainer.recipe.cycles):
            raise ValueError(f"{checkpoint} was begun with another recipe: {trainer.recipe}")
        trainer.recipe = run.recipe
    else:
        trainer = Trainer(run.recipe, run.world)
    trainer.run(training, held_out, checkpoint)
    return trainer


def publish(outcome: Outcome, trainer: Trainer, held_out: Examples, out: Path, name: str) -> None:
    """Calibrates the trainer's ensemble and exports it to `out`, whose name is the version."""
    net = ensemble_of(trainer.snapshots, outcome.recipe)
    calibrate(net, held_out, outcome.stretch)
    outcome.temperature = net.temperature.tolist()
    outcome.held_out, outcome.history = judge(net, held_out), trainer.history
    told = ("recipe", "held_out", "temperature", "effects", "examples")
    training = {key: value for key, value in asdict(replace(outcome, scores=[], crossed=[])).items() if key in told}
    facts = {"name": name, "licence": LICENCES[outcome.recorded], "training": training}
    export(SpeedModel(net), out, out.name, facts)


def cross(
    run: Run, found: Sequence[Fold], clips: list[Clip], name: str
) -> tuple[list[Score], dict[str, dict[str, float]], float]:
    """Each drive alone trains a model that scores the clips of the other drives; what the ensemble is worth on them
    beside its last member alone; and by how much the standard deviations must be stretched to hold on drives not seen.

    The stretch of each scored model is that of the models of the other drives, so that no clip calibrates itself.
    """
    worth: dict[str, dict[str, float]] = {}
    nets: dict[str, Ensemble] = {}
    for fold in found:
        snapshots = fit(run, fold.training, fold.held_out, f"{name}-cross-{fold.drive}").snapshots
        for kind, members in (("ensemble", snapshots), ("last snapshot alone", snapshots[-1:])):
            net = ensemble_of(members, run.recipe)
            calibrate(net, fold.held_out, 1.0)
            worth[f"{kind}, trained on {fold.drive}"] = fold.score(net)
            nets.setdefault(fold.drive, net)
    if not run.world.leads:
        return [], worth, 1.0
    unseen = {drive: [clip for clip in clips if clip.drive != drive] for drive in nets}
    first = {drive: _scores(run, net, drive, name, unseen[drive]) for drive, net in nets.items()}
    scores: list[Score] = []
    for drive in nets:
        others = [score.course for other, found in first.items() if other != drive for score in found]
        warmth = answered(others)
        scores += [stretched(clip, score, warmth) for clip, score in zip(unseen[drive], first[drive], strict=True)]
    return scores, worth, answered([score.course for found in first.values() for score in found])


def stretched(clip: Clip, score: Score, factor: float) -> Score:
    """The score with all standard deviations `factor` times as wide."""
    return scored(clip, score.course.raw, score.course.sd * factor, score.frames_per_s)


def _scores(run: Run, net: Ensemble, drive: str, name: str, clips: list[Clip]) -> list[Score]:
    folder = run.work / "cross" / drive / "0.0.0"
    export(SpeedModel(net), folder, "0.0.0", {"name": name})
    return evaluate(folder, clips)


@torch.no_grad()
def calibrate(net: Ensemble, held_out: Examples, stretched: float | None = None) -> None:
    """Sets the temperatures: of the displacement's standard deviation what unseen drives ask for, else the held-out
    errors; of the tilts' the held-out errors."""
    reading: Reading = net(held_out.volume)
    off = (reading.metres - held_out.metres) / (reading.log_sd.exp() * held_out.volume.step)
    tilt = (reading.tilt - held_out.tilt) / reading.tilt_log_sd.exp()
    net.temperature[0] *= stretched or stretch(off.numpy())
    net.temperature[1] *= stretch(tilt.numpy())


def answered(courses: Sequence[Course]) -> float:
    """By what the standard deviations of these courses must be multiplied so that those that answers state are a
    normal's in the sense of `stretch`; within BOUNDS."""

    def short(log: float) -> float:
        return math.log(stretch(np.concatenate([each.off(math.exp(log)) for each in courses])))

    low, high = map(math.log, BOUNDS)
    if short(low) < 0 or short(high) > 0:
        return BOUNDS[int(short(high) > 0)]
    return math.exp(brentq(short, low, high, xtol=1e-4))


def stretch(off: NDArray[np.floating[Any]]) -> float:
    """By what the standard deviations of errors that are `off` so many of them must grow to be those of a normal: the
    geometric mean of what puts 68 % within one and 95 % within two."""
    return float(np.exp(np.mean([np.log(np.quantile(np.abs(off), share) / wide) for share, wide in SHARES])))
