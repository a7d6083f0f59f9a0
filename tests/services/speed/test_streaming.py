"""One client's frames, without a connection."""

import struct

import pytest

from services.speed.estimator import Estimator
from services.speed.streaming import Stream
from services.speed.video import Limits
from services.speed.views import View
from shared.errors import Unprocessable
from shared.onnx import OnnxModel
from tests.services.speed.models import FOLDER
from tests.services.speed.test_stream import picture

LIMITS = Limits(64, 1_000_000, 1000, 1000.0, 1)


class Model:
    def __init__(self) -> None:
        graph = OnnxModel.load(FOLDER)
        self.name, self.version, self.provider = graph.name, graph.version, graph.provider
        self.estimator = Estimator(graph)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def stream(model: Model, clock: Clock, fps: float | None = 10.0, height_m: float | None = None) -> Stream:
    return Stream(model, View("kitti", height_m=height_m), "kalman", fps, LIMITS, clock)


@pytest.mark.parametrize(("away", "step"), [(3.0, 3.0), (0.0, 0.1)])
def test_after_a_break_time_has_gone_on_by_the_clock(model: Model, away: float, step: float) -> None:
    clock = Clock()
    one = stream(model, clock)
    before = [one.push(index, picture(index)) for index in range(4)]
    state = one.state()
    clock.now += away
    other = stream(model, clock)
    other.restore(state)
    after = [other.push(index, picture(4 + index)) for index in range(3)]
    assert after[0]["time_s"] == pytest.approx(before[-1]["time_s"] + step)
    assert after[2]["time_s"] == pytest.approx(after[0]["time_s"] + 0.2)
    assert after[0]["sd_mps"] > before[-1]["sd_mps"]
    assert other.state()["track"]["mean"] is not None


def test_times_of_its_own_go_on_as_they_are_but_not_backwards(model: Model) -> None:
    clock = Clock()
    one = stream(model, clock, None)
    one.told('{"timestamps": true}', begun=False)
    one.push(0, struct.pack("<d", 7.0) + picture(0))
    other = stream(model, clock, None)
    other.restore(one.state())
    other.told('{"timestamps": true}', begun=False)
    with pytest.raises(Unprocessable, match="must increase"):
        other.push(0, struct.pack("<d", 6.5) + picture(1))
    assert other.push(1, struct.pack("<d", 7.5) + picture(1))["time_s"] == 7.5


def test_a_state_of_before_the_first_frame_is_one(model: Model) -> None:
    clock = Clock()
    other = stream(model, clock)
    other.restore(stream(model, clock).state())
    assert other.push(0, picture(0))["time_s"] == 0.0


@pytest.mark.parametrize("wrong", [{"asked": None}, {"track": {}}, {"last": [1.0]}, {"last": "x"}])
def test_a_state_that_does_not_fit_is_refused(model: Model, wrong: dict[str, object]) -> None:
    one = stream(model, Clock())
    one.push(0, picture(0))
    with pytest.raises((ValueError, TypeError, KeyError)):
        stream(model, Clock()).restore({**one.state(), **wrong})
    with pytest.raises(ValueError, match="other parameters"):
        stream(model, Clock(), height_m=1.2).restore(one.state())


def test_after_a_long_gap_that_dropped_frames_have_left_nothing_is_compared_across_it(model: Model) -> None:
    clock = Clock()
    one = stream(model, clock)
    for index in range(3):
        one.push(index, picture(index))
    assert one.push(9, picture(3), dropped=6)["trouble"] == "first"
    assert one.push(10, picture(4)).get("trouble") != "first"
    assert one.push(12, picture(5), dropped=1).get("trouble") != "first", "that gap is short"
