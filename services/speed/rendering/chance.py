"""Scenes, cameras and drives drawn at random, wide enough that what is learnt on them holds on recorded roads."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.speed.camera import Camera
from services.speed.rendering.drive import Manner, Truth
from services.speed.rendering.furnish import Surroundings, furnish, panorama, traffic
from services.speed.rendering.ground import Ground, Look, surface
from services.speed.rendering.lens import Lens
from services.speed.rendering.road import Road, Shape
from services.speed.rendering.scene import Scene

Grey = NDArray[np.uint8]
Floats = NDArray[np.floating[Any]]

FASTEST_MPS = 36.0
SIZES = ((620, 188), (620, 188), (620, 188), (480, 270), (400, 300))
"""Width and height; as many pixels each, about."""
NEAREST_M = 6.3
STILL_SHARE, REVERSE_SHARE, STOP_SHARE = 0.05, 0.04, 0.15


@dataclass(frozen=True)
class Filmed:
    """A rendered drive: `frames` uint8 [T, H, W], `truth` of each of them, the nominal `camera`."""

    frames: NDArray[np.uint8]
    truth: list[Truth]
    camera: Camera


def random_clip(
    seed: int, length: int, fps: float = 10.0, size: tuple[int, int] | None = None, rough: float = 1.0
) -> Filmed:
    """A drive of `length` frames: scene, camera and speeds are drawn from the seed, the `size` too unless given.
    How high its hills are and how much the car sways is multiplied by `rough`."""
    draw = np.random.default_rng(seed)
    time = np.arange(length) / fps
    speed = random_speeds(draw, time)
    camera = random_camera(draw, size)
    scene = random_scene(draw, float(np.abs(np.diff(time) * speed[1:]).sum()), float(np.abs(speed).max()), rough)
    shots = list(scene.film(camera, time, speed, int(draw.integers(2**31))))
    return Filmed(np.stack([frame for frame, _ in shots]), [truth for _, truth in shots], camera)


def random_camera(draw: np.random.Generator, size: tuple[int, int] | None = None) -> Camera:
    """A camera of `size` (width, height) or any of SIZES: fields of view from 50 to 100 degrees, 1.1 to 2.2 m above the
    road, which it sees from NEAREST_M at the latest."""
    width, height = size or SIZES[int(draw.integers(len(SIZES)))]
    while True:
        focal = width / 2 / np.tan(np.radians(draw.uniform(50, 100)) / 2)
        across, down = width * draw.uniform(0.46, 0.54), height * draw.uniform(0.4, 0.58)
        above = draw.choice([draw.uniform(1.1, 2.2), draw.normal(1.6, 0.12)])
        pitch = float(np.clip(draw.normal(0, 0.03), -0.06, 0.12))
        lowest = np.arctan((height - down) / focal) + pitch
        if above < NEAREST_M * np.tan(lowest) and down - focal * np.tan(pitch) > 0.15 * height:
            return Camera(focal, across, down, above, pitch, width, height)


def random_speeds(draw: np.random.Generator, time_s: Floats) -> Floats:
    """Speeds [T] in m/s: steady ones, stops and starts, reversing, standing; at most some 3 m/s^2 of change."""
    kind = draw.random()
    if kind < STILL_SHARE:
        return np.zeros(len(time_s))
    if kind < STILL_SHARE + REVERSE_SHARE:
        return np.asarray(-draw.uniform(0.3, 2.2) * (1 + 0.2 * np.sin(2 * time_s)))
    if kind < STILL_SHARE + REVERSE_SHARE + STOP_SHARE:
        change, middle = draw.uniform(1, 3) * draw.choice([-1, 1]), draw.uniform(0.2, 0.8) * time_s[-1]
        return np.asarray(np.clip(change * (time_s - middle), 0, draw.uniform(3, 12)))
    top = draw.uniform(1, 16) if draw.random() < 0.65 else draw.uniform(10, FASTEST_MPS)
    swing = min(0.4 * top, 2.5 * 8 / (2 * np.pi))
    return np.maximum(0, top + swing * np.sin(2 * np.pi * (time_s / 8 + draw.random())))


def random_scene(draw: np.random.Generator, length_m: float, top_mps: float, rough: float = 1.0) -> Scene:
    """A scene `length_m` long whose bends suit the speed."""
    fast = top_mps > 17
    half = draw.uniform(3.4, 6.5) if fast else draw.uniform(2.6, 4.5)
    lane = half * draw.uniform(0.35, 0.6) * draw.choice([1, 1, 1, -1])
    road = Road(_shape(draw, top_mps, rough), length_m)
    look = _look(draw, half, fast)
    tone = draw.uniform(35, 90)
    around = Surroundings(
        houses=0.0 if fast else draw.uniform(0, 0.6),
        walls=draw.uniform(0, 0.8),
        trees=draw.uniform(0, 8),
        posts=draw.uniform(0.5, 5),
        parked=0 if fast else draw.choice([0, 0, 1, 3]),
        rail=fast and draw.random() < 0.5,
        nearest_m=half + draw.uniform(0.8, 3.5),
        tone=tone,
    )
    dusk = draw.random() < 0.08
    shadow = np.array([[draw.uniform(0.1, 0.5), 1], [draw.uniform(0.5, 0.9), 1], [0.7, 0.85], [0.35, 0.85]])
    return Scene(
        road,
        Ground(surface(look, draw)),
        _manner(draw, lane, rough),
        _lens(draw, look.base, dusk),
        furnish(road, around, draw),
        panorama(draw, draw.uniform(60, 120) if dusk else draw.uniform(170, 330), tone),
        traffic(draw, lane, int(draw.choice([0, 0, 1, 3])), draw.random() < 0.25),
        wet=draw.uniform(0.1, 0.5) if draw.random() < 0.08 else 0.0,
        own_shadow=shadow if draw.random() < 0.08 else None,
        sun=0.45 if dusk else 1.0,
    )


def _sines(draw: np.random.Generator, *terms: tuple[float, float, float]) -> Floats:
    """Rows of amplitude (a normal draw), wavelength or period (log uniform between two) and phase."""
    rows = [
        (sd * draw.standard_normal(), np.exp(draw.uniform(*np.log([low, high]))), draw.uniform(0, 2 * np.pi))
        for sd, low, high in terms
    ]
    return np.array(rows)


def _shape(draw: np.random.Generator, top_mps: float, rough: float) -> Shape:
    bend = min(0.02, 2.0 / max(top_mps, 3) ** 2) * draw.choice([0.05, 0.5, 1.0])
    hilly = rough * draw.choice([0.0, 0.5, 1.0])
    return Shape(
        _sines(draw, (bend, 60, 300), (0.4 * bend, 40, 120)),
        _sines(draw, (0.25 * hilly, 150, 500), (0.007 * hilly, 30, 80)),
        _sines(draw, (0.015, 60, 300)),
    )


def _look(draw: np.random.Generator, half: float, fast: bool) -> Look:
    plain = draw.random() < (0.3 if fast else 0.15)
    strength = draw.uniform(0.25, 0.6) if plain else draw.uniform(0.6, 2.0)
    return Look(
        half_width_m=half,
        base=draw.uniform(45, 170),
        grain=10 * strength,
        blotches=7 * strength * draw.uniform(0.3, 1.6),
        streaks=8 * strength * draw.random(),
        patches=0 if plain else int(draw.integers(0, 6)),
        cracks=0 if plain else int(draw.integers(0, 12)),
        tar_lines=int(draw.integers(0, 3)),
        covers=0 if fast else int(draw.integers(0, 4)),
        cobbles=not fast and draw.random() < 0.08,
        centre=str(draw.choice(["dashed", "long", "solid", "none", "none", "short"])),
        edges=str(draw.choice(["solid", "none", "none", "short", "dashed"])),
        arrows=int(draw.integers(0, 3)),
        mark=draw.uniform(140, 255),
        wear=draw.uniform(0.05, 0.5),
        kerb=not fast and draw.random() < 0.7,
        pavement_m=0.0 if fast or draw.random() < 0.4 else draw.uniform(1, 2.5),
        verge=draw.uniform(45, 130),
        shade=draw.uniform(0.3, 0.8) if draw.random() < 0.4 else 0.0,
        shade_m=draw.uniform(0.2, 1.5),
        bars=int(draw.choice([0, 0, 2, 5])),
    )


def _manner(draw: np.random.Generator, lane_m: float, rough: float) -> Manner:
    rough = rough * draw.choice([0.3, 0.6, 1.5])
    return Manner(
        lane_m, (draw.uniform(0, 0.25), draw.uniform(60, 150), draw.uniform(0, 6)), draw.uniform(0, 0.006),
        _sines(draw, (0.002 * rough, 0.5, 1.0), (0.003 * rough, 0.8, 2.5)), _sines(draw, (0.004 * rough, 0.7, 2.5)),
        _sines(draw, (0.008 * rough, 0.5, 1.5)), draw.normal(0, 0.012),
    )  # fmt: skip


def _lens(draw: np.random.Generator, base: float, dusk: bool) -> Lens:
    low_sun = draw.random() < 0.1
    return Lens(
        gain=draw.uniform(60, 175) / base, gamma=draw.uniform(0.8, 1.5), offset=draw.uniform(-8, 12),
        vignette=draw.uniform(0, 0.5), glare=draw.uniform(30, 150) if low_sun else 0.0,
        sun=(draw.uniform(0, 1), draw.uniform(-0.2, 0.4)), blur_px=draw.uniform(0.2, 0.8),
        noise=np.exp(draw.uniform(*np.log([0.25, 2.0]))) * (1.5 if dusk else 1), quality=int(draw.integers(55, 98)),
        exposure_s=draw.uniform(0.0005, 0.008) * (2 if dusk else 1),
    )  # fmt: skip
