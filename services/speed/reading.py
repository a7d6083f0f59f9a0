"""From an upload to a track of speeds: decode, measure, smooth, frame by frame; decoding runs ahead on a thread."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from services.speed.ahead import ahead
from services.speed.camera import Attitude, Camera
from services.speed.estimator import Estimator, Frame
from services.speed.images import open_images
from services.speed.remarks import remarks
from services.speed.scene import Trouble
from services.speed.smoothing import Smoothing, smooth_speeds
from services.speed.uploads import Files, Upload
from services.speed.video import Limits, open_video
from services.speed.views import View
from shared.kalman import Array

FRAMES_AHEAD = 4
"""Frames that are decoded before they are measured: enough to hide an uneven decoder, few enough to hold in memory."""
FEW = 3
"""So few frames are decoded where they are measured, as is a video while others take all threads: one more would cost
more than it hides."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Speeds of one sequence, one entry a frame [T]; `raw_mps` is NaN where a frame could not be measured."""

    camera: Camera
    fps: float
    time_s: Array
    speed_mps: Array
    sd_mps: Array
    raw_mps: Array
    warnings: list[str]
    troubles: Sequence[Trouble | None] = ()
    attitudes: Sequence[Attitude | None] = ()
    """How the camera sat on the car; None before that is known."""

    @property
    def measured(self) -> bool:
        """Whether any frame was."""
        return bool(np.isfinite(self.speed_mps).any())


class Measurer(Protocol):
    """A model that measures; `fastest_mps` is the highest speed that it was trained on."""

    @property
    def estimator(self) -> Estimator: ...

    @property
    def fastest_mps(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Reader:
    """`check` is called before each frame and may raise to stop; `count` after each, `report` with the share of a
    video's frames that is done, where their number can be told."""

    limits: Limits
    view: View
    smoothing: Smoothing
    check: Callable[[], None]
    count: Callable[[], None]
    report: Callable[[float], None] = lambda _: None

    def video(self, model: Measurer, upload: Upload, fps: float | None) -> Reading:
        with upload.taken():
            return self.opened(model, upload, fps)

    def opened(self, model: Measurer, upload: Upload, fps: float | None) -> Reading:
        """A video whose upload has been taken already."""
        with closing(open_video(upload, self.limits, self.check)) as video:
            camera, assumed = self.view.camera(video.width, video.height)
            reading = self._read(model, video.frames(fps, self.check), camera, assumed, video.expected)
            reading.warnings.extend(video.warnings)
        return reading

    def uploaded_images(self, model: Measurer, upload: Upload, times: Sequence[float]) -> Reading:
        with upload.taken():
            return self.images(model, upload, times)

    def images(self, model: Measurer, files: Files, times: Sequence[float]) -> Reading:
        images = open_images(files, times, self.limits)
        camera, assumed = self.view.camera(images.width, images.height)
        return self._read(model, images.frames(self.check), camera, assumed, len(times))

    def _read(
        self, model: Measurer, frames: Iterator[Frame], camera: Camera, warnings: list[str], expected: int
    ) -> Reading:
        """`expected` frames, 0 where their number is not known."""
        rows, troubles, attitudes = [], [], []
        measure = model.estimator.measure
        in_turn = 0 < expected <= FEW or not model.estimator.spare
        decoding = nullcontext(frames) if in_turn else ahead(frames, FRAMES_AHEAD)
        with decoding as decoded, closing(measure(decoded, camera, most=expected)) as measurements:
            for measured in measurements:
                self.check()
                rows.append((measured.time_s, measured.speed_mps, measured.sd_mps))
                troubles.append(measured.trouble)
                attitudes.append(measured.attitude)
                self.count()
                if expected:
                    self.report(len(rows) / expected)
        time_s, raw, sd = np.array(rows, float).reshape(-1, 3).T.copy()
        track = smooth_speeds(time_s, raw, sd, self.smoothing, troubles)
        warnings.extend(remarks(troubles))
        if np.isnan(track.speed_mps).all():
            warnings.append("no frame could be measured: the road ahead shows nothing that moves between frames")
        if beyond := np.count_nonzero(track.speed_mps > model.fastest_mps):
            warnings.append(
                f"{beyond:,} frames are faster than the {model.fastest_mps:g} m/s that the model was trained on; "
                "beyond that neither speed nor sd is tried"
            )
        fps = (len(rows) - 1) / (time_s[-1] - time_s[0])
        sd = camera.widened(track.speed_mps, track.sd_mps)
        return Reading(camera, float(fps), time_s, track.speed_mps, sd, raw, warnings, troubles, attitudes)
