"""The command itself, as `make bench` runs it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from benchmarks.proc import descendants
from benchmarks.servers import ROOT
from tests.benchmarks.test_servers import gone
from tests.polling import PATIENCE_S, until

COMMAND = [sys.executable, "-m", "benchmarks", "--quick"]


def test_a_part_that_is_not_there_is_refused_by_those_that_are(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--only", "nothing", "--output", str(tmp_path / "x.json")], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "hotpath" in done.stderr
    assert not (tmp_path / "x.json").exists()


def test_a_hundred_identical_requests_run_the_model_once(tmp_path: Path) -> None:
    file = tmp_path / "latest.json"
    subprocess.run([*COMMAND, "--only", "once", "--output", str(file)], cwd=ROOT, check=True, capture_output=True)
    (row,) = json.loads(file.read_text())["rows"]
    assert (row["part"], row["value"], row["reached"]) == ("once", 1, True)
    assert row["raw"]["x_cache_status"]["MISS"] == row["raw"]["rounds"]
    assert file.with_suffix(".svg").read_text().startswith("<?xml")


def test_told_to_end_it_ends_what_it_started(tmp_path: Path) -> None:
    popen = subprocess.Popen(
        [*COMMAND, "--only", "start", "--output", str(tmp_path / "x.json")], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    family: list[int] = []
    try:
        until(lambda: bool(descendants(popen.pid)), "it starts a process")
        family = descendants(popen.pid)
        popen.send_signal(signal.SIGTERM)
        assert popen.wait(2 * PATIENCE_S) == 128 + signal.SIGTERM
    finally:
        popen.kill()
        popen.wait()
    until(lambda: all(map(gone, family)), "what it started has ended")
