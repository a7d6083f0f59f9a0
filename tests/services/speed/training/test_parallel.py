"""Real processes, started by torchrun: two give what one gives."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from services.speed.training.examples import Examples
from services.speed.training.parallel import World
from services.speed.training.recipe import Recipe
from services.speed.training.train import Trainer
from tests.services.speed.drives import ROOT

RECIPE = Recipe(period=1, cycles=2, variants=0, batch=7, width=4)
WORKER = """
import sys
from pathlib import Path

import torch

from services.speed.training.examples import examples_from
from services.speed.training.parallel import world
from services.speed.training.train import Trainer
from tests.services.speed.training.test_parallel import RECIPE

torch.set_num_threads(1)
folder = Path(sys.argv[1])
with world() as here:
    volumes = examples_from(torch.load(folder / "volumes.pt", weights_only=True))
    trainer = Trainer(RECIPE, here)
    trainer.run(volumes, volumes, folder / "checkpoint.pt")
    torch.save(trainer.net.state_dict(), folder / f"weights-{here.rank}-of-{here.size}.pt")
"""


def torchrun(script: Path, *arguments: str, processes: int = 2) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    run = subprocess.run(
        [*command, str(script), *arguments], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]


def test_two_processes_give_the_weights_of_one(volumes: Examples, tmp_path: Path) -> None:
    """The gradient of a batch is the mean over both shares; sums in another order differ by some 1e-7 of it. AdamW
    divides each gradient by its own size, so that where one is next to nothing the rounding decides a step's sign: an
    entry may then be off by twice the learning rate a step. So the weights agree to 1e-4 but for a few in a hundred,
    and none is off by more."""
    volumes = volumes.at(torch.arange(len(volumes) - 13, len(volumes)))
    torch.save((tuple(volumes.volume), volumes.metres, volumes.seconds, volumes.tilt), tmp_path / "volumes.pt")
    (tmp_path / "worker.py").write_text(WORKER)
    torchrun(tmp_path / "worker.py", str(tmp_path))
    alone = Trainer(RECIPE)
    alone.run(volumes, volumes)
    first, second = (torch.load(tmp_path / f"weights-{rank}-of-2.pt", weights_only=True) for rank in (0, 1))
    steps = RECIPE.epochs * 2
    off = torch.cat([(alone.net.state_dict()[name] - value).flatten().abs() for name, value in first.items()])
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert (off < 1e-4).float().mean() > 0.97
    assert off.max() <= 2 * RECIPE.learning_rate * steps
    untrained = Trainer(RECIPE).net.state_dict()
    moved = torch.cat([(value - untrained[name]).flatten().abs() for name, value in first.items()])
    assert moved.max() > 1e-3
    assert Trainer.resume(tmp_path / "checkpoint.pt").epoch == RECIPE.epochs


@pytest.mark.parametrize(("size", "count"), [(1, 5), (2, 5), (3, 7)])
def test_shares_make_up_the_batch_and_weigh_as_much_as_they_hold(size: int, count: int) -> None:
    batch = torch.arange(count)
    worlds = [World(rank, size) for rank in range(size)]
    assert torch.cat([each.share(batch) for each in worlds]).tolist() == batch.tolist()
    mean = sum(each.weight(batch) * each.share(batch).float().mean() for each in worlds) / size
    assert mean == pytest.approx(batch.float().mean().item())
