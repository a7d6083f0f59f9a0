"""What is drawn, read back from the figures, and that the same answer makes the same bytes."""

import xml.etree.ElementTree as ET
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import linkage

from services.stats import trend
from services.stats.pictures.density import draw_density
from services.stats.pictures.fit import draw_fit, grid
from services.stats.pictures.rendering import PNG, SVG, render
from services.stats.pictures.tree import MOST_LEAVES, draw_tree
from services.stats.pictures.trend import MOST, draw_trends
from services.stats.prediction import Prediction
from shared.errors import NotAcceptable

RNG = np.random.default_rng(0)
X = np.array([1.0, 3.0, 2.0, np.nan, 6.0, 7.0, 9.0])


def trends() -> Figure:
    series = {"a": X, "short": np.array([1.0, np.nan])}
    return draw_trends(series, None, trend.mann_kendall(list(series.values())), confidence=0.95)


def fit() -> Figure:
    x = np.arange(5.0)
    at = grid(x)
    ci, pi = (np.column_stack([at - half, at + half]) for half in (0.1, 0.5))
    found = Prediction(y=at, se=at, ci=ci, pi=pi)
    return draw_fit((x, x), at, found, name="dose", confidence=0.9, said="R² = 1, n = 5")


def density() -> Figure:
    at = np.linspace(-3, 3, 50)
    bell = np.exp(-at * at / 2) / np.sqrt(2 * np.pi)
    return draw_density(RNG.normal(size=200), at, bell, name="speed", said="one component", parts=[bell])


def tree() -> Figure:
    points = np.array([[0.0], [1.0], [10.0], [11.5]])
    return draw_tree(linkage(points, "single"), list("abcd"), cut=5, said="single linkage", distance="metres")


def axes_of(figure: Figure) -> list[Axes]:
    return [each for each in figure.axes if each.get_visible()]


def test_the_same_picture_is_the_same_bytes() -> None:
    png, svg = (render(trends(), media_type) for media_type in (PNG, SVG))
    assert (render(trends(), PNG), render(trends(), SVG)) == (png, svg)
    assert ET.fromstring(svg).tag.endswith("svg")


@pytest.mark.parametrize("draw", [fit, density, tree])
def test_what_is_drawn_can_be_seen(draw: Callable[[], Figure]) -> None:
    pixels = cv2.imdecode(np.frombuffer(render(draw(), PNG), np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    assert pixels.shape[:2] == (810, 1440)
    assert np.mean(np.any(pixels != 255, axis=2)) > 0.02


def test_a_trend_is_drawn_where_it_is() -> None:
    first, second = axes_of(trends())
    points, line = first.get_lines()
    assert np.asarray(points.get_xdata()).tolist() == [0, 1, 2, 4, 5, 6]
    found = trend.mann_kendall([X])
    x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
    assert y == pytest.approx(found.intercept[0] + found.slope[0] * x)
    corners = first.collections[0].get_paths()[0].vertices
    low = found.slope_ci[0, 0]
    middle, pivot = np.median([0, 1, 2, 4, 5, 6]), np.median(X[~np.isnan(X)])
    assert [6.0, pytest.approx(pivot + low * (6 - middle))] in np.asarray(corners).tolist()
    assert "increasing" in first.get_title(loc="left")
    assert "too few values" in second.get_title(loc="left")
    assert len(second.get_lines()) == 1


def test_a_picture_has_room_for_so_many() -> None:
    series = {str(k): X for k in range(MOST + 1)}
    with pytest.raises(NotAcceptable, match="up to 12 series, these are 13"):
        draw_trends(series, None, trend.mann_kendall(list(series.values())), confidence=0.95)
    del series["0"]
    assert len(axes_of(draw_trends(series, None, trend.mann_kendall(list(series.values())), confidence=0.95))) == MOST


def test_axes_are_named() -> None:
    (axes,) = axes_of(fit())
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("dose", "y")
    legend = axes.get_legend()
    assert legend is not None
    assert [each.get_text() for each in legend.get_texts()] == [
        "90 %: a new point", "90 %: the mean", "points", "fit",
    ]  # fmt: skip
    (axes,) = axes_of(density())
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("speed", "density, a unit of speed")
    (axes,) = axes_of(tree())
    assert axes.get_ylabel() == "metres"
    assert [each.get_text() for each in axes.get_xticklabels()] == list("abcd")
    assert max(float(np.max(np.asarray(line.get_ydata()))) for line in axes.get_lines()[:3]) == 9


def test_a_large_tree_shows_its_last_merges() -> None:
    points = RNG.normal(size=(3000, 2))  # a chain as deep as single linkage makes it
    (axes,) = axes_of(draw_tree(linkage(points, "single"), [""] * 3000, cut=None, said="single", distance="d"))
    names = [each.get_text() for each in axes.get_xticklabels()]
    assert len(names) == MOST_LEAVES
    assert sum(int(name[1:-1]) if name.startswith("(") else 1 for name in names) == 3000


def test_words_of_clients_are_no_formulas() -> None:
    series = {"$\\frac{1}{": X}
    figure = draw_trends(series, None, trend.mann_kendall([X]), confidence=0.95)
    assert render(figure, PNG)
