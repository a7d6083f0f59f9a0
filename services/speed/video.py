"""Frames out of a video file, one at a time, with the times that the file states."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import av
import av.error

from services.speed.clock import Clock
from services.speed.containers import DEMUXERS, Container, inspect, sniff
from services.speed.estimator import Frame
from services.speed.pixels import Picture, Upright, colour, luma
from services.speed.uploads import Upload
from shared.errors import Malformed, TooLarge, Unprocessable, VernierError

T = TypeVar("T")

PATIENCE_S = 10.0
"""How long opening a file, or reading on in it, may take."""
PROBED_PIXELS = 1 << 25
"""FFmpeg decodes a little while it opens a file: pictures up to 8K, so that what is too large can be told its size."""
MAX_FPS = 1000.0
INDEXED = frozenset({"mp4", "avi"})
"""Containers whose count of frames is stated; that of others is guessed from duration and rate."""
DECODERS = (
    *("h264", "hevc", "av1", "libdav1d", "vp8", "vp9", "libvpx", "libvpx-vp9", "mjpeg", "mjpegb"),
    *("mpeg4", "mpeg2video", "mpeg1video", "h263", "flv", "msmpeg4v2", "msmpeg4", "msmpeg4v3", "theora"),
    *("wmv1", "wmv2", "wmv3", "vc1", "prores", "dnxhd", "dvvideo", "ffv1", "huffyuv", "ffvhuff", "utvideo", "rawvideo"),
)
"""What cameras, telephones and editors write. FFmpeg's other decoders, rare and little tried, are out of reach."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Checked before a frame of that size, or that many of them, is allocated."""

    min_side: int = 64
    max_pixels: int = 4096 * 2304
    max_frames: int = 72_000
    max_seconds: float = 7200.0
    decode_threads: int = 1

    def check_size(self, width: int, height: int, what: str) -> None:
        """Raises TooLarge and Unprocessable."""
        if width * height > self.max_pixels:
            raise TooLarge(f"{what} is {width:,} x {height:,} pixels; at most {self.max_pixels:,} in all are decoded")
        if min(width, height) < self.min_side:
            raise Unprocessable(
                f"{what} is {width} x {height} pixels; a speed needs at least {self.min_side} either way"
            )

    def check_count(self, count: float) -> None:
        if count > self.max_frames:
            raise TooLarge(f"the video has more than the {self.max_frames:,} frames that are read; send it in parts")

    def check_seconds(self, seconds: float) -> None:
        if seconds > self.max_seconds:
            raise TooLarge(f"the video is longer than the {self.max_seconds:g} s that are read; send it in parts")


@dataclass(slots=True)
class Video:
    """An open video, to be read once. Width and height are those of the frames as shown."""

    file: Any
    stream: av.VideoStream
    container: Container
    limits: Limits
    nominal_fps: float
    """What the file says, frames a second; 0 where it says nothing of use."""
    announced: int
    """Frames by the file's index; 0 where its kind has none."""
    width: int = 0
    height: int = 0
    warnings: list[str] = field(default_factory=list)
    _first: av.VideoFrame | None = None
    _upright: Upright = field(default_factory=Upright)
    _coming: Iterator[av.VideoFrame] = field(default_factory=lambda: iter(()))
    _spoilt: int = 0

    @property
    def expected(self) -> int:
        """Frames by the file's index, else by its duration and rate; 0 where it states neither."""
        duration = (self.file.duration or 0) / av.time_base
        return self.announced or max(0, int(duration * self.nominal_fps))

    def frames(self, fps: float | None = None, check: Callable[[], None] = lambda: None) -> Iterator[Frame]:
        """Grey frames in order, `time_s` from 0 on; with `fps` at even times, else at the file's own.

        `check` is called before each frame and may raise to stop. Raises TooLarge past a limit, Malformed where no
        frame decodes and Unprocessable where only one does, or where frames change their size.
        """
        return (Frame(time_s, grey) for time_s, grey in self._read(luma, fps, check))

    def pictures(
        self, fps: float | None = None, check: Callable[[], None] = lambda: None
    ) -> Iterator[tuple[float, Picture]]:
        """As `frames`, in colour: uint8 [height, width, 3], blue, green, red."""
        return self._read(colour, fps, check)

    def close(self) -> None:
        self._first = None
        self.file.close()

    def start(self, check: Callable[[], None]) -> None:
        """Decodes the first frame, which says how all are shown."""
        self._coming = self._decoded(check)
        first = self._first = next(self._coming, None)
        if first is None:
            raise self._nothing()
        self._upright = Upright.of(first, self.stream.sample_aspect_ratio)
        self.width, self.height = self._upright.size(first.width, first.height)
        self.limits.check_size(self.width, self.height, "the video's frame")

    def _read(
        self, convert: Callable[[av.VideoFrame], Picture], fps: float | None, check: Callable[[], None]
    ) -> Iterator[tuple[float, Picture]]:
        clock = Clock(fps, self.nominal_fps)
        first, self._first = self._first, None
        frame, size, count = first, (first.width, first.height) if first else (0, 0), 0
        while frame is not None:
            check()
            self.limits.check_count(count + 1)
            time_s = clock.time_of(count, math.nan if frame.time is None else frame.time)
            self.limits.check_seconds(time_s)
            if (frame.width, frame.height) != size:
                raise Unprocessable(
                    f"frame {count} is {frame.width} x {frame.height} pixels, those before it {size[0]} x {size[1]}; "
                    "one video has one size"
                )
            yield time_s, self._upright.apply(convert(frame))
            count += 1
            frame = next(self._coming, None)
        self._conclude(count, clock)

    def _decoded(self, check: Callable[[], None]) -> Iterator[av.VideoFrame]:
        """What FFmpeg makes of the packets; those that it cannot decode are counted, as players pass over them."""
        packets = self.file.demux(self.stream)
        while True:
            check()
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:
                self._spoilt += 1
                packet = None
            try:
                frames = self.stream.codec_context.decode(packet)
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self._spoilt += 1
                frames = []
            yield from frames
            if packet is None:
                return

    def _nothing(self) -> VernierError:
        if self._spoilt or self.container.truncated or self.announced:
            return Malformed(f"no frame of the {self.container.kind} file decodes; it is damaged")
        return Unprocessable(f"the {self.container.kind} file's video track holds no frame; a speed needs two")

    def _conclude(self, count: int, clock: Clock) -> None:
        if count == 1:
            raise Unprocessable("the video has one frame; a speed needs two")
        announced = f" of the {self.announced:,} that it announces" if self.announced else ""
        if self.container.truncated:
            self.warnings.append(f"the file is cut off: {count:,} frames{announced} could be read")
        elif self._spoilt:
            self.warnings.append(f"the file is damaged: {count:,} frames{announced} could be read")
        elif count < self.announced:
            self.warnings.append(f"{count:,} frames{announced} could be read: it is damaged or trimmed")
        if clock.repaired:
            self.warnings.append(
                f"{clock.repaired:,} frame times of the file did not increase and were set by its frame rate; "
                "pass fps if that is wrong"
            )


def is_video(head: bytes) -> bool:
    """Whether a file that begins so is one that `open_video` would read."""
    return sniff(head) is not None


def open_video(upload: Upload, limits: Limits, check: Callable[[], None] = lambda: None) -> Video:
    """Opens an upload that has been taken. Raises what `containers.inspect` and `Limits` raise; Malformed where
    FFmpeg finds nothing in it that it can decode, Unprocessable where it holds no moving pictures."""
    container = inspect(upload.file)
    for width, height in container.sizes:
        if width * height > limits.max_pixels:
            limits.check_size(width, height, "the video's frame")
    file = _opened(upload.path, container, limits)
    try:
        video = _video(file, container, limits)
        video.start(check)
    except BaseException:
        file.close()
        raise
    return video


def _opened(path: str, container: Container, limits: Limits) -> Any:
    """No other file or host can be reached from the upload."""
    options = {
        "format_whitelist": DEMUXERS,
        "protocol_whitelist": "file",
        "codec_whitelist": ",".join(DECODERS),
        "max_pixels": str(max(limits.max_pixels, PROBED_PIXELS)),
        "threads": str(limits.decode_threads),
    }
    try:
        return av.open(path, options=options, metadata_errors="replace", timeout=(PATIENCE_S, PATIENCE_S))
    except (av.error.FFmpegError, ValueError) as error:
        raise Malformed(f"the {container.kind} file cannot be decoded: it is damaged ({_words(error)})") from None


def _video(file: Any, container: Container, limits: Limits) -> Video:
    """The file's pictures that move; a cover picture does not."""
    moving = [each for each in file.streams.video if not each.disposition & av.stream.Disposition.attached_pic]
    if not moving:
        raise Unprocessable("the file has no video track; a speed needs pictures")
    stream = moving[0]
    context = stream.codec_context
    if context is None or context.codec.name not in DECODERS:
        what = "an unknown codec" if context is None else f"codec {context.codec.name}"
        raise Unprocessable(
            f"the {container.kind} file's pictures are of {what}, which is not decoded here; "
            "H.264, HEVC, AV1, VP8, VP9, MPEG-2, MPEG-4 and MJPEG are, among others"
        )
    if context.width * context.height > limits.max_pixels:
        limits.check_size(context.width, context.height, "the video's frame")
    context.thread_count = limits.decode_threads
    context.options = {"max_pixels": str(limits.max_pixels)}
    announced = max(0, stream.frames) if container.kind in INDEXED else 0
    limits.check_count(announced)
    return Video(file, stream, container, limits, _usable(stream.average_rate or stream.guessed_rate), announced)


def _words(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)[:100]


def _usable(fps: Any) -> float:
    return float(fps) if fps is not None and 0 < fps <= MAX_FPS else 0.0
