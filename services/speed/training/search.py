"""Search over recipes: what a drive's model makes of the other drives decides, never the validation clip."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import BaseTrial

from services.speed.training import plots
from services.speed.training.folds import Fold
from services.speed.training.recipe import Recipe
from services.speed.training.train import Trainer

STUDY = Path(__file__).parent / "study.jsonl"
NAME = "recipe"
ENDED = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
SEARCHED = ("learning_rate", "weight_decay", "width", "blots", "tilt_weight", "pull", "outlier")


@dataclass(frozen=True)
class Found:
    """What a study has found: the best parameters, their objective, how many trials were run and how many pruned, and
    the file that keeps it."""

    params: dict[str, Any]
    value: float
    trials: int
    pruned: int
    file: Path | None = None


def proposed(trial: BaseTrial, recipe: Recipe) -> Recipe:
    """The recipe with the parameters that the trial is to try."""
    return replace(
        recipe,
        learning_rate=trial.suggest_float("learning_rate", 2e-4, 1e-2, log=True),
        weight_decay=trial.suggest_float("weight_decay", 1e-3, 0.3, log=True),
        width=trial.suggest_categorical("width", [4, 8, 16]),
        blots=trial.suggest_float("blots", 0.0, 0.4),
        tilt_weight=trial.suggest_float("tilt_weight", 0.03, 3.0, log=True),
        pull=trial.suggest_float("pull", 1e-3, 0.3, log=True),
        outlier=trial.suggest_float("outlier", 1.0, 4.0),
    )


def objective(recipe: Recipe, folds: Sequence[Fold], trial: optuna.Trial | None = None) -> float:
    """Mean over the folds of the negative log likelihood on their unseen drives, of the last snapshot. A hopeless trial
    is given up after the first fold."""
    values = []
    for number, fold in enumerate(folds):
        trainer = Trainer(recipe)
        for _ in range(recipe.epochs):
            trainer.epoch_of(fold.training)
        figures = fold.score(trainer.net)
        values.append(figures["nll"])
        if trial:
            trial.set_user_attr(f"mse_{fold.drive}", round(figures["mse"], 4))
            trial.report(figures["nll"], number)
            if trial.should_prune():
                raise optuna.TrialPruned
    return float(np.mean(values))


def study_of(file: Path, seed: int) -> optuna.Study:
    """The study that `file` keeps, begun where there is none; the sampler is a tree of Parzen estimators (Bergstra et
    al., NeurIPS 2011)."""
    return optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(file))),
        study_name=NAME,
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=6),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
        load_if_exists=True,
    )


def search(recipe: Recipe, folds: Sequence[Fold], trials: int, file: Path = STUDY) -> Found:
    """Runs so many more trials, the first of a new study on the recipe as it is."""
    study = study_of(file, recipe.seed)
    if not study.trials:
        study.enqueue_trial({name: asdict(recipe)[name] for name in SEARCHED})
    study.optimize(lambda trial: objective(proposed(trial, recipe), folds, trial), trials)
    return found(file)


def _kept(file: Path) -> optuna.Study:
    """The study that `file` keeps, read only."""
    return optuna.load_study(study_name=NAME, storage=JournalStorage(JournalFileBackend(str(file))))


def found(file: Path = STUDY) -> Found:
    study = _kept(file)
    states = [each.state for each in study.get_trials(states=ENDED)]
    pruned = states.count(optuna.trial.TrialState.PRUNED)
    return Found(study.best_params, study.best_value, len(states), pruned, file)


def draw(picture: Path, file: Path) -> None:
    """The study as a picture."""
    study = _kept(file)
    complete = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    values = [each.value for each in complete if each.value is not None]
    weights = optuna.importance.get_param_importances(study) if len(values) > 3 else {}
    plots.trials(picture, values, np.minimum.accumulate(values).tolist(), weights)
