"""Videos that are no drive, or a drive that something happened to: seeded, small, with the truth where there is one."""

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from services.speed.camera import PRESETS
from services.speed.estimator import Frame
from services.speed.render import render_frames

CAMERA = PRESETS["kitti"].scaled(620, 188)
WIDTH, HEIGHT = CAMERA.width, CAMERA.height
Grey = NDArray[np.uint8]


def drive(speed_mps: ArrayLike, seed: int = 0, fps: float = 10.0) -> list[Grey]:
    speed = np.asarray(speed_mps, float)
    return list(render_frames(np.arange(len(speed)) / fps, speed, seed, CAMERA))


def frames(pictures: Sequence[Grey], fps: float = 10.0) -> list[Frame]:
    return [Frame(k / fps, grey) for k, grey in enumerate(pictures)]


def recompressed(grey: Grey, quality: int) -> Grey:
    _, data = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)


def grain(draw: np.random.Generator, height: int, width: int, size: float) -> NDArray[np.float32]:
    """A random texture of mean 0 and standard deviation 1."""
    texture = cv2.GaussianBlur(draw.standard_normal((height, width)).astype(np.float32), (0, 0), size)
    return np.asarray((texture - texture.mean()) / texture.std(), np.float32)


def lit(levels: NDArray[Any], draw: np.random.Generator, noise: float = 1.5) -> Grey:
    return np.clip(levels + noise * draw.standard_normal(levels.shape) + 0.5, 0, 255).astype(np.uint8)


def noise(count: int, seed: int) -> list[Grey]:
    draw = np.random.default_rng(seed)
    return [draw.integers(0, 256, (HEIGHT, WIDTH)).astype(np.uint8) for _ in range(count)]


def scrolling_text(count: int, seed: int, px: float = 9.0) -> list[Grey]:
    """The end of a film: lines that rise."""
    draw = np.random.default_rng(seed)
    page = np.full((HEIGHT + int(px * count) + 40, WIDTH), 12, np.uint8)
    for row in range(20, page.shape[0], 24):
        words = "".join(chr(draw.integers(97, 123)) if draw.random() > 0.2 else " " for _ in range(36))
        cv2.putText(page, words, (60, row), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 230, 1, cv2.LINE_AA)
    return [lit(page[(top := round(px * k)) : top + HEIGHT], draw) for k in range(count)]


def face(count: int, seed: int) -> list[Grey]:
    """A head that moves before a wall, seen by a camera on a desk."""
    draw = np.random.default_rng(seed)
    wall = 120 + 25 * grain(draw, HEIGHT, WIDTH, 3)
    skin = 170 + 12 * grain(draw, HEIGHT, WIDTH, 2)
    shown = []
    for k in range(count):
        picture = wall.copy()
        x, y = 310 + 30 * np.sin(0.9 * k), 100 + 12 * np.sin(1.3 * k)
        head = np.zeros_like(picture)
        cv2.ellipse(head, (int(x), int(y)), (60, 80), 6 * np.sin(k), 0, 360, 1.0, -1)
        shifted = cv2.warpAffine(
            skin, np.array([[1, 0, x - 310], [0, 1, y - 100]]), (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT
        )
        picture = np.where(head > 0, shifted, picture)
        for side in (-22, 22):
            cv2.circle(picture, (int(x) + side, int(y) - 20), 9, 40.0, -1)
        cv2.ellipse(picture, (int(x), int(y) + 35), (24, 4 + int(6 * abs(np.sin(2 * k)))), 0, 0, 360, 60.0, -1)
        shown.append(lit(picture, draw))
    return shown


def panned(count: int, seed: int, px: float = 14.0) -> list[Grey]:
    """A camera in a hand, swept over a street from one spot."""
    draw = np.random.default_rng(seed)
    wide = 110 + 30 * grain(draw, HEIGHT + 60, WIDTH + int(px * count) + 60, 3)
    shown = []
    for k in range(count):
        x, y = px * k + 6 * np.sin(1.7 * k), 30 + 8 * np.sin(2.3 * k)
        shown.append(lit(cv2.getRectSubPix(wide, (WIDTH, HEIGHT), (x + WIDTH / 2, y + HEIGHT / 2)), draw))
    return shown


def sky(count: int, seed: int) -> list[Grey]:
    """Clouds that drift and change."""
    draw = np.random.default_rng(seed)
    one, other = (grain(draw, HEIGHT + 50, WIDTH + 50, 18) for _ in range(2))
    return [
        lit(
            190 + 12 * (np.cos(k / 8) * one[:HEIGHT, k : k + WIDTH] + np.sin(k / 8) * other[k : k + HEIGHT, :WIDTH]),
            draw,
        )
        for k in range(count)
    ]


def animation(count: int, seed: int) -> list[Grey]:
    """Discs and boxes, each on its own way, before a gradient."""
    draw = np.random.default_rng(seed)
    places = draw.uniform([0, 0], [WIDTH, HEIGHT], (40, 2))
    ways = draw.normal(0, 9, (40, 2))
    sizes, levels = draw.integers(8, 34, 40), draw.uniform(0, 255, 40)
    shown = []
    for k in range(count):
        picture = np.tile(np.linspace(80, 160, WIDTH, dtype=np.float32), (HEIGHT, 1))
        for place, way, size, level in zip(places, ways, sizes, levels, strict=True):
            x, y = (int(v) for v in (place + k * way) % (WIDTH, HEIGHT))
            if size % 2:
                cv2.circle(picture, (x, y), int(size), float(level), -1, cv2.LINE_AA)
            else:
                cv2.rectangle(picture, (x, y), (x + int(size), y + int(size)), float(level), -1)
        shown.append(lit(picture, draw, 0.5))
    return shown


def train_window(count: int, seed: int) -> list[Grey]:
    """Fields that pass sideways, the near ones faster."""
    draw = np.random.default_rng(seed)
    land = 120 + 30 * grain(draw, HEIGHT, WIDTH + 60 * count, 3)
    px = 2 + 30 * (np.arange(HEIGHT) / HEIGHT) ** 2
    across, down = np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32))
    return [
        lit(cv2.remap(land, across + (k * px[:, None]).astype(np.float32), down, cv2.INTER_LINEAR), draw)
        for k in range(count)
    ]


NOT_A_DRIVE: dict[str, Callable[[int, int], list[Grey]]] = {
    "noise": noise,
    "scrolling text": scrolling_text,
    "face": face,
    "panned": panned,
    "sky": sky,
    "animation": animation,
    "train window": train_window,
}
"""By name: count of frames and seed to pictures."""


def traffic(background: list[Grey], seed: int, px: float = 17.0, tall: int = 150) -> list[Grey]:
    """A lorry that crosses before the camera, over the most of the picture."""
    draw = np.random.default_rng(seed)
    side = 130 + 35 * grain(draw, tall, 420, 3)
    shown = []
    for k, picture in enumerate(background):
        crossed = picture.copy()
        left = int(-200 + px * k)
        from_, to = max(0, left), min(WIDTH, left + 420)
        if from_ < to:
            crossed[HEIGHT - tall - 10 : HEIGHT - 10, from_:to] = lit(side[:, from_ - left : to - left], draw)
        shown.append(crossed)
    return shown
