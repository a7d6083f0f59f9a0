from pathlib import Path

import optuna
import pytest
import torch

from services.speed.training.effects import auxiliary
from services.speed.training.examples import Examples
from services.speed.training.folds import Fold
from services.speed.training.recipe import Recipe
from services.speed.training.search import SEARCHED, STUDY, draw, found, objective, proposed, search

RECIPE = Recipe(period=1, cycles=1, batch=16, width=4)


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture
def folds(volumes: Examples) -> list[Fold]:
    half = len(volumes) // 2
    first, second = volumes.at(torch.arange(half)), volumes.at(torch.arange(half, len(volumes)))
    return [Fold("a", first, first, second), Fold("b", second, second, first)]


def test_a_study_is_kept_and_taken_up_again(folds: list[Fold], tmp_path: Path) -> None:
    file = tmp_path / "study.jsonl"
    first = search(RECIPE, folds, 2, file)
    assert first.trials == 2
    again = search(RECIPE, folds, 1, file)
    assert (again.trials, again.file) == (3, file)
    assert again.value <= first.value
    assert found(file) == again
    draw(tmp_path / "search.png", file)
    assert (tmp_path / "search.png").stat().st_size > 1000


def test_the_first_trial_is_the_recipe_as_it_is(folds: list[Fold], tmp_path: Path) -> None:
    best = search(RECIPE, folds, 1, tmp_path / "study.jsonl")
    assert best.params["learning_rate"] == RECIPE.learning_rate
    assert best.value == pytest.approx(objective(RECIPE, folds))
    assert proposed(optuna.trial.FixedTrial(best.params), Recipe()) == Recipe(width=4)


def test_the_objective_looks_at_unseen_drives_alone(folds: list[Fold]) -> None:
    other = [Fold(f.drive, f.training, f.held_out.at(torch.arange(2)), f.unseen) for f in folds]
    assert objective(RECIPE, folds) == objective(RECIPE, other)
    swapped = [Fold(f.drive, f.training, f.held_out, f.training) for f in folds]
    assert objective(RECIPE, folds) != objective(RECIPE, swapped)


def test_the_auxiliary_targets_worth_is_measured_with_it_and_without(folds: list[Fold]) -> None:
    worth = auxiliary(RECIPE, folds, 2)
    assert set(worth) == {"with", "without"}
    assert worth["with"]["seeds"] == 2
    assert worth["with"]["nll"] != worth["without"]["nll"]


@pytest.mark.skipif(not STUDY.is_file(), reason="no study was kept")
def test_the_study_that_is_kept_can_be_read_and_covers_the_recipe() -> None:
    best = found()
    assert best.trials >= 1
    assert set(best.params) == set(SEARCHED)
    recipe = Recipe()
    again = proposed(optuna.trial.FixedTrial({name: getattr(recipe, name) for name in SEARCHED}), recipe)
    assert again == recipe
