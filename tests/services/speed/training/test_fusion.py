import pytest
import torch
from torch import Tensor

from services.speed.training.ensemble import Ensemble, mixture
from services.speed.training.examples import Examples
from services.speed.training.fusion import CELLS, PlaneNet, places, plane, together
from services.speed.training.network import BANDS, FINE_STEPS, LANES, TILT_UNIT, Volume


def volume(centres: Tensor, peak: float = 1.0, step: float = 0.02, width: float = 2.0) -> Volume:
    """Curves [N, cells, FINE_STEPS] that peak at `centres` [N, cells], in steps."""
    steps = torch.arange(FINE_STEPS) - FINE_STEPS // 2
    curves = torch.exp(-0.5 * ((steps - centres[..., None]) / width) ** 2)
    count = len(centres)
    return Volume(curves, torch.full((count, CELLS), 2.0), torch.full((count,), peak), torch.full((count,), step))


def tilted(metres: float, pitch: float, roll: float, peak: float = 1.0, step: float = 0.02) -> Tensor:
    """Where the cells of a road tilted so (rad, camera at 1 m) peak, in steps from `peak`, exact: [1, cells]."""
    ahead, lateral = places()
    down = 1 / ahead + pitch + 0 * lateral
    fall = 1 + roll * lateral / (1 + 0 * ahead)
    true_ahead = fall / down
    moved = fall / (true_ahead + metres)
    return ((1 / (moved - pitch) - ahead - peak) / step)[None]


def test_without_training_a_flat_road_is_read_to_a_millimetre() -> None:
    reading = PlaneNet().eval()(volume(torch.full((1, CELLS), 1.7)))
    assert reading.metres.item() == pytest.approx(1.034, abs=1e-3)
    assert reading.strayed.item() == 0


@pytest.mark.parametrize("pitch", [-0.006, 0.006])
def test_a_tilted_road_moves_as_far_as_the_car_does(pitch: float) -> None:
    """The cells of a road pitched by 0.006 rad under a camera at 1 m peak 7 to 20 % off; the plane's answer is within
    2.5 % (the prior holds it back, and the law is of first order), the pitch within a quarter."""
    centres = tilted(1.0, pitch, 0.0)
    assert (centres * 0.02).abs().max() > 0.15
    reading = PlaneNet().eval()(volume(centres))
    assert reading.metres.item() == pytest.approx(1.0, abs=0.025)
    assert reading.tilt[0, 0].item() * TILT_UNIT == pytest.approx(pitch, rel=0.25)


def test_a_rolled_road_tells_its_roll() -> None:
    reading = PlaneNet().eval()(volume(tilted(1.0, 0.0, 0.01)))
    assert reading.metres.item() == pytest.approx(1.0, abs=0.01)
    assert reading.tilt[0].tolist() == pytest.approx([0, 0.01 / TILT_UNIT], abs=0.25)


def test_cells_off_the_road_lose_their_say() -> None:
    """A car ahead that drives as fast as we do: its 6 cells do not move with the road's."""
    centres = torch.full((1, CELLS), 0.5)
    centres[0, 18:24] = -8.0
    reading = PlaneNet().eval()(volume(centres))
    assert reading.metres.item() == pytest.approx(1.01, abs=0.005)


def test_no_texture_gives_a_wide_sd() -> None:
    clear = volume(torch.zeros(1, CELLS))
    blank = clear._replace(curves=torch.zeros_like(clear.curves))
    net = PlaneNet().eval()
    assert net(blank).log_sd.item() > net(clear).log_sd.item() + 0.5


def test_the_plane_is_that_of_a_solver() -> None:
    """Normal equations by LAPACK, in double precision: single precision leaves 1e-4 of a step."""
    draw = torch.Generator().manual_seed(3)
    weight, moved = torch.rand(5, CELLS, generator=draw), torch.randn(5, CELLS, generator=draw)
    basis, rigid = torch.randn(5, 2, CELLS, generator=draw), torch.tensor([0.5, 2.0])
    found, variance = plane(weight, moved, basis, rigid)
    design = torch.cat([torch.ones(5, 1, CELLS), basis], dim=1).double()
    normal = (design * weight[:, None]) @ design.transpose(1, 2) + torch.diag(torch.tensor([1e-4, 0.5, 2.0]))
    right = (design * (weight * moved)[:, None]).sum(2)
    assert found == pytest.approx(torch.linalg.solve(normal, right).numpy(), abs=1e-4)
    assert variance == pytest.approx(torch.linalg.inv(normal).diagonal(dim1=1, dim2=2).numpy(), rel=1e-3)


def test_the_net_reads_every_place_by_the_same_law(volumes: Examples) -> None:
    """Cells of one band exchanged left and right: the same displacement, the roll of the other sign."""
    net = PlaneNet().eval()
    across = torch.arange(CELLS).reshape(BANDS, LANES).flip(1).flatten()
    curves, contrast = volumes.volume.curves[:, across], volumes.volume.contrast[:, across]
    flipped = volumes.volume._replace(curves=curves, contrast=contrast)
    one, other = net(volumes.volume), net(flipped)
    assert one.metres.detach() == pytest.approx(other.metres.detach().numpy(), abs=1e-4)
    assert one.tilt[:, 1].detach() == pytest.approx(-other.tilt[:, 1].detach().numpy(), abs=1e-2)


def test_nets_side_by_side_say_what_each_says_alone(volumes: Examples) -> None:
    nets = [PlaneNet().eval() for _ in range(3)]
    with torch.no_grad():
        for seed, net in enumerate(nets):
            draw = torch.Generator().manual_seed(seed)
            for weight in net.parameters():
                weight.add_(0.1 * torch.randn(weight.shape, generator=draw))
        said = together(nets, volumes.volume)
        for turn, net in enumerate(nets):
            for name, alone in net(volumes.volume)._asdict().items():
                assert getattr(said, name)[turn] == pytest.approx(alone.numpy(), rel=1e-4, abs=1e-4)
    assert (said.metres[0] - said.metres[1]).abs().max() > 1e-3


def test_a_mixture_has_the_members_mean_and_the_whole_variance() -> None:
    mean, log_sd = mixture(torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0], [2.0]]).exp().log())
    assert mean.item() == 2
    assert log_sd.exp().item() ** 2 == pytest.approx((1 + torch.tensor(4.0).exp().item()) / 2 + 1)


def test_an_ensemble_of_one_is_the_one(volumes: Examples) -> None:
    net = PlaneNet().eval()
    alone, mixed = net(volumes.volume), Ensemble([net, net], (2.0, 1.0)).eval()(volumes.volume)
    assert mixed.metres.detach() == pytest.approx(alone.metres.detach().numpy(), abs=1e-5)
    assert (mixed.log_sd - alone.log_sd).exp().detach() == pytest.approx(2.0, rel=1e-4)
