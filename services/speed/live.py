"""Speed while frames come in: each by itself and those before it, at a cost that does not grow.

The state is the speed, an acceleration that a car forgets within seconds (Singer), and what the measurements share of
their error: neighbours err together, so that a second one does not halve the error of the first. A measurement that no
car could have driven to is not followed, unless those after it agree with it.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from math import hypot, isfinite, nan, sqrt
from typing import Any

import numpy as np

from services.speed.estimator import BASELINE_S, MAX_HELD
from services.speed.scene import Trouble
from shared.kalman import Array, GaussMarkov, KalmanFilter, Model, Singer, Stacked

ACCELERATION_SD, ACCELERATION_S = 1.5, 1.5
"""m/s^2 and s: how hard cars accelerate and brake, and how long they keep at it."""
FAST, FAST_S = 0.50, 0.15
SLOW, SLOW_S = 0.15, 1.0
"""Shares of the error's variance that are forgotten within so many seconds; the rest is each measurement's own.

Measured on two drives (KITTI odometry 03 and 09, each by a model trained on the other alone): the errors' correlation
falls to 0.4 within 0.2 s and to 0 within 2 s. Of nearby values, those with the least error of the causal track on the
two: 0.076 and 0.086 (m/s)^2 where the measurements have 0.094 and 0.108."""
SPEED_SD = 100.0
"""m/s, before anything is measured: wide enough to say nothing."""
LEAP_SD = 10.0
"""m/s: how far the speed may be from what it was, after a cut or when measurements that agree say so."""
SURGE = 5.0
"""m/s^2: a hard braking or a start, which the acceleration is set free for when two measurements show it."""
HARDEST = 10.0
"""m/s^2 that no car exceeds."""
GATE = 4.5
"""Standard deviations off the prediction that make a measurement doubtful."""
AGREE_S = 0.8
"""Measurements that agree for so long are believed though no car can have driven there."""
DOUBT = 0.25
"""Weight of a doubtful measurement against the track, in the variance that is said."""
STANDS_MPS = 0.1
"""A speed and a standard deviation below this say that the car stands: it does not accelerate, and what measurements
erred by before does not matter."""
STANDS_ACCELERATION_SD = 0.3
REVERSING = 3.0
"""Standard deviations below 0 that make a car go backwards."""
LEAST_SD = 1e-3
"""m/s: no measurement is taken to be better than that."""

LONGEST_S = 60.0
"""After so long without a measurement no more can be forgotten: the speed is open by 20 m/s."""


@dataclass(frozen=True, slots=True)
class Bounded:
    """A model for which no step is longer than `longest_s`."""

    model: Model
    longest_s: float

    @property
    def size(self) -> int:
        return self.model.size

    def transition(self, dt: float) -> Array:
        return self.model.transition(min(dt, self.longest_s))

    def process_noise(self, dt: float) -> Array:
        return self.model.process_noise(min(dt, self.longest_s))


CAR = Singer(ACCELERATION_SD, ACCELERATION_S)
MODEL = Bounded(Stacked((CAR, GaussMarkov(1.0, FAST_S), GaussMarkov(1.0, SLOW_S))), LONGEST_S)
"""Speed and acceleration; the two shared errors in units of the sd that is stated."""
SETTLED = np.array([0.0, ACCELERATION_SD, 1.0, 1.0])
SPEED, STILL = np.array([1.0, 0.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0, 0.0])
Leap = tuple[Array, Array]
ANEW: Leap = (np.diag([1.0, 0.0, 0.0, 0.0]), np.diag(SETTLED**2 + [LEAP_SD**2, 0, 0, 0]))
"""Another scene, or another track: the speed is all but open, the acceleration and the errors begin anew."""
SURGING: Leap = (np.eye(4), np.diag([0.0, SURGE**2, 0.0, 0.0]))


@dataclass(slots=True)
class Note:
    """What the filter did at a time: a leap or none, a measurement or none (`z` is NaN). Replayed by the smoother."""

    time_s: float
    z: float = nan
    r: float = 1.0
    row: Array | None = None
    leap: Leap | None = None


@dataclass(slots=True)
class Doubtful:
    """A measurement that was not followed; `drivable`: a car could have got there from the last that was."""

    time_s: float
    z: float
    sd: float
    drivable: bool


def observed(sd: float) -> tuple[float, Array]:
    """Variance of a measurement's own error, and the row [4] that says what it sees of the state."""
    return (1 - FAST - SLOW) * sd**2, np.array([1.0, 0.0, sqrt(FAST) * sd, sqrt(SLOW) * sd])


def beginning(speed_mps: float) -> KalmanFilter:
    """Before the first measurement, which is of that speed."""
    return KalmanFilter(MODEL, [speed_mps, 0, 0, 0], np.diag(SETTLED**2 + [SPEED_SD**2, 0, 0, 0]))


def presented(speed: Any, sd: Any) -> Any:
    """A speed below 0 that noise explains is 0."""
    return np.where(speed < -REVERSING * sd, speed, np.maximum(speed, 0.0))


def _said(number: float) -> float | None:
    return None if number != number else number


class LiveTrack:
    """Frames in order. `notes` collects what the filter did, where a smoother is to go over it."""

    def __init__(self, notes: list[Note] | None = None) -> None:
        self._notes = notes
        self._filter: KalmanFilter | None = None
        self._clock = self._began = self._used = nan
        self._times: deque[float] = deque(maxlen=MAX_HELD)
        self._doubt: list[Doubtful] = []

    def push(self, time_s: float, raw_mps: float, sd_mps: float, trouble: Trouble | None = None) -> tuple[float, float]:
        """Speed and standard deviation, m/s, at `time_s`, which is later than the last; NaN before anything was
        measured. `raw_mps` is NaN in a frame without a measurement."""
        if trouble is Trouble.cut:
            self._cut(time_s)
        if isfinite(raw_mps) and isfinite(sd_mps):
            self._measure(time_s, raw_mps, max(sd_mps, LEAST_SD))
        self._times.append(time_s)
        return self._at(time_s)

    def state(self) -> dict[str, Any]:
        """All that the next frame's speed depends on, in numbers and lists."""
        held = self._filter
        return {
            "mean": None if held is None else held.mean.tolist(),
            "covariance": None if held is None else held.covariance.tolist(),
            "clock": [_said(self._clock), _said(self._began), _said(self._used)],
            "times": list(self._times),
            "doubt": [astuple(each) for each in self._doubt],
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> "LiveTrack":
        """Goes on where `state` was taken. Raises ValueError for what is no such state."""
        track = cls()
        try:
            track._clock, track._began, track._used = (nan if each is None else float(each) for each in state["clock"])
            track._times.extend(float(each) for each in state["times"])
            track._doubt = [Doubtful(float(t), float(z), float(sd), bool(near)) for t, z, sd, near in state["doubt"]]
            if state["mean"] is not None:
                track._filter = KalmanFilter(MODEL, state["mean"], state["covariance"])
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"no state of a track: {str(state)[:100]}") from None
        return track

    def _cut(self, time_s: float) -> None:
        """The frames before `time_s` show something else."""
        self._times.clear()
        self._doubt.clear()
        if self._filter is not None:
            self._leap(ANEW, time_s)
            self._began = self._used = time_s

    def _measure(self, time_s: float, raw_mps: float, sd_mps: float) -> None:
        """A measurement holds for the middle between the frames that it compares."""
        earlier = min(self._times, key=lambda each: abs(time_s - each - BASELINE_S), default=time_s)
        middle = earlier + (time_s - earlier) / 2
        if self._filter is None:
            self._filter = beginning(raw_mps)
            self._clock = self._began = self._used = middle
        self._move(self._filter, middle)
        said = self._filter.expect(raw_mps, *observed(sd_mps))
        if said.nis > GATE**2:
            reach = GATE * sqrt(said.variance) + HARDEST * (middle - self._used)
            doubted = Doubtful(middle, raw_mps, sd_mps, abs(said.value) <= reach)
            self._doubt = [*self._agreeing(doubted), doubted]
            if not self._believed():
                return
            self._follow(SURGING if self._doubt[0].drivable else ANEW)
        self._doubt = []
        self._take(middle, raw_mps, sd_mps)

    def _agreeing(self, new: Doubtful) -> list[Doubtful]:
        """The doubtful ones before that a car might have driven on from to this one."""
        if not self._doubt:
            return []
        last = self._doubt[-1]
        possible = GATE * hypot(last.sd, new.sd) + HARDEST * (new.time_s - last.time_s)
        return self._doubt if abs(new.z - last.z) <= possible else []

    def _believed(self) -> bool:
        """Of what a car can do two measurements convince, else as much time as the track itself has stood."""
        first, last = self._doubt[0], self._doubt[-1]
        needed = 0.0 if first.drivable else min(AGREE_S, self._used - self._began)
        return len(self._doubt) > 1 and last.time_s - first.time_s >= needed - 1e-9

    def _follow(self, leap: Leap) -> None:
        """The track leaps to what was doubted, which a smoother is to see from the first of it on."""
        assert self._filter is not None
        self._filter.move(*leap)
        if leap is ANEW:
            self._began = self._doubt[0].time_s
        if self._notes is not None:
            self._notes.append(Note(self._doubt[0].time_s, leap=leap))
            for each in self._doubt[:-1]:
                r, row = observed(each.sd)
                self._notes.append(Note(each.time_s, each.z, r, row))

    def _leap(self, leap: Leap, time_s: float) -> None:
        assert self._filter is not None
        self._move(self._filter, time_s)
        self._filter.move(*leap)
        if self._notes is not None:
            self._notes.append(Note(time_s, leap=leap))

    def _take(self, middle: float, raw_mps: float, sd_mps: float) -> None:
        self._used = middle
        r, row = observed(sd_mps)
        if max(abs(raw_mps), sd_mps) > STANDS_MPS:
            self._update(middle, raw_mps, r, row)
            return
        self._update(middle, raw_mps, r, SPEED)
        self._update(middle, 0.0, STANDS_ACCELERATION_SD**2, STILL)

    def _update(self, time_s: float, z: float, r: float, row: Array) -> None:
        assert self._filter is not None
        self._filter.update(z, r, row=row)
        if self._notes is not None:
            self._notes.append(Note(time_s, z, r, row))

    def _move(self, kalman: KalmanFilter, time_s: float) -> None:
        kalman.predict(time_s - self._clock)
        self._clock = time_s

    def _at(self, time_s: float) -> tuple[float, float]:
        if self._filter is None:
            return nan, nan
        dt = time_s - self._clock
        row = MODEL.transition(dt)[0]
        speed = float(row @ self._filter.mean)
        variance = float(row @ self._filter.covariance @ row + MODEL.process_noise(dt)[0, 0])
        if self._doubt:
            variance += DOUBT * (self._doubt[-1].z - speed) ** 2
        sd = sqrt(variance)
        return float(presented(speed, sd)), sd
