import numpy as np
import pytest

from services.speed.camera import Camera
from services.speed.render import render_frames
from services.speed.tracks import FEATURES, corners, track

CAMERA = Camera(360.0, 310.0, 94.0, 1.65, 0.0, 620, 188)
LARGE = Camera(500.0, 320.0, 240.0, 1.2, 0.0, 640, 480)


@pytest.mark.parametrize("camera", [CAMERA, LARGE])
def test_tracks_follow_a_shift(camera: Camera) -> None:
    frame = next(iter(render_frames(np.zeros(1), np.zeros(1), 5, camera)))
    before, after = track(frame, np.roll(frame, (2, 3), (0, 1)))
    assert len(before) > 100
    assert np.median(after - before, axis=0) == pytest.approx([3, 2], abs=0.05)


@pytest.mark.parametrize("size", [(188, 620), (480, 640), (481, 641)])
def test_corners_are_apart_and_not_too_many(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    found = corners(noise)[:, 0]
    apart = np.linalg.norm(found[:, None] - found[None], axis=2) + 1e3 * np.eye(len(found))
    assert 100 < len(found) <= FEATURES
    assert apart.min() >= size[1] / 80
    assert (found <= np.array(size[::-1]) - 1).all()


def test_corners_of_a_large_frame_lie_where_its_marks_are() -> None:
    """Looked for at half the size, they are given in the frame's own pixels, a pixel's centre being whole."""
    frame = np.zeros((480, 640), np.uint8)
    middles = [(x, y) for x in range(60, 600, 60) for y in range(60, 440, 60)]
    for x, y in middles:
        frame[y - 1 : y + 3, x - 1 : x + 3] = 255  # 4 by 4 pixels around (x + 0.5, y + 0.5)
    found = corners(frame)[:, 0]
    assert len(found) == len(middles)
    marks = np.array(sorted(middles)) + 0.5
    assert np.abs(found[np.lexsort(found.T[::-1])] - marks).max() <= 1.0


def test_a_blank_picture_has_no_tracks() -> None:
    blank = np.zeros((188, 620), np.uint8)
    assert [part.shape for part in track(blank, blank)] == [(0, 2), (0, 2)]
