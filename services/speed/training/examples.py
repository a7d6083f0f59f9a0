"""What the net learns from: correlation volumes of pairs of frames, computed once, and the truths that go with them."""

import hashlib
import inspect
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from services.speed.training import augment, network
from services.speed.training.augment import REACH_M, Sample, plain, varied
from services.speed.training.data import Pair
from services.speed.training.network import TILT_UNIT, GroundCorrelation, Volume, camera_height
from services.speed.training.recipe import Recipe


@dataclass(frozen=True)
class Examples:
    """Volumes and what the net should read from them: `metres` and `seconds` [N], `tilt` [N, 2] in TILT_UNIT."""

    volume: Volume
    metres: Tensor
    seconds: Tensor
    tilt: Tensor

    def __len__(self) -> int:
        return len(self.metres)

    @property
    def cells(self) -> int:
        return self.volume.curves.shape[1]

    def at(self, index: Tensor) -> "Examples":
        volume = Volume(*(part[index] for part in self.volume))
        return Examples(volume, self.metres[index], self.seconds[index], self.tilt[index])

    def to(self, device: torch.device) -> "Examples":
        volume = Volume(*(part.to(device) for part in self.volume))
        return Examples(volume, self.metres.to(device), self.seconds.to(device), self.tilt.to(device))

    def blotted(self, seen: Tensor) -> "Examples":
        """Without the correlation of the cells that are not `seen` [N, cells]."""
        return replace(self, volume=self.volume._replace(curves=self.volume.curves * seen[..., None]))


def feeds(samples: Sequence[Sample]) -> tuple[Tensor, ...]:
    """The graph's inputs for samples of one resolution."""
    columns = ("previous", "current", "previous_homography", "current_homography", "seconds")
    return tuple(
        torch.from_numpy(np.stack([np.asarray(getattr(s, column)) for s in samples])).to(
            torch.uint8 if column in ("previous", "current") else torch.float32
        )
        for column in columns
    )


@torch.no_grad()
def examples(samples: Sequence[Sample], chunk: int = 16) -> Examples:
    """Runs the samples through the correlation."""
    correlation = GroundCorrelation().eval()
    volumes = [correlation(*feeds(samples[i : i + chunk])[:4]) for i in range(0, len(samples), chunk)]
    volume = Volume(*(torch.cat(parts) for parts in zip(*volumes, strict=True)))
    metres, seconds = (torch.tensor([getattr(s, name) for s in samples]) for name in ("metres", "seconds"))
    tilt = torch.tensor([s.tilt for s in samples]).float()
    tilt = tilt / camera_height(torch.from_numpy(np.stack([s.current_homography for s in samples])))[:, None]
    return Examples(volume, metres.float(), seconds.float(), tilt / TILT_UNIT)


def joined(parts: Sequence[Examples]) -> Examples:
    volume = Volume(*(torch.cat(each) for each in zip(*(p.volume for p in parts), strict=True)))
    rest = (torch.cat([getattr(p, name) for p in parts]) for name in ("metres", "seconds", "tilt"))
    return Examples(volume, *rest)


def prepare(pairs: Sequence[Pair], recipe: Recipe, cache: Path | None = None) -> Examples:
    """`variants` random variants and the plain form of every pair within reach, read from `cache` where they were made
    before."""
    pairs = [pair for pair in pairs if abs(pair.metres) < REACH_M]
    if not pairs:
        raise ValueError("no pair of frames to learn from: clips are too short, or faster than the search reaches")
    file = cache / f"{_fingerprint(pairs, recipe)}.pt" if cache else None
    if file and file.is_file():
        return examples_from(torch.load(file, weights_only=True))
    draw = np.random.default_rng(recipe.seed)
    parts = []
    for start in tqdm(range(0, len(pairs), 16), desc="correlating", leave=False):
        some = pairs[start : start + 16]
        drawn = [plain(p) for p in some] + [varied(p, draw) for p in some for _ in range(recipe.variants)]
        for shape in {s.current.shape for s in drawn}:
            parts.append(examples([s for s in drawn if s.current.shape == shape]))
    made = joined(parts)
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        written = file.with_suffix(f".{os.getpid()}")
        torch.save((tuple(made.volume), made.metres, made.seconds, made.tilt), written)
        written.replace(file)
    return made


def _fingerprint(pairs: Sequence[Pair], recipe: Recipe) -> str:
    """Of all that the examples of the pairs depend on, the code that makes them included."""
    seen = hashlib.sha256(repr((recipe.seed, recipe.variants)).encode())
    for module in (augment, network):
        seen.update(inspect.getsource(module).encode())
    for clip in {id(pair.clip): pair.clip for pair in pairs}.values():
        seen.update(f"{clip.name} {clip.camera} {zlib.crc32(clip.frames.tobytes())}".encode())
    for pair in pairs:
        told = (pair.clip.name, pair.earlier, pair.later, pair.attitude, pair.plane, pair.seconds, pair.metres)
        seen.update(repr(told).encode() + pair.rotation.tobytes())
    return seen.hexdigest()[:16]


def examples_from(stored: tuple[tuple[Tensor, ...], Tensor, Tensor, Tensor]) -> Examples:
    return Examples(Volume(*stored[0]), *stored[1:])
