"""The plot shows what it is given: read back off its pixels."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from services.speed.canvas import Axes, highest, lowest, runs, ticks
from services.speed.plot import BOX, GAP, LINE, RAW, SIZE, draw_plot, png

TIME = np.arange(200) / 10
SPEED = 8 + 3 * np.sin(TIME / 3)
SD = np.full(200, 0.3)


def rows_of(picture: NDArray[np.uint8], colour: tuple[int, int, int], column: int) -> NDArray[np.int64]:
    return np.flatnonzero((np.abs(picture[:, column].astype(int) - colour) < 4).all(axis=1))


def test_the_line_is_where_the_speeds_are() -> None:
    picture = draw_plot(TIME, SPEED, SD, np.full(200, np.nan), "title")
    assert picture.shape == (SIZE[1], SIZE[0], 3)
    axes = Axes(BOX, (TIME[0], TIME[-1]), (0, highest(SPEED, SD)))
    for index in (20, 90, 170):
        rows = rows_of(picture[BOX[1] : BOX[3]], LINE, round(axes.x(TIME[index]))) + BOX[1]
        assert np.mean(rows) == pytest.approx(axes.y(SPEED[index]), abs=2)


def test_a_gap_is_shaded_and_what_was_measured_is_dotted() -> None:
    raw = SPEED.copy()
    raw[0] = np.nan
    raw[80:120] = np.nan
    picture = draw_plot(TIME, SPEED, SD, raw, "title")
    axes = Axes(BOX, (TIME[0], TIME[-1]), (0, highest(SPEED, SD)))
    assert len(rows_of(picture, GAP, round(axes.x(9.5)))) > 100
    assert len(rows_of(picture[: BOX[3]], GAP, round(axes.x(5.3)))) == 0
    whole = draw_plot(TIME, SPEED, SD, np.where(np.arange(200) == 0, np.nan, SPEED), "title")
    dots = [(np.abs(each[: BOX[3]].astype(int) - RAW) < 30).all(axis=2).sum() for each in (picture, whole)]
    assert 0.6 < dots[0] / dots[1] < 0.95


def test_nothing_measured_and_a_reversing_car_can_be_drawn() -> None:
    nothing = np.full(200, np.nan)
    drawn = [
        draw_plot(TIME, nothing, nothing, nothing, "title"),
        draw_plot(TIME, SPEED - 12, SD, SPEED - 12, "title"),
        draw_plot(TIME[:2], SPEED[:2] * 0, SD[:2] * 0, nothing[:2], "title"),
    ]
    assert [picture.shape[1::-1] for picture in drawn] == [SIZE] * 3
    assert not np.array_equal(drawn[0], drawn[1])


def test_png() -> None:
    picture = draw_plot(TIME, SPEED, SD, SPEED, "title")
    again = Image.open(io.BytesIO(png(picture)))
    assert (again.format, again.size) == ("PNG", SIZE)
    np.testing.assert_array_equal(np.asarray(again)[:, :, ::-1], picture)


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (0, 10, 8, [0, 2, 4, 6, 8, 10]),
        (0, 1, 4, [0, 0.5, 1]),
        (3, 47, 5, [10, 20, 30, 40]),
        (-4, 4, 6, [-4, -2, 0, 2, 4]),
    ],
)
def test_ticks_are_round(low: float, high: float, most: int, expected: list[float]) -> None:
    assert ticks(low, high, most).tolist() == pytest.approx(expected)


def test_the_axis_holds_the_speeds() -> None:
    for top in (0.01, 0.7, 3.0, 14.9, 33.3, 250.0):
        high = highest(np.array([0, top]), np.array([0.1, 0.1]))
        assert top < high <= max(2 * top, 2.5)
    assert lowest(np.array([0.5, 3]), 10) == 0
    assert lowest(np.array([-2.5, 3]), 10) == -4


def test_runs() -> None:
    assert runs(np.array([True, True, False, True])) == [slice(0, 2), slice(3, 4)]
    assert runs(np.array([False])) == []
