"""Readings as text."""

import numpy as np

from services.speed.camera import PRESETS
from services.speed.reading import Reading
from services.speed.tables import csv, plain

READING = Reading(
    camera=PRESETS["kitti"],
    fps=10.0,
    time_s=np.array([0.0, 0.1]),
    speed_mps=np.array([8.25, 1 / 3]),
    sd_mps=np.array([0.5, 0.25]),
    raw_mps=np.array([np.nan, 0.1 + 0.2]),
    warnings=[],
)


def test_csv_gives_the_same_doubles_back() -> None:
    head, first, second, *rest = csv(READING).split("\n")
    assert (head, first, rest) == ("time_s,speed_mps,sd_mps,raw_mps", "0.0,8.25,0.5,", [""])
    assert [float(each) for each in second.split(",")] == [0.1, 1 / 3, 0.25, 0.1 + 0.2]


def test_plain_is_one_speed_a_line() -> None:
    assert plain(READING) == "8.250000\n0.333333\n"
