"""`make demo FILE=...` at a Vernier that runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT, clean_environment

pytestmark = pytest.mark.e2e


def demo(vernier: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scripts.demo", *arguments]
    env = {**clean_environment(), "VERNIER_URL": vernier, "COLUMNS": "100"}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def test_a_file_is_measured_and_the_second_time_remembered(
    vernier: str, clip: tuple[Path, list[float], dict[str, float]]
) -> None:
    path, truth, camera = clip
    for cached in ("cache: ", "cache: HIT"):
        shown = demo(vernier, str(path), "--camera", str(camera["camera"]), "--rows", "4")
        assert shown.returncode == 0, shown.stderr
        assert shown.stdout.count("│") >= 4 * 5
        assert f"{len(truth)} frames in" in shown.stdout
        assert cached in shown.stdout


def test_a_refusal_is_shown_as_the_sentence_it_carries(vernier: str) -> None:
    shown = demo(vernier, str(ROOT / "LICENSE"))
    assert shown.returncode == 1
    assert shown.stderr.startswith("415: this is no video")
    assert "Traceback" not in shown.stderr
