from pathlib import Path

import numpy as np
import pytest

from services.speed.camera import PRESETS
from services.speed.render import render_clip
from services.speed.training.data import GAP_FRAMES, Clip, Pair, load_clip, load_clips, pairs_of, rendered, split
from tests.services.speed.drives import DRIVES, needs_drives

CAMERA = PRESETS["kitti"].scaled(310, 94)


def bare(count: int) -> Clip:
    """A clip of `count` empty frames at 10 frames a second and 1, 2, 3, ... m/s."""
    frames = np.zeros((count, 32, 64), np.uint8)
    return Clip("bare", frames, np.arange(count) * 0.1, np.arange(1.0, count + 1), CAMERA.scaled(64, 32))


def test_a_clip_is_read_with_its_truth(tmp_path: Path) -> None:
    truth = render_clip(tmp_path / "clip.mp4", seconds=0.5, fps=10, seed=0, camera=CAMERA)
    clip = load_clip(tmp_path / "clip.mp4", CAMERA)
    assert clip.frames.shape == (5, 94, 310)
    assert clip.speed_mps == pytest.approx(truth, abs=1e-4)


def test_frames_without_their_rows_are_refused(tmp_path: Path) -> None:
    render_clip(tmp_path / "clip.mp4", seconds=0.5, fps=10, seed=0, camera=CAMERA)
    table = tmp_path / "clip.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:-1]))
    with pytest.raises(ValueError, match="5 frames and its csv 4 rows"):
        load_clip(tmp_path / "clip.mp4", CAMERA)


def test_a_folder_without_clips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no train_\*\.mp4"):
        load_clips(tmp_path, "train_")


def test_distances_integrate_the_speed_over_each_pair() -> None:
    pairs = pairs_of(bare(5), (1, 3))
    spans = {(p.earlier, p.later): (p.seconds, p.metres) for p in pairs}
    assert spans[(0, 1)] == pytest.approx((0.1, 0.15))
    assert spans[(1, 4)] == pytest.approx((0.3, 0.1 * (2.5 + 3.5 + 4.5)))
    assert len(pairs) == 4 + 2


def test_rotations_of_longer_pairs_are_those_of_their_steps_in_turn(clips: list[Clip]) -> None:
    pairs = {(p.earlier, p.later): p.rotation for p in pairs_of(clips[1], (1, 2))}
    assert pairs[(3, 5)] == pytest.approx(pairs[(3, 4)] @ pairs[(4, 5)])


def test_rendered_clips_are_drawn_in_turn_and_know_their_planes() -> None:
    """More clips begin with the same ones."""
    one, two = rendered(1, 11, 3), rendered(2, 11, 3)
    assert [clip.name for clip in two] == ["rendered_0", "rendered_1"]
    assert np.array_equal(one[0].frames, two[0].frames)
    assert one[0].planes is not None
    assert len(one[0].planes) == len(one[0].time_s) == len(one[0].speed_mps) == 3
    pair = pairs_of(one[0], (1,))[-1]
    assert pair.plane == one[0].planes[2]
    assert abs(pair.plane.pitch_rad - one[0].camera.pitch_rad) < 0.05


def test_of_a_recorded_clip_the_plane_is_what_is_believed(clips: list[Clip]) -> None:
    pair = pairs_of(clips[1], (1,))[-1]
    assert pair.plane == pair.attitude


def test_held_out_block_keeps_its_distance_from_training() -> None:
    clip = bare(200)
    every = [Pair(clip, k, k + 2, np.eye(3), None, 0.2, 1.0) for k in range(198)]  # type: ignore[arg-type]
    training, held_out = split(every)
    inside = {f for p in held_out for f in (p.earlier, p.later)}
    outside = {f for p in training for f in (p.earlier, p.later)}
    assert min(inside) == 110
    assert max(inside) == 139
    assert min(abs(a - b) for a in inside for b in outside) > GAP_FRAMES
    assert len(training) > 130


@needs_drives
def test_training_and_validation_are_different_recordings() -> None:
    training, validation = load_clips(DRIVES, "train_"), load_clips(DRIVES, "val_")
    assert {clip.drive for clip in training} == {"odom03", "odom09"}
    assert sum(len(clip.frames) for clip in training) == 1040
    own = {frame.tobytes() for clip in training for frame in clip.frames}
    assert not any(frame.tobytes() in own for clip in validation for frame in clip.frames)
