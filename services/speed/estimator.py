"""Speed from frames: the host's half of the model. One measurement a frame, in order and streaming.

For each frame an earlier one about BASELINE_S before it is taken; the rotation between the two and the attitude of the
camera give the homographies to the road, the graph does the rest.
"""

import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import hypot, nan
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from services.speed.camera import Attitude, Camera, ground_homography
from services.speed.doubt import Verdict, judge, road_steps
from services.speed.flight import in_flight
from services.speed.keeping import alike, kept, taken_up
from services.speed.mount import Mount
from services.speed.patch import Patch
from services.speed.rotation import Motion, Sight, motion_of, sight
from services.speed.scene import Freeze, Look, Trouble, Watch

BASELINE_S = 0.1
"""Frames this far apart are compared, or the nearest to it that the frame rate allows."""
MAX_HELD = 16
WORKING_WIDTH = 640
MAX_WIDTH = 800
"""Wider frames are reduced to WORKING_WIDTH before anything is measured."""
DELAY = 4
"""The graph's answer to a pair is known to whatever comes before the graph from so many pairs later on: pairs of one
video can be in flight at once, and the numbers are the same however many are."""
COPIES_S = 0.25
"""For so long a picture may repeat itself and still be one frame, shown at a higher rate."""
TILT_DECIMALS = 4
SHOWN = "previous", "current", "previous_homography", "current_homography"
MANY_CORNERS = 60
"""Where so many are looked for and next to none is found again, the scene is another."""
STANDING_SHARE, SLOW_MPS = (0.6, 0.3), 1.5
"""Of the cells of the road patch, seen unmoved where a good share of the tracks is, before the car stands amid traffic:
of a car that was fast just now, and of one slower than that."""


@dataclass(frozen=True)
class Frame:
    """One picture: `time_s` seconds since the start of the video, `grey` uint8 [height, width]."""

    time_s: float
    grey: NDArray[np.uint8]


@dataclass(frozen=True)
class Measurement:
    """Speed along the direction of travel (below 0 when reversing) and its standard deviation.

    Both are NaN where nothing can be measured; `trouble` says why, or what makes the sd wider than it would be.
    """

    time_s: float
    speed_mps: float
    sd_mps: float
    trouble: Trouble | None = None
    attitude: Attitude | None = None
    """How the camera was taken to sit on the car, for whoever draws the road that was looked at."""


class Model(Protocol):
    """What the estimator needs of a loaded model."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def run(self, feeds: dict[str, NDArray[Any]], /) -> list[NDArray[Any]]: ...


Feeds = dict[str, NDArray[Any]]
Answer = list[NDArray[Any]]


@dataclass(frozen=True)
class Pair:
    """A frame and the earlier one that it is compared with, None where there is none."""

    time_s: float
    earlier: Frame | None
    later: Frame
    look: Look
    stale: bool = False
    """The earlier frame repeats the one before it."""

    @property
    def seconds(self) -> float:
        return self.later.time_s - self.earlier.time_s if self.earlier else nan


@dataclass(frozen=True)
class Question:
    """What the graph is asked about a pair, and what is known besides."""

    feeds: Feeds
    motion: Motion
    attitude: Attitude
    tried: int
    scale_sd: float
    """Share of the speed, one standard deviation, by which what is not known of the camera's mount makes it wrong."""


@dataclass(frozen=True)
class Told:
    """What is known of an earlier pair: its speed, and the tilt [2] of the road where the graph tells it."""

    attitude: Attitude
    speed_mps: float
    tilt_rad: NDArray[Any] | None
    tilt_sd_rad: float


class Estimator:
    """Measures any number of videos, at once if need be: what belongs to one of them lives in its Measuring.

    Of one video `threads` pairs are worked on side by side, or fewer where other videos are under way when it begins;
    the numbers are the same with any number of them.
    """

    def __init__(self, model: Model, threads: int = 1) -> None:
        self.model = model
        self.threads = threads
        self._under_way = 0
        self._lock = threading.Lock()

    @property
    def spare(self) -> bool:
        """Whether a video that begins now has more than one thread."""
        return self.threads // (self._under_way + 1) > 1

    def begin(self, camera: Camera) -> "Measuring":
        """A video to be measured frame by frame as it comes in."""
        return Measuring(self.model, camera)

    def measure(self, frames: Iterable[Frame], camera: Camera, most: int = 0) -> Generator[Measurement]:
        """One measurement a frame, in order; the first frame's is NaN. With several threads up to 2 `threads` and DELAY
        frames are taken before the first is answered for. `most` says how many frames there are or may be, where that
        is known: threads would have nothing to do on a single pair.

        Frames of another resolution than the camera's have the camera scaled to theirs. Raises ValueError where a
        frame is not uint8 [height, width], changes its size or does not come later than the one before; what `frames`
        raises and what the model does are raised once the frames before are answered for. The threads
        end with the iterator: close it where it is not read to its end.
        """
        measuring = self.begin(camera)
        with self._share() as threads:
            if threads == 1 or most == 2:
                yield from (measuring.push(frame) for frame in frames)
            else:
                stages = measuring.take, measuring.look, measuring.aim, measuring.ask, measuring.conclude
                yield from in_flight(frames, *stages, threads=threads, delay=DELAY)

    @contextmanager
    def _share(self) -> Iterator[int]:
        """The threads that are one video's: more of them than cores would only hand the interpreter to and fro."""
        with self._lock:
            self._under_way += 1
            threads = max(1, self.threads // self._under_way)
        try:
            yield threads
        finally:
            with self._lock:
                self._under_way -= 1


class Measuring:
    """One video's state: the frames of the last tenth of a second, and how the camera sits on the car.

    A frame goes through five stages. `take`, `aim` and `conclude` see all frames in order; `look` and `ask` need none
    of the state and are where the time goes.
    """

    def __init__(self, model: Model, camera: Camera) -> None:
        self._model = model
        self.camera = camera
        """As it was given, for frames of any size."""
        self._shape: tuple[int, ...] | None = None
        self._held: deque[tuple[Frame, bool]] = deque(maxlen=MAX_HELD)
        self._learnt: Any = None
        self._told: deque[Told | None] = deque()
        self._aimed = 0
        self._slow = True
        self._last_s = nan
        self._watch = Watch()
        self._freeze = Freeze()
        self._copies_s = 0.0

    def push(self, frame: Frame) -> Measurement:
        """The measurement of the next frame. Raises ValueError as `Estimator.measure` does."""
        pair = self.take(frame)
        question = self.aim(pair, self.look(pair))
        return self.conclude(pair, question, self.ask(question))

    def take(self, frame: Frame) -> Pair:
        """Checks the frame and finds the one to compare it with.

        What repeats the picture before it was taken no later than that, and is no reference while it does so briefly,
        as where a video was made one of more frames a second.
        """
        self._check(frame)
        later = self._reduced(frame)
        look = self._watch.look(later.grey, later.time_s)
        if look.cut:
            self._held.clear()
        earlier, stale = self._reference(later.time_s)
        self._copies_s = self._copies_s + later.time_s - self._last_s if look.copy else 0.0
        if not look.copy or self._copies_s > COPIES_S:
            self._held.append((later, look.copy))
        while len(self._held) > 1 and self._held[1][0].time_s <= later.time_s - BASELINE_S:
            self._held.popleft()  # no later frame is compared with it
        self._last_s = frame.time_s
        return Pair(frame.time_s, earlier, later, look, stale)

    def look(self, pair: Pair) -> Sight | None:
        return sight(pair.earlier.grey, pair.later.grey, self._camera) if pair.earlier else None

    def aim(self, pair: Pair, seen: Sight | None) -> Question | Trouble:
        """Where the road lies in the two frames, or why that cannot be told."""
        self._aimed += 1
        if self._aimed > DELAY and (told := self._told.popleft()):
            self._slow = abs(told.speed_mps) < SLOW_MPS
            if told.tilt_rad is not None:
                self._mount.observe(told.attitude, told.speed_mps, told.tilt_rad, told.tilt_sd_rad)
        if pair.look.dark:
            return Trouble.dark
        if seen is None or pair.earlier is None:
            return Trouble.cut if pair.look.cut else Trouble.first
        moved = motion_of(seen, self._mount.ahead, self._stands_amid_traffic(pair, seen))
        if moved.inliers == 0:
            return Trouble.cut if seen.tried > MANY_CORNERS else Trouble.unseen
        attitude = self._attitude = self._mount.update(moved, pair.seconds)
        rotation = self._mount.rotation
        feeds: Feeds = {
            "previous": pair.earlier.grey[None],
            "current": pair.later.grey[None],
            "previous_homography": ground_homography(self._camera, attitude, rotation)[None].astype(np.float32),
            "current_homography": ground_homography(self._camera, attitude)[None].astype(np.float32),
            "seconds": np.array([pair.seconds], dtype=np.float32),
        }
        return Question(feeds, moved, attitude, seen.tried, self._mount.scale_sd)

    def ask(self, question: Question | Trouble) -> Answer:
        return [] if isinstance(question, Trouble) else self._model.run(question.feeds)

    def conclude(self, pair: Pair, question: Question | Trouble, answer: Answer) -> Measurement:
        """The graph's answer in the light of all else that the pair showed."""
        frozen = self._freeze.saw(pair.look, pair.stale, pair.time_s)
        if isinstance(question, Trouble):
            self._told.append(None)
            return Measurement(pair.time_s, nan, nan, Trouble.frozen if frozen else question)
        verdict = self._verdict(pair, question, answer)
        fault = Trouble.frozen if frozen else verdict.trouble
        tilt, tilt_sd = _tilt(answer)
        self._told.append(None if fault else Told(question.attitude, verdict.speed_mps, tilt, tilt_sd))
        if fault:
            return Measurement(pair.time_s, nan, nan, fault, question.attitude)
        self._freeze.measured(verdict.speed_mps, pair.time_s)
        share = hypot(question.scale_sd, self._freeze.jitter_s / pair.seconds)
        sd = hypot(verdict.sd_mps, share * abs(verdict.speed_mps))
        speed, sd = (each * self._unit_m for each in (verdict.speed_mps, sd))
        return Measurement(pair.time_s, speed, sd, None, question.attitude)

    def _verdict(self, pair: Pair, question: Question, answer: Answer) -> Verdict:
        earlier, later, *roads = (question.feeds[name][0] for name in SHOWN)
        patch, steps = Patch(earlier, later, *roads), road_steps(question.motion, self._camera, *roads)
        speed, sd = (float(column[0]) for column in answer[:2])
        return judge(speed, sd, pair.seconds, question.motion, question.tried, patch, steps)

    def _stands_amid_traffic(self, pair: Pair, seen: Sight) -> bool:
        if seen.static is None or not seen.near or pair.earlier is None:
            return False
        here = ground_homography(self._camera, self._attitude)
        then = ground_homography(self._camera, self._attitude, seen.static)
        return Patch(pair.earlier.grey, pair.later.grey, then, here).alike(0.0)[1] > STANDING_SHARE[self._slow]

    def forget(self) -> None:
        """The next frame is compared with none before it: those are too long ago, and its neighbours come after it."""
        self._held.clear()

    def state(self) -> Any:
        """What was learnt of how the camera sits, as JSON has it; None before the first frame."""
        return None if self._shape is None else kept(self._mount)

    def restore(self, state: Any) -> None:
        """Goes on with what another learnt of this camera; before the first frame. Raises ValueError."""
        self._learnt = taken_up(state)

    def _check(self, frame: Frame) -> None:
        grey = frame.grey
        if grey.dtype != np.uint8 or grey.ndim != 2 or min(grey.shape) < 16:
            raise ValueError(f"a frame is uint8 [height, width], 16 x 16 at least, not {grey.dtype} {list(grey.shape)}")
        if self._shape is None:
            self._begin(grey.shape)
        if grey.shape != self._shape:
            raise ValueError(
                f"frame at {frame.time_s:g} s is {list(grey.shape)}, the first was {list(self._shape or ())}"
            )
        if frame.time_s <= self._last_s:
            raise ValueError(f"frame times must increase, got {frame.time_s:g} s after {self._last_s:g} s")

    def _begin(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        height, width = shape
        if width > MAX_WIDTH:
            height, width = max(16, round(height * WORKING_WIDTH / width)), WORKING_WIDTH
        self._size = (width, height)
        self._unit_m = self.camera.scaled(width, height).unit_m
        self._camera = self.camera.scaled(width, height).measured_in(self._unit_m)
        self._mount = Mount(self._camera)
        if alike(self._learnt, self._mount):
            self._mount = self._learnt
        self._attitude = Attitude(self._camera.pitch_rad)

    def _reduced(self, frame: Frame) -> Frame:
        if (frame.grey.shape[1], frame.grey.shape[0]) == self._size:
            return frame
        return Frame(frame.time_s, cv2.resize(frame.grey, self._size, interpolation=cv2.INTER_AREA).astype(np.uint8))

    def _reference(self, time_s: float) -> tuple[Frame | None, bool]:
        """The held frame whose distance in time is nearest to the baseline."""
        return min(self._held, key=lambda held: abs(time_s - held[0].time_s - BASELINE_S), default=(None, False))


def _tilt(answer: Answer) -> tuple[NDArray[Any] | None, float]:
    """Rounded: in company a graph computes its last digits otherwise than alone, and a video's speeds are to be the
    same whoever else is measured."""
    if len(answer) < 4:
        return None, nan
    return np.round(answer[2][0].astype(np.float64), TILT_DECIMALS), round(float(answer[3][0, 1]), TILT_DECIMALS)
