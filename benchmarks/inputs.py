"""What the main calls are measured on: drawn or rendered for the run, always the same."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmarks import expected
from benchmarks.checks import Check
from benchmarks.forms import BOUNDARY, multipart

FPS, WIDTH, HEIGHT = 10.0, 620, 188
ANEW = {"Cache-Control": "no-store"}
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
SPOKEN = (
    "the road was wet and we drove slowly home through rain while nobody said a word about it all evening because "
    "every street light had failed near our old bridge where three buses waited for their drivers to return with news"
)


@dataclass(frozen=True)
class Call:
    """One main call. `work` names the loop in `benchmarks.library` that does the same `units` of work without HTTP on
    the same `file`."""

    work: str
    what: str
    units: int
    path: str
    headers: dict[str, str]
    file: Path
    check: Check
    goal: float | None = None


def calls(folder: Path) -> Iterator[Call]:
    yield from videos_and_images(folder)
    draw = np.random.default_rng(1)
    texts = [sentence(draw, 5, 30) for _ in range(500)]
    embedded = {"input": texts[:64], "model": "text-embedding", "encoding_format": "base64"}
    clustered = {"texts": texts[:200], "k": 10, "projection": None, "seed": 0}
    rows = np.round(draw.normal(size=(4, 5000)), 4)
    fitted = {"x": rows[:3].tolist(), "y": rows[3].tolist()}
    series = {f"s{index}": np.round(draw.normal(size=365), 4).tolist() for index in range(100)}
    columns = {f"c{index}": np.round(draw.normal(size=5000), 4).tolist() for index in range(10)}

    def posted(
        work: str, path: str, what: str, units: int, content: Any, check: Check, goal: float | None = None
    ) -> Call:
        return Call(work, what, units, path, {**JSON, **ANEW}, written(folder / f"{work}.json", content), check, goal)

    yield posted("sentences", "/v1/embeddings", "sentences", 64, embedded, expected.embeddings(texts[:64]), 0.9)
    grouped = expected.length("labels", 200)
    yield posted("cluster", "/v1/text/cluster", "texts clustered", 200, clustered, grouped)
    scored = expected.length("scores", 500)
    yield posted("information", "/v1/text/information", "texts scored", 500, {"texts": texts}, scored)
    regressed = expected.regression(fitted)
    yield posted("regression", "/v1/stats/regression", "rows regressed on 3 columns", 5000, fitted, regressed)
    tested = expected.length("p", 100)
    yield posted("series", "/v1/stats/trend", "series of 365 tested for a trend", 100, {"series": series}, tested)
    varied = expected.covariance(columns)
    yield posted("covariance", "/v1/stats/covariance", "rows of 10 columns", 5000, {"columns": columns}, varied)


def sentence(draw: np.random.Generator, least: int, most: int) -> str:
    """So many words, drawn."""
    return " ".join(draw.choice(SPOKEN.split(), draw.integers(least, most + 1)))


def written(path: Path, content: Any) -> Path:
    path.write_bytes(orjson.dumps(content))
    return path


def videos_and_images(folder: Path) -> Iterator[Call]:
    """A rendered clip, as a video and as a form of JPEG images."""
    clip, pictures = rendered(folder)
    count = len(pictures)
    headers = {"Content-Type": "video/mp4", **ANEW}
    check = expected.speeds(count)
    yield Call("frames", "frames of a video", count, "/v1/speed/video?camera=kitti", headers, clip, check, 0.95)
    form = folder / "images.form"
    form.write_bytes(multipart(pictures))
    path = f"/v1/speed/frames?camera=kitti&fps={FPS:g}"
    yield Call("images", "frames sent as JPEG", count, path, {**FORM, **ANEW}, form, check, 0.95)


def rendered(folder: Path) -> tuple[Path, list[bytes]]:
    """Four seconds of road as a video, and its frames as JPEG images."""
    from services.speed.camera import PRESETS
    from services.speed.render import render_clip

    clip = folder / "frames.mp4"
    if not clip.exists():
        render_clip(clip, seconds=4.0, fps=FPS, seed=1, camera=PRESETS["kitti"].scaled(WIDTH, HEIGHT))
    return clip, jpegs(clip)


def jpegs(clip: Path) -> list[bytes]:
    """A video's frames as JPEG images."""
    import cv2

    video = cv2.VideoCapture(str(clip))
    pictures = []
    while (read := video.read())[0]:
        pictures.append(cv2.imencode(".jpg", read[1])[1].tobytes())
    video.release()
    return pictures


@dataclass(frozen=True)
class Dashcam:
    """Ten seconds of road as a video, and its frames as JPEG images; `camera` is a preset."""

    camera: str
    fps: float
    width: int
    height: int
    video: Path
    pictures: list[bytes]


def dashcam(folder: Path, seconds: float = 10.0) -> Dashcam:
    """As a dash-cam has them: 20 frames of 640 x 480 a second."""
    return driven(folder, "comma-eon", 20.0, (640, 480), seconds)


def survey(folder: Path, seconds: float = 10.0) -> Dashcam:
    """As the recorded drives have them that the model was trained on: 10 frames of 620 x 188 a second."""
    return driven(folder, "kitti", FPS, (WIDTH, HEIGHT), seconds)


def driven(folder: Path, preset: str, fps: float, size: tuple[int, int], seconds: float) -> Dashcam:
    from services.speed.camera import PRESETS
    from services.speed.render import render_clip

    path = folder / f"{preset}.mp4"
    render_clip(path, seconds=seconds, fps=fps, seed=2, camera=PRESETS[preset].scaled(*size))
    return Dashcam(preset, fps, *size, path, jpegs(path))
