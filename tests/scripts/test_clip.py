import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from scripts.clip import render
from tests.processes import ROOT


def test_a_clip_and_its_truth_are_written(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    command = [sys.executable, "-m", "scripts.clip", str(clip), "--seconds", "2"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert "clip.csv" in done.stdout
    truth = (tmp_path / "clip.csv").read_text().splitlines()
    assert truth[0] == "frame,time_s,speed_mps"
    video = cv2.VideoCapture(str(clip))
    assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == len(truth) - 1 == 20
    video.release()


def test_an_unknown_camera_is_refused_by_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="kitti"):
        render(tmp_path / "clip.mp4", 1.0, 1, "nokia")
