from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from services.speed.training.data import Pair
from services.speed.training.examples import Examples, joined, prepare
from services.speed.training.fusion import PlaneNet
from services.speed.training.recipe import Recipe
from services.speed.training.train import Trainer, judge, loss_of

RECIPE = Recipe(period=2, cycles=2, variants=1, batch=8)


def talkative() -> PlaneNet:
    """A net whose last layers say something, so that gradients pass through them."""
    torch.manual_seed(0)
    net = PlaneNet(8)
    for layer in (net.logit, net.quality, net.doubt[-1]):
        assert isinstance(layer, nn.Conv1d | nn.Linear)
        nn.init.normal_(layer.weight, std=0.1)
    return net


def test_gradients_are_finite_and_reach_every_weight(volumes: Examples) -> None:
    net = talkative()
    torch.autograd.backward(loss_of(net, volumes, RECIPE))
    for name, weight in net.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name
        assert weight.grad.abs().sum() > 0, name


def test_gradients_are_those_of_finite_differences(volumes: Examples) -> None:
    """Central differences in double precision, along one random direction of all weights, give the slope to 1e-5 of
    it. The weights that the loss holds fixed (beta-NLL) have no gradient, so the squared errors are taken."""
    net = talkative().double()
    few = _double(volumes.at(torch.arange(len(volumes) - 6, len(volumes))))
    direction = [torch.randn_like(each) for each in net.parameters()]

    def loss() -> torch.Tensor:
        reading = net(few.volume)
        off: torch.Tensor = (reading.metres - few.metres) / few.volume.step
        return off.square().mean() + torch.square(reading.tilt).mean()

    slopes = torch.autograd.grad(loss(), list(net.parameters()), allow_unused=True)
    slope = sum(float((g * d).sum()) for g, d in zip(slopes, direction, strict=True) if g is not None)
    ends = []
    for step in (1e-6, -2e-6):
        with torch.no_grad():
            for each, along in zip(net.parameters(), direction, strict=True):
                each.add_(step * along)
        ends.append(float(loss().detach()))
    assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(slope, rel=1e-5)


def _double(some: Examples) -> Examples:
    volume = type(some.volume)(*(part.double() for part in some.volume))
    return Examples(volume, some.metres.double(), some.seconds.double(), some.tilt.double())


def test_overfits_a_few_pairs(volumes: Examples) -> None:
    """Truths set off from what is seen: a net that learns follows them, one that does not keeps a step of error. The
    first half of the pairs stands still and looks alike, so it is left out."""
    volumes = volumes.at(torch.arange(len(volumes) // 2, len(volumes)))
    net = talkative()
    shift = torch.linspace(-1, 1, len(volumes))
    shifted = replace(volumes, metres=net(volumes.volume).metres.detach() + shift * volumes.volume.step)
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    recipe = replace(RECIPE, pull=0.0, tilt_weight=0.0)
    before = judge(net, shifted)
    for _ in range(200):
        optimiser.zero_grad()
        torch.autograd.backward(loss_of(net, shifted, recipe))
        optimiser.step()
    after = judge(net, shifted)
    assert after["mse"] < 0.1 * before["mse"]
    assert after["nll"] < before["nll"] - 1


def test_the_same_seed_gives_the_same_weights(volumes: Examples) -> None:
    first, same, other = (
        Trainer(recipe).run(volumes, volumes).state_dict() for recipe in (RECIPE, RECIPE, replace(RECIPE, seed=8))
    )
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_a_run_taken_up_again_ends_with_the_very_weights_of_an_unbroken_one(volumes: Examples, tmp_path: Path) -> None:
    """Broken in the midst of a cycle, after two snapshots' worth of random numbers were drawn by someone else."""
    file = tmp_path / "run" / "checkpoint.pt"
    unbroken = Trainer(RECIPE)
    for _ in range(3):
        unbroken.epoch_of(volumes)
    unbroken.save(file)
    whole = unbroken.run(volumes, volumes)
    torch.rand(7)
    resumed = Trainer.resume(file)
    assert resumed.epoch == 3
    again = resumed.run(volumes, volumes)
    assert len(resumed.snapshots) == RECIPE.cycles
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in whole.state_dict().items())
    assert resumed.history[-1] == unbroken.history[-1]
    assert resumed.optimiser.state_dict()["param_groups"] == unbroken.optimiser.state_dict()["param_groups"]


def test_the_learning_rate_anneals_and_restarts(volumes: Examples) -> None:
    trainer = Trainer(RECIPE)
    rates = []
    for _ in range(4):
        trainer.epoch_of(volumes)
        rates.append(trainer.schedule.get_last_lr()[0])
    assert rates[0] > rates[1]
    assert rates[2] > rates[1]
    assert rates[:2] == pytest.approx(rates[2:], rel=1e-6)
    assert max(rates) <= RECIPE.learning_rate


def test_each_cycle_leaves_a_member(volumes: Examples) -> None:
    trainer = Trainer(RECIPE)
    ensemble = trainer.run(volumes, volumes)
    assert len(ensemble.members) == len(trainer.snapshots) == RECIPE.cycles
    assert not torch.equal(trainer.snapshots[0]["logit.weight"], trainer.snapshots[1]["logit.weight"])
    assert len(trainer.history) == RECIPE.epochs


def test_blots_hide_whole_cells(volumes: Examples) -> None:
    seen = torch.rand(len(volumes), volumes.cells) > 0.5
    hidden = volumes.blotted(seen)
    assert (hidden.volume.curves[~seen] == 0).all()
    assert torch.equal(hidden.volume.curves[seen], volumes.volume.curves[seen])


def test_volumes_are_made_once(pairs: list[Pair], tmp_path: Path) -> None:
    made = prepare(pairs[:3], RECIPE, tmp_path)
    assert len(made) == 3 * (1 + RECIPE.variants)
    kept = next(tmp_path.iterdir())
    stamp = kept.stat().st_mtime_ns
    again = prepare(pairs[:3], RECIPE, tmp_path)
    assert torch.equal(again.volume.curves, made.volume.curves)
    assert torch.equal(again.metres, made.metres)
    assert kept.stat().st_mtime_ns == stamp


def test_pairs_beyond_reach_are_left_out(pairs: list[Pair]) -> None:
    far = replace(pairs[-1], metres=90.0)
    assert len(prepare([pairs[-1], far], RECIPE)) == 1 + RECIPE.variants


def test_joined_keeps_order(volumes: Examples) -> None:
    both = joined([volumes.at(torch.arange(2)), volumes.at(torch.arange(2, 5))])
    assert torch.equal(both.metres, volumes.metres[:5])
    assert torch.equal(both.volume.curves, volumes.volume.curves[:5])
