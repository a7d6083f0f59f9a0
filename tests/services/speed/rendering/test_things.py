import numpy as np
import pytest

from services.speed.rendering.things import NEAR_M, Floats, Panel, car_back, clipped, facade, foliage, paint, texture

MATRIX = np.array([[100.0, 0, 50], [0, 100.0, 30], [0, 0, 1]])
EYE = np.array([0.0, -1.5, 0.0])


def painted(panel: Panel) -> Floats:
    frame = np.zeros((60, 100), np.float32)
    paint(frame, panel, np.eye(3), EYE, MATRIX, 1.0)
    return frame


def test_a_panel_stands_where_it_is() -> None:
    """2 m wide and 1.5 m tall, 10 m ahead, its top at the height of the eye: rows 30 to 45, columns 40 to 60."""
    panel = Panel(np.array([-1.0, 0, 10]), np.array([1.0, 0, 10]), 1.5, texture(np.full((32, 32), 200.0)))
    rows, columns = np.nonzero(painted(panel) > 100)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx((30, 44.5, 40, 59.5), abs=1)


def test_what_lies_behind_is_not_drawn_and_what_passes_is_cut() -> None:
    look = texture(np.full((32, 32), 200.0))
    assert not painted(Panel(np.array([2.0, 0, -9]), np.array([2.0, 0, -1]), 2.0, look)).any()
    assert painted(Panel(np.array([2.0, 0, -9]), np.array([2.0, 0, 9]), 2.0, look))[:, 80:].any()


def test_clipping_keeps_the_texture_in_its_place() -> None:
    kept = clipped(np.array([2.0, 0, 0.0]), np.array([2.0, 0, 10.0]), (0.0, 1.0))
    assert kept is not None
    start, end, (first, last) = kept
    assert start[2] == NEAR_M
    assert end[2] == 10
    assert first == pytest.approx(NEAR_M / 10)
    assert last == 1.0


def test_textures_have_reductions_and_edges_one_sees_through() -> None:
    draw = np.random.default_rng(0)
    tree, house, car = foliage(draw, 60.0, wall=False), facade(draw), car_back(draw, 120.0)
    assert [level.shape[0] for level in tree] == [256, 128, 64, 32, 16, 8]
    assert tree[0][0, 0, 1] == 0
    assert tree[0][128, 128, 1] > 0
    assert (house[0][..., 1] == 1).all()
    assert car[0][0, 0, 1] == 0
