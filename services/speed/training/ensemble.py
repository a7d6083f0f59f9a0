"""Several nets as one: the mean and the variance of the mixture of what they say."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from services.speed.training.fusion import PlaneNet, together
from services.speed.training.network import Reading, Volume


class Ensemble(nn.Module):
    """Volume -> Reading. The variance is the members' own mean one and that of their means. `temperature` [2]
    multiplies the standard deviations of the displacement and of the tilts."""

    temperature: Tensor

    def __init__(self, members: Sequence[PlaneNet], temperature: Sequence[float] = (1.0, 1.0)) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("temperature", torch.tensor(temperature))

    def forward(self, volume: Volume) -> Reading:
        said = together([cast(PlaneNet, each) for each in self.members], volume)
        mean, log_sd = mixture((said.metres - volume.peak) / volume.step, said.log_sd)
        tilt, tilt_log_sd = mixture(said.tilt, said.tilt_log_sd)
        warmth = self.temperature.log()
        return Reading(
            metres=volume.peak + volume.step * mean,
            log_sd=log_sd + warmth[0],
            tilt=tilt,
            tilt_log_sd=tilt_log_sd + warmth[1],
            strayed=said.strayed.mean(0),
        )


def mixture(means: Tensor, log_sds: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log standard deviation over the first dimension."""
    mean = means.mean(0)
    variance = ((2 * log_sds).exp() + (means - mean) ** 2).mean(0)
    return mean, 0.5 * variance.log()
