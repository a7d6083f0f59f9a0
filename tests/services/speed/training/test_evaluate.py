from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from services.speed.training.card import table, write_card
from services.speed.training.data import Clip
from services.speed.training.evaluate import Course, Score, scored
from services.speed.training.pipeline import Outcome
from services.speed.training.recipe import Recipe
from services.speed.training.search import Found


def test_errors_of_a_known_answer(clips: list[Clip]) -> None:
    """Errors of 0 but in three frames, and a first frame without a measurement: the figures follow by hand."""
    count = len(clips[0].time_s)
    raw = clips[0].speed_mps.astype(float)
    raw[1:4] += [-0.4, 0.8, -1.8]
    raw[0] = np.nan
    found = scored(clips[0], raw, np.full(count, 0.5), 50.0)
    assert found.mse_raw == pytest.approx((0.4**2 + 0.8**2 + 1.8**2) / (count - 1))
    assert found.bias == pytest.approx((-0.4 + 0.8 - 1.8) / (count - 1))
    assert found.within_1sd == pytest.approx((count - 3) / (count - 1))
    assert found.within_2sd == pytest.approx((count - 2) / (count - 1))
    assert found.frames == count
    assert found.mse_rts < found.mse_raw


def test_the_worst_window_is_where_the_errors_are() -> None:
    time_s = 0.1 * np.arange(200.0)
    kalman = np.zeros(200)
    kalman[120:150] = 2.0
    course = Course(time_s, np.zeros(200), kalman, np.ones(200), kalman, np.ones(200), kalman)
    since, worst = course.worst(3.0)
    assert since == pytest.approx(12.0)
    assert worst == pytest.approx(2.0)


def outcome(scores: list[Score], **values: Any) -> Outcome:
    figures = {"mse": 0.5, "nll": 0.1, "within_1sd": 0.7, "within_2sd": 0.95, "pitch_r2": 0.6, "roll_r2": 0.4}
    return Outcome(
        Recipe(period=1, cycles=2), examples=1000, temperature=[1.1, 0.9], held_out=figures,
        history=[{"loss": 1.0, **figures}] * 2, scores=scores, effects={"snapshots": {"one": figures}},
        seconds={"training": 1.0, "whole run": 2.0}, **values,
    )  # fmt: skip


def test_the_card_holds_every_clip_and_the_licence(clips: list[Clip], tmp_path: Path) -> None:
    scores = [scored(clip, clip.speed_mps.astype(float) + 0.1, np.full(len(clip.time_s), 0.2), 50.0) for clip in clips]
    write_card(tmp_path, "speed", outcome(scores, crossed=scores, stretch=1.1), None)
    text = (tmp_path / "CARD.md").read_text()
    assert text.count(table(scores)) == 2
    assert "CC BY-NC-SA 3.0" in text
    assert "{" not in text
    assert "raw 0.010" in text
    for name in ("training", "errors", "calibration"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert picture.width > 300
        assert (tmp_path / f"{name}.png").stat().st_size < 200_000
        assert f"({name}.png)" in text


def test_the_card_of_rendered_weights_says_so(clips: list[Clip], tmp_path: Path) -> None:
    scores = [scored(clip, clip.speed_mps.astype(float) + 0.1, np.full(len(clip.time_s), 0.2), 50.0) for clip in clips]
    write_card(tmp_path, "speed-rendered", outcome(scores, recorded=False), Found({"width": 8}, -0.5, 9, 2))
    text = (tmp_path / "CARD.md").read_text()
    assert "Apache-2.0" in text
    assert "BY-NC-SA" not in text
    assert "--no-recorded --name speed-rendered" in text
    assert "9 trials (2 given up early)" in text
