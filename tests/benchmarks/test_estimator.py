from pathlib import Path

from benchmarks.estimator import frame_ms
from benchmarks.inputs import dashcam


def test_a_frame_takes_time(tmp_path: Path) -> None:
    clip = dashcam(tmp_path, seconds=0.5)
    assert len(clip.pictures) == 10
    assert 0.5 < frame_ms(clip.video, clip.camera, 0.0) < 1000
