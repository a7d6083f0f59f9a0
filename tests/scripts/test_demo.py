"""`make demo`: a table of what a video holds, and nothing left running."""

import re
import signal
from pathlib import Path

import pytest

from scripts import demo
from tests.scripts.launched import is_free, launched, own_places, python


def test_without_a_file_and_with_no_vernier_it_renders_starts_one_and_stops_it(tmp_path: Path) -> None:
    places = own_places(tmp_path)
    with launched(python("-m", "scripts.demo", "--seconds", "4", "--rows", "9"), tmp_path, **places) as process:
        assert process.await_end() == 0, process.output
        assert process.family() == {}
        assert is_free(int(places["VERNIER_GATEWAY_PORT"]))
        assert list((tmp_path / "tmp").iterdir()) == []
    assert "truth (m/s)" in process.output
    assert "40 frames in" in process.output
    rows = [line for line in process.output.splitlines() if re.match(r"│\s+\d", line)]
    assert len(rows) == 9
    [rmse] = re.findall(r"root mean square error (\d+\.\d+) m/s", process.output)
    assert float(rmse) < 1.0  # what the validation of the model asks, square root of 1 (m/s)^2


def test_sigterm_stops_what_it_started(tmp_path: Path) -> None:
    places = own_places(tmp_path)
    with launched(python("-m", "scripts.demo", "--seconds", "4"), tmp_path, **places) as process:
        process.await_that(lambda: any("services.stats" in command for command in process.family().values()))
        process.popen.send_signal(signal.SIGTERM)
        assert process.await_end() == 128 + signal.SIGTERM
        assert process.family() == {}
        assert list((tmp_path / "tmp").iterdir()) == []


def test_a_vernier_that_is_named_but_not_there_is_said(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"")
    with launched(python("-m", "scripts.demo", str(clip)), tmp_path, VERNIER_URL="http://127.0.0.1:9") as process:
        assert process.await_end() == 1
    assert "No Vernier is ready at http://127.0.0.1:9" in process.output


@pytest.mark.parametrize(
    ("count", "most", "expected"),
    [(1, 5, [0]), (3, 5, [0, 1, 2]), (5, 5, [0, 1, 2, 3, 4]), (9, 5, [0, 2, 4, 6, 8]), (100, 2, [0, 99])],
)
def test_rows_are_spread_evenly_from_first_to_last(count: int, most: int, expected: list[int]) -> None:
    assert demo.spread(count, most) == expected


def test_the_distance_is_the_integral_of_the_speed() -> None:
    reading = {
        "time_s": [0.0, 1.0, 3.0], "speed_mps": [0.0, 2.0, 6.0], "sd_mps": [0.1] * 3, "frames": 3, "seconds": 1.5,
        "cache": "MISS", "warnings": ["mind this"],
    }  # fmt: skip
    lines = list(demo.summary(reading, [0.0, 1.0, 6.0]))
    assert lines[0] == "mean 2.67 m/s (9.6 km/h), 9 m in 3.0 s"
    assert "root mean square error 0.577 m/s, bias +0.333 m/s" in lines[1]
    assert lines[2] == "3 frames in 1.50 s (2 a second), cache: MISS"
    assert "mind this" in lines[3]
