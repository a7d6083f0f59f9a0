"""What the README says that Vernier answers, it answers."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from scripts.clip import render
from tests.processes import ROOT

pytestmark = pytest.mark.e2e
README = (ROOT / "README.md").read_text()
POSTED = re.compile(
    r"curl http://127\.0\.0\.1:8080(\S+) -H 'Content-Type: application/json' -d '(.*?)'\n```\n```json\n(.*?)```", re.S
)
TABLE = re.compile(r"```\n(time_s,.*?)```", re.S)


def figures(text: str) -> Any:
    """To 12 digits: another processor's logarithm may differ in the last."""
    return json.loads(text, parse_float=lambda digits: float(f"{float(digits):.12g}"))


@pytest.mark.parametrize(("path", "body", "answer"), POSTED.findall(README), ids=lambda each: each[:30])
def test_answers_to_json(vernier: str, client: httpx.Client, path: str, body: str, answer: str) -> None:
    assert figures(client.post(f"{vernier}{path}", json=json.loads(body)).text) == figures(answer)


def test_both_are_found() -> None:
    assert [path for path, _, _ in POSTED.findall(README)] == ["/v1/stats/trend", "/v1/text/information"]


def test_speeds_of_the_rendered_clip(vernier: str, client: httpx.Client, tmp_path: Path) -> None:
    """To 0.02 m/s: another processor may decode and multiply in another order."""
    clip = tmp_path / "clip.mp4"
    render(clip, 12.0, 1, "kitti")
    answer = client.post(
        f"{vernier}/v1/speed/video",
        params={"camera": "kitti"},
        files={"file": clip.read_bytes()},
        headers={"Accept": "text/csv"},
    )
    head, *rows = TABLE.findall(README)[0].splitlines()
    lines = answer.text.splitlines()
    assert lines[0] == head
    for said, found in zip(rows, lines[29:32], strict=True):
        assert [float(cell) for cell in found.split(",")] == pytest.approx(
            [float(c) for c in said.split(",")], abs=0.02
        )
