from dataclasses import replace

import numpy as np
import pytest

from services.speed.rendering.ground import COLUMNS, ROWS, TEXEL_M, Floats, Ground, Look, surface

PLAIN = Look(
    grain=0, blotches=0, streaks=0, patches=0, cracks=0, tar_lines=0, covers=0, centre="none", edges="none", arrows=0,
    kerb=False, pavement_m=0, wear=0,
)  # fmt: skip


def made(look: Look, seed: int = 0) -> Floats:
    return surface(look, np.random.default_rng(seed))


def at(texture: Floats, d: float) -> Floats:
    """The column that lies `d` metres right of the centre line."""
    return texture[:, round(COLUMNS / 2 + d / TEXEL_M)]


def test_a_plain_road_has_no_texture_and_its_verge_has() -> None:
    texture = made(PLAIN)
    assert (at(texture, 1.0) == PLAIN.base).all()
    assert at(texture, 8.0).std() > 10


def test_a_dashed_line_is_there_a_third_of_the_way() -> None:
    texture = made(replace(PLAIN, centre="dashed", mark=220))
    assert (at(texture, 0.0) > 200).mean() == pytest.approx(1 / 3, abs=0.03)
    assert (at(texture, 1.0) == PLAIN.base).all()


@pytest.mark.parametrize(
    "change",
    [{"grain": 10}, {"blotches": 8}, {"streaks": 8}, {"patches": 4}, {"cracks": 9}, {"tar_lines": 6}, {"covers": 5},
     {"cobbles": True}, {"arrows": 5}, {"shade": 0.6}, {"bars": 5}],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_each_kind_of_texture_shows(change: dict[str, float]) -> None:
    road = made(replace(PLAIN, **change))[:, COLUMNS // 2 - 130 : COLUMNS // 2 + 130]  # type: ignore[arg-type]
    assert road.std() > 0.5
    assert road.min() >= 0
    assert road.max() <= 255


def test_the_same_seed_makes_the_same_ground() -> None:
    look = Look(shade=0.4, bars=2)
    assert np.array_equal(made(look, 3), made(look, 3))
    assert not np.array_equal(made(look, 3), made(look, 4))


def test_looking_up_between_texels_is_linear_and_periodic_along_the_road() -> None:
    ground = Ground(np.add.outer(np.zeros(ROWS), np.arange(COLUMNS) / 8).astype(np.float32))
    d = np.linspace(-5, 5, 11, dtype=np.float32)[None].repeat(2, 0)
    s = np.full_like(d, 3.0)
    seen = ground.look_up(s, d, np.full(2, TEXEL_M))
    assert seen[0] == pytest.approx((d[0] / TEXEL_M + COLUMNS / 2 - 0.5) / 8, abs=0.01)
    assert ground.look_up(s + ROWS * TEXEL_M, d, np.full(2, TEXEL_M)) == pytest.approx(seen, abs=0.01)


def test_a_wide_footprint_averages_along_the_road_and_keeps_lines() -> None:
    look = replace(PLAIN, grain=20, centre="solid", mark=220)
    ground = Ground(made(look))
    s = np.linspace(0, 50, 40, dtype=np.float32)[:, None].repeat(3, 1)
    d = np.array([[0.0, 1.0, 2.0]], np.float32).repeat(40, 0)
    near, far = (ground.look_up(s, d, np.full(40, metres)) for metres in (0.03, 0.5))
    assert far[:, 1].std() < 0.4 * near[:, 1].std()
    assert far[:, 0].mean() - far[:, 1].mean() > 80
