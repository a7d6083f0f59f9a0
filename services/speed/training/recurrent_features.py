"""What the recurrent head reads of a clip: a row a pair of frames, in order of time.

It comes from the correlation volume and the robust fit of the plane to it, which know no weights: a trained net would
know the drives that it learnt from by heart, and the head would trust it more than it deserves on others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from services.speed.training.augment import REACH_M
from services.speed.training.data import Clip, Pair, pairs_of
from services.speed.training.examples import Examples, prepare
from services.speed.training.fusion import PlaneNet
from services.speed.training.network import BANDS, LANES, Reading
from services.speed.training.recipe import Recipe

SKIPS = (1, 2, 3)
COLUMNS = ("features", "measured", "log_sd", "truth", "time_s")


@dataclass(frozen=True)
class Reel:
    """A clip, or every second or third frame of it: `features` [T, F], `measured` speed and the log of its standard
    deviation, `truth` at the later frame of each pair, in m/s, and that frame's time in s, [T] each."""

    name: str
    features: Tensor
    measured: Tensor
    log_sd: Tensor
    truth: Tensor
    time_s: Tensor

    def __len__(self) -> int:
        return len(self.truth)

    def at(self, rows: slice) -> "Reel":
        return replace(self, **{name: getattr(self, name)[rows] for name in COLUMNS})


def reels(clip: Clip, work: Path | None = None, skips: Sequence[int] = SKIPS) -> list[Reel]:
    """The clip as it is, then with every frame but the second left out, and so on: a car two and three times as fast,
    each from every first frame there is. Volumes are kept in `work`."""
    pairs = [pair for pair in pairs_of(clip, tuple(skips)) if abs(pair.metres) < REACH_M]
    found = []
    for skip in skips:
        for phase in range(skip):
            some = [p for p in pairs if p.later - p.earlier == skip and p.later % skip == phase]
            if some:
                found.append(reel(f"{clip.name}/{skip}", some, prepare(some, replace(Recipe(), variants=0), work)))
    return found


@torch.no_grad()
def reel(name: str, pairs: Sequence[Pair], found: Examples) -> Reel:
    reading: Reading = PlaneNet().eval()(found.volume)
    return Reel(
        name=name,
        features=features(found, reading),
        measured=reading.metres / found.seconds,
        log_sd=reading.log_sd + (found.volume.step / found.seconds).log(),
        truth=torch.tensor([pair.clip.speed_mps[pair.later] for pair in pairs], dtype=torch.float32),
        time_s=torch.tensor([pair.clip.time_s[pair.later] for pair in pairs], dtype=torch.float64),
    )


def features(found: Examples, reading: Reading) -> Tensor:
    """[N, F]: the mean curve, how well each band correlates and how much contrast it has, the tilts with their standard
    deviations, the speed, and the steps of distance and time."""
    volume = found.volume
    bands = volume.curves.amax(2).reshape(-1, BANDS, LANES).mean(2)
    contrast = volume.contrast.reshape(-1, BANDS, LANES).mean(2)
    sizes = torch.stack([reading.metres / found.seconds, volume.step.log(), found.seconds, reading.log_sd], dim=1)
    return torch.cat([volume.curves.mean(1), bands, contrast, reading.tilt, reading.tilt_log_sd, sizes], dim=1)
