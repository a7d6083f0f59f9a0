import numpy as np
import pytest

from services.speed.camera import Camera
from services.speed.render import render_frames
from services.speed.tracks import FEATURES, corners, track

CAMERA = Camera(360.0, 310.0, 94.0, 1.65, 0.0, 620, 188)


def test_tracks_follow_a_shift() -> None:
    frame = next(iter(render_frames(np.zeros(1), np.zeros(1), 5, CAMERA)))
    before, after = track(frame, np.roll(frame, (2, 3), (0, 1)))
    assert len(before) > 100
    assert np.median(after - before, axis=0) == pytest.approx([3, 2], abs=0.05)


def test_corners_are_apart_and_not_too_many() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (188, 620), np.uint8)
    found = corners(noise)[:, 0]
    apart = np.linalg.norm(found[:, None] - found[None], axis=2) + 1e3 * np.eye(len(found))
    assert 100 < len(found) <= FEATURES
    assert apart.min() >= 620 / 80


def test_a_blank_picture_has_no_tracks() -> None:
    blank = np.zeros((188, 620), np.uint8)
    assert [part.shape for part in track(blank, blank)] == [(0, 2), (0, 2)]
