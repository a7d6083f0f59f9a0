import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.speed.rendering.road import FLAT, Chart, Road, Shape, waves

BENT = Shape(
    np.array([[0.015, 80.0, 0.3], [0.004, 200.0, 1.0]]), np.array([[0.5, 150.0, 0.0]]), np.array([[0.02, 90.0, 2.0]])
)


def test_a_flat_road_runs_north() -> None:
    road = Road(FLAT, 50)
    assert road.point(30.0, 2.0) - road.point(0.0, 2.0) == pytest.approx([0, 0, 30], abs=1e-9)
    assert road.point(5.0, 2.0) - road.point(5.0, 0.0) == pytest.approx([2, 0, 0], abs=1e-9)


def test_a_circle_of_constant_curvature_closes() -> None:
    """Twice the radius lies between a point and the one half round."""
    radius = 40.0
    always = np.array([[1 / radius, 1e9, np.pi / 2]])
    road = Road(Shape(always, FLAT.height, FLAT.bank), np.pi * radius)
    across = road.point(np.pi * radius, 0.0) - road.point(0.0, 0.0)
    assert np.linalg.norm(across) == pytest.approx(2 * radius, rel=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 100), st.floats(-8, 8))
def test_the_place_of_a_point_leads_back_to_it(s: float, d: float) -> None:
    road = Road(BENT, 120)
    x, y, z = road.point(s, d)
    found = road.place(np.array([x]), np.array([z]), s)
    assert (found.s[0], found.d[0], found.down[0]) == pytest.approx((s, d, y), abs=0.02)


def test_hills_go_up_and_banks_fall_to_the_right() -> None:
    road = Road(Shape(FLAT.curvature, np.array([[1.0, 100.0, 0.0]]), np.array([[0.02, 1e9, np.pi / 2]])), 60)
    assert float(road.down_at(25.0, 0.0)) == pytest.approx(-1.0)
    assert float(road.down_at(0.0, 3.0)) == pytest.approx(0.06)


def test_charts_of_neighbouring_stretches_agree() -> None:
    """The grid is the world's, so that the road does not move when the next chart is drawn."""
    road = Road(BENT, 120)
    one, other = Chart.around(road, 0.0), Chart.around(road, 20.0)
    for x, z in np.rint(road.point(np.array([30.0, 60.0, 90.0]), 1.0))[:, [0, 2]]:
        places = [c.values[int(z - c.south), int(x - c.west)] + np.array([c.origin_s, 0, 0]) for c in (one, other)]
        assert places[0] == pytest.approx(places[1], abs=1e-3)


def test_waves_are_sums_of_sines() -> None:
    terms = np.array([[2.0, 40.0, 0.0], [1.0, 10.0, np.pi / 2]])
    assert float(waves(terms, 10.0)) == pytest.approx(2.0 + 1.0)
