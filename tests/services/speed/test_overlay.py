"""A film holds every picture at its time, with the speed below and the road's rungs where the car has got to."""

import io
import tempfile
from collections.abc import Iterator

import av
import numpy as np
import pytest

from services.speed.camera import PRESETS, Attitude, ground_homography
from services.speed.canvas import Picture
from services.speed.overlay import ROAD, Overlay, Told, draw_film
from shared.errors import DeadlinePassed
from tests.services.speed import clips

FRAMES = 12


def told(width: int = 620, height: int = 188, speed: float = 9.0, attitude: Attitude | None = None) -> Told:
    camera = PRESETS["kitti"].scaled(width, height)
    time_s = np.arange(FRAMES) / 10 + np.where(np.arange(FRAMES) > 5, 0.25, 0)
    column = np.full(FRAMES, speed)
    raw = np.where(np.arange(FRAMES) == 0, np.nan, column)
    return Told(camera, time_s, column, column * 0.02, raw, [attitude] * FRAMES, [None] * FRAMES, "speed 1.0.0")


def grey(width: int = 620, height: int = 188) -> Picture:
    return np.full((height, width, 3), 90, np.uint8)


@pytest.mark.parametrize(
    ("size", "film"),
    [
        ((620, 188), (640, 306)),
        ((161, 97), (640, 498)),
        ((1920, 1080), (1280, 938)),
        ((641, 481), (640, 592)),
        ((1080, 1920), (720, 1402)),
        ((400, 1600), (640, 1392)),
        ((2000, 200), (1280, 346)),
    ],
)
def test_size(size: tuple[int, int], film: tuple[int, int]) -> None:
    """Even either way, wide enough to be read and not too wide to be coded."""
    overlay = Overlay(told(*size))
    assert overlay.draw(3, grey(*size)).shape == (overlay.height, overlay.width, 3)
    assert (overlay.width, overlay.height) == pytest.approx(film, abs=4)
    assert (overlay.width % 2, overlay.height % 2) == (0, 0)


@pytest.mark.parametrize("attitude", [None, Attitude(0.05), Attitude(0.02, 0.03, 0.02)])
def test_the_road_lies_where_the_camera_sees_it(attitude: Attitude | None) -> None:
    """The corner 18 m ahead and half a lane to the left, by the camera's own geometry."""
    shown = told(640, 480, attitude=attitude)
    drawn = Overlay(shown).draw(4, grey(640, 480))[:480].astype(int)
    green = drawn[:, :, 1] - drawn[:, :, 0] > 15
    homography = ground_homography(shown.camera, attitude or Attitude())
    x, y, w = homography @ [-1.75, 18.0, 1.0]
    rows, columns = np.nonzero(green)
    assert rows.min() == pytest.approx(y / w, abs=8)
    assert columns[rows <= rows.min() + 1].min() == pytest.approx(
        x / w, abs=40 if attitude and attitude.roll_rad else 3
    )


def test_a_camera_that_sees_no_road_draws_none() -> None:
    above = Overlay(told(640, 480, attitude=Attitude(1.5))).draw(4, grey(640, 480))[:480]
    ahead = Overlay(told(640, 480)).draw(4, grey(640, 480))[:480]
    assert np.ptp(above[240:], axis=(0, 1)).max() < np.ptp(ahead[240:], axis=(0, 1)).max()


def test_rungs_come_nearer_by_what_was_driven() -> None:
    """At 0 m/s they stand; at 9 m/s and 10 frames a second a rung is back in place after three metres, not before."""

    def road(speed: float, index: int) -> Picture:
        return Overlay(told(640, 480, speed)).draw(index, grey(640, 480))[:480]

    np.testing.assert_array_equal(road(0, 1), road(0, 4))
    assert (road(9, 1) != road(9, 2)).any()
    strong = (np.abs(road(9, 1).astype(int) - ROAD) < 20).all(axis=2).sum()
    assert strong > 300


def test_film() -> None:
    shown = told()
    asked: list[None] = []
    done: list[float] = []
    with tempfile.TemporaryFile(buffering=0) as file:
        pictures = ((float(t), grey()) for t in shown.time_s)
        draw_film(shown, pictures, 10.0, file, lambda: asked.append(None), done.append)
        file.seek(0)
        data = file.read()
    kinds = list(clips.boxes(data))
    assert kinds.index(b"moov") < kinds.index(b"mdat")
    with av.open(io.BytesIO(data), "r") as again:
        stream = again.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        frames = list(again.decode(stream))
    assert [frame.time for frame in frames] == pytest.approx(shown.time_s, abs=1e-4)
    assert np.abs(frames[5].to_ndarray(format="bgr24").astype(int) - Overlay(shown).draw(5, grey())).mean() < 4
    assert (len(asked), done[-1]) == (FRAMES, 1.0)


def test_a_film_that_is_stopped() -> None:
    def late() -> None:
        raise DeadlinePassed("late")

    shown = told()
    pictures: Iterator[tuple[float, Picture]] = ((float(t), grey()) for t in shown.time_s)
    with tempfile.TemporaryFile(buffering=0) as file, pytest.raises(DeadlinePassed):
        draw_film(shown, pictures, 10.0, file, late, lambda _: None)
