"""Render a dash-cam video of a road, whose true speeds are known: `make clip.mp4`.

The truth is written beside it as `frame,time_s,speed_mps`.
"""

from pathlib import Path
from typing import Annotated

import typer

from services.speed.camera import PRESETS
from services.speed.render import render_clip

CAMERA = "kitti"
FPS = 10.0
SIZE = 620, 188
"""Width and height, in pixels."""


def main(
    file: Path,
    seconds: Annotated[float, typer.Option(min=1, max=120)] = 12.0,
    seed: int = 1,
    camera: Annotated[str, typer.Option(help="a preset: what the camera is, and how it sits")] = CAMERA,
) -> None:
    render(file, seconds, seed, camera)
    print(f"{file}: {seconds:g} s seen by the camera {camera!r}; the truth is in {file.with_suffix('.csv')}")


def render(path: Path, seconds: float, seed: int, camera: str) -> list[float]:
    """Write a clip and return its true speeds, metres a second, one a frame."""
    if camera not in PRESETS:
        raise SystemExit(f"No camera {camera!r}: there are {', '.join(PRESETS)}")
    view = PRESETS[camera].scaled(*SIZE)
    return [float(each) for each in render_clip(path, seconds=seconds, fps=FPS, seed=seed, camera=view)]


if __name__ == "__main__":
    typer.run(main)
