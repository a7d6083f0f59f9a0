"""Settings of the speed service."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from services.speed.video import Limits
from shared.settings import ModelSettings


class SpeedSettings(ModelSettings):
    process: ClassVar[str] = "speed"

    port: int = Field(default=8101, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    max_body_bytes: int = Field(default=256 << 20, ge=1)
    """Largest request body taken, in bytes; it is written to disk as it comes, never held in memory."""
    request_timeout_s: float = Field(default=3600.0, gt=0)
    """Deadline of a request that names none, and the most that one may ask for, in seconds."""
    max_queue: int = Field(default=32, ge=1)
    """Videos that may wait for a thread, each with its body on disk; more are answered 503."""
    models: Path = Path(__file__).parent / "models"
    """Model repository: FOLDER/speed/<version>/ with model.onnx, model.json and the card."""
    model: str = Field(default="speed", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Model of the repository that answers /v1/speed/*: `speed` learnt from recorded drives, `speed-rendered` from
    rendered roads alone. It is loaded at start; any other only when the inference protocol's load operation asks."""
    onnx_threads: int = Field(default=1, ge=1)
    """Threads of one run of the model. 1 serves most frames a second: requests use the cores side by side."""
    pixels_per_run: int = Field(default=2 << 20, ge=1)
    """Pixels of the frame pairs that go through the model at once, at most: about six pairs of 640 x 480. Pairs queue,
    and so share a run, where more are measured at a time than there are `threads`; a larger pair runs alone."""
    decode_threads: int = Field(default=1, ge=1)
    """Threads that decode one video."""
    min_side: int = Field(default=64, ge=1)
    """Shortest side of a frame that is taken, in pixels."""
    max_pixels: int = Field(default=4096 * 2304, ge=1)
    """Largest frame that is decoded, in pixels."""
    max_frames: int = Field(default=72_000, ge=2)
    """Frames of one video, at most: an hour at 20 a second."""
    max_video_s: float = Field(default=7200.0, gt=0)
    """Length of one video by its own clock, at most, in seconds."""
    max_images: int = Field(default=2_000, ge=2)
    """Images of one request, at most."""

    streams: int = Field(default=64, ge=1)
    """Streams open at a time; another is answered 503 with Retry-After."""
    stream_frames: int = Field(default=16, ge=1)
    """Frames of one stream that may wait; where more come than can be measured, all that wait are dropped but the
    newest."""
    stream_bytes: int = Field(default=16 << 20, ge=1)
    """Bytes of these."""
    stream_wait_s: float = Field(default=0.5, gt=0)
    """Seconds that a frame of a stream may wait; later ones are dropped but for the newest."""
    stream_keep_s: float = Field(default=60.0, ge=1)
    """Seconds after a break within which a stream goes on where it was; its state is in the Redis of `redis_url`."""
    stats_url: str = "http://127.0.0.1:8103"
    """Where the stats service is, for speeds that are added to an aggregate."""
    additions_kept: int = Field(default=10_000, ge=1)
    """Additions to aggregates that wait in Redis for the stats service, at most."""
    additions_bytes: int = Field(default=32 << 20, ge=1)
    """The same in bytes, some 18 a speed."""

    @property
    def limits(self) -> Limits:
        return Limits(self.min_side, self.max_pixels, self.max_frames, self.max_video_s, self.decode_threads)
