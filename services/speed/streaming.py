"""One client's frames as they come in, each with its reply; and what of it outlives the connection."""

import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from math import hypot, isfinite
from typing import Any, Protocol

import orjson

from services.speed.camera import Camera
from services.speed.estimator import Estimator, Frame, Measuring
from services.speed.images import read_image
from services.speed.live import LiveTrack
from services.speed.smoothing import Smoothing
from services.speed.video import Limits
from services.speed.views import View
from shared.errors import Malformed, Unprocessable

TIMESTAMP = struct.Struct("<d")
FAR_S = 0.3
"""Frames further apart than this are compared only where none nearer are to be had."""


class Model(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def provider(self) -> str: ...

    @property
    def estimator(self) -> Estimator: ...


class Stream:
    """Frames have numbers from 0 in each connection; a frame that cannot be read has a number, and a time by `fps`, all
    the same. `clock` tells seconds, the same at every instance."""

    def __init__(
        self,
        model: Model,
        view: View,
        smoothing: Smoothing,
        fps: float | None,
        limits: Limits,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.timestamps = False
        self.speed_mps = float("nan")
        self._model = model
        self._view = view
        self._smoothing = smoothing
        self._fps = fps
        self._limits = limits
        self._clock = clock
        self._track = LiveTrack()
        self._measuring: Measuring | None = None
        self._mount: Mapping[str, Any] | None = None
        self._last: tuple[float, float] | None = None
        self._offset: float | None = 0.0
        self._dropped = 0

    def told(self, text: str, begun: bool) -> None:
        """A text message: `{"timestamps": true}` before the first frame. Raises Malformed and Unprocessable."""
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            message = None
        if not isinstance(message, dict) or message.keys() != {"timestamps"} or message["timestamps"] is not True:
            raise Malformed('a text message is {"timestamps": true}, or nothing; frames are binary messages')
        if begun:
            raise Unprocessable("timestamps are announced before the first frame")
        self.timestamps = True

    def push(self, index: int, message: bytes, dropped: int = 0) -> dict[str, Any]:
        """The reply to frame `index`, before which so many were dropped. Raises VernierError for one that cannot be
        measured; the next one may be."""
        time_s, image = self._split(index, message)
        grey = read_image(image, index, self._limits)
        if self._last is not None and not time_s > self._last[0]:
            raise Unprocessable(f"frame times must increase, got {time_s:g} s after {self._last[0]:g} s")
        opening: dict[str, Any] = {}
        measuring = self._measuring
        if measuring is None:
            height, width = grey.shape
            camera, warnings = self._view.camera(width, height)
            measuring = self._begin(camera)
            model = {"name": self._model.name, "version": self._model.version, "provider": self._model.provider}
            opening = {"model": model, "camera": asdict(camera), "warnings": warnings}
        self._jump(measuring, time_s, dropped)
        try:
            measured = measuring.push(Frame(time_s, grey))
        except ValueError as error:
            raise Unprocessable(str(error)) from None
        self._measuring, self._last = measuring, (time_s, self._clock())
        raw, sd, trouble = measured.speed_mps, measured.sd_mps, measured.trouble
        smoothed = self._track.push(time_s, raw, sd, trouble)
        self.speed_mps, said_sd = (raw, sd) if self._smoothing == "none" else smoothed
        said_sd = hypot(said_sd, measuring.camera.scale_sd * self.speed_mps)
        reply: dict[str, Any] = {"frame": index, "time_s": time_s, "speed_mps": self.speed_mps, "sd_mps": said_sd}
        reply["raw_mps"] = raw
        if trouble is not None:
            reply["trouble"] = trouble
        return {**reply, **opening}

    def _begin(self, camera: Camera) -> Measuring:
        measuring = self._model.estimator.begin(camera)
        if self._mount is not None:
            measuring.restore(self._mount)
        return measuring

    def _jump(self, measuring: Measuring, time_s: float, dropped: int) -> None:
        """After a gap that dropped frames have left the next frames are neighbours again, unless it is one of many."""
        if dropped and not self._dropped and self._last is not None and time_s - self._last[0] > FAR_S:
            measuring.forget()
        self._dropped = dropped

    def _split(self, index: int, message: bytes) -> tuple[float, bytes]:
        """When the frame was taken, in seconds, and its image."""
        if not self.timestamps:
            if self._fps is None:
                raise Unprocessable('when the frames were taken is not said: by ?fps= or by {"timestamps": true} first')
            return index / self._fps + self._begun(index, self._fps), message
        if len(message) < TIMESTAMP.size:
            raise Malformed(f"a frame begins with its time, {TIMESTAMP.size} bytes; this message has {len(message)}")
        (time_s,) = TIMESTAMP.unpack_from(message)
        if not isfinite(time_s):
            raise Unprocessable("the frame's time is not finite")
        return time_s, message[TIMESTAMP.size :]

    def _begun(self, index: int, fps: float) -> float:
        """When this connection began: 0, or after a break as much later as the clock says."""
        if self._offset is None:
            assert self._last is not None
            last_s, then = self._last
            self._offset = last_s + max(self._clock() - then, 1 / fps) - index / fps
        return self._offset

    def state(self) -> dict[str, Any]:
        """All that another connection needs to go on; numbers, texts and lists."""
        mount = self._mount if self._measuring is None else self._measuring.state()
        return {"asked": self._asked(), "track": self._track.state(), "mount": mount, "last": self._last}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from `state`, before the first frame. Raises ValueError where it is of another camera or of none."""
        if state.get("asked") != self._asked():
            raise ValueError("it was opened with other parameters")
        track, last = LiveTrack.restored(state["track"]), state["last"]
        if last is not None:
            time_s, then = last
            self._last, self._offset = (float(time_s), float(then)), None
        self._track, self._mount = track, state["mount"]

    def _asked(self) -> dict[str, Any]:
        return {**asdict(self._view), "smoothing": self._smoothing, "fps": self._fps}
