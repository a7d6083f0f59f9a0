"""Between the routes and the subject: limits and models in, bytes out."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from io import FileIO
from tempfile import TemporaryFile
from typing import Any

from prometheus_client import Counter

from services.speed import tables
from services.speed.ahead import ahead
from services.speed.canvas import Picture
from services.speed.evaluate import Score, score
from services.speed.images import open_images
from services.speed.overlay import Told, draw_film
from services.speed.plot import draw_plot, png
from services.speed.reading import FRAMES_AHEAD, Reader, Reading
from services.speed.schemas import CameraQuery
from services.speed.serving import SpeedModel
from services.speed.settings import SpeedSettings
from services.speed.speedlist import MAX_BYTES, SpeedList, read_speeds
from services.speed.uploads import Part, Upload
from services.speed.video import is_video, open_video
from shared.context import current_context
from shared.errors import FieldError, TooLarge, Unprocessable
from shared.progress import reporter
from shared.repository import Repository
from shared.responses import json_bytes

JSON = "application/json"
CSV = "text/csv"
PLAIN = "text/plain"
PNG = "image/png"
MP4 = "video/mp4"
READ = 0.99
"""Share of the work that is done when all frames are measured, or as many as were expected."""
READ_OF_FILM = 0.7
"""The same where a film is to be drawn and written afterwards."""


@dataclass(frozen=True, slots=True)
class Service:
    """What every operation needs."""

    settings: SpeedSettings
    models: Repository[SpeedModel]
    frames: Counter

    def reader(self, query: CameraQuery, media_type: str = JSON) -> Reader:
        report = reporter(0, READ_OF_FILM if media_type == MP4 else READ)
        return Reader(self.settings.limits, query.view, query.smoothing, _check(), self.frames.inc, report)


@dataclass(frozen=True, slots=True)
class Measured:
    """A reading and what computed it. `film` is a file that whoever answers reads and closes."""

    reading: Reading
    model: dict[str, str]
    smoothing: str
    film: FileIO | None = None

    @property
    def identity(self) -> str:
        return f"{self.model['name']}/{self.model['version']}"

    @property
    def title(self) -> str:
        return f"{self.model['name']} {self.model['version']} · {self.smoothing}"

    def encoded(self, media_type: str) -> bytes:
        reading = self.reading
        if media_type == CSV:
            return tables.csv(reading).encode()
        if media_type == PLAIN:
            return tables.plain(reading).encode()
        if media_type == PNG:
            title = f"{self.title} · {len(reading.time_s):,} frames"
            columns = reading.time_s, reading.speed_mps, reading.sd_mps, reading.raw_mps
            return png(draw_plot(*columns, title, reading.warnings))
        head = {"model": self.model, "fps": reading.fps, "frames": len(reading.time_s), "smoothing": self.smoothing}
        named = {name: getattr(reading, name) for name in tables.COLUMNS}
        return json_bytes({**head, "camera": asdict(reading.camera), **named, "warnings": reading.warnings})


def measure_video(reader: Reader, model: SpeedModel, upload: Upload, fps: float | None, media_type: str) -> Measured:
    """With MP4 the film too: the video is decoded once more for it, so that no picture has to be held meanwhile."""
    with upload.taken():
        measured = _measured(reader, model, reader.opened(model, upload, fps))
        if media_type != MP4:
            return measured
        with closing(open_video(upload, reader.limits, reader.check)) as video:
            return _filmed(measured, reader, video.pictures(fps, reader.check))


def measure_images(reader: Reader, model: SpeedModel, upload: Upload, times: list[float], media_type: str) -> Measured:
    with upload.taken():
        measured = _measured(reader, model, reader.images(model, upload, times))
        if media_type != MP4:
            return measured
        return _filmed(measured, reader, open_images(upload, times, reader.limits).pictures(reader.check))


def judge(
    reader: Reader, upload: Upload, fps: float | None, most: int, using: Callable[[], Any]
) -> tuple[Score, Measured | None]:
    """The score of the form's `file`, which is speeds as text or a video to be measured first, against its `truth`.

    `using()` is a context that yields the model. Raises what `read_speeds`, `Reader.video` and `score` raise.
    """
    with upload.taken():
        parts = {part.name: part for part in upload.parts}
        truth = _speeds(upload, parts["truth"], most)
        file = parts["file"]
        if not is_video(os.pread(upload.file.fileno(), min(file.size, 400), file.offset)):
            found = _speeds(upload, file, most)
            return score(found.speed_mps, truth.speed_mps, found.sd_mps), None
        with using() as model, upload.alone(file) as video:
            measured = _measured(reader, model, reader.opened(model, video, fps))
        reading = measured.reading
        if not reading.measured:
            detail = "is a video of which no frame could be measured"
            raise Unprocessable(f"file {detail}", errors=[FieldError("/file", detail)])
        return score(reading.speed_mps, truth.speed_mps, reading.sd_mps), measured


def _speeds(upload: Upload, part: Part, most: int) -> SpeedList:
    if part.size > MAX_BYTES:
        detail = f"has {part.size:,} bytes; as text at most {MAX_BYTES:,} are read"
        raise TooLarge(f"{part.name} {detail}", errors=[FieldError(f"/{part.name}", detail)])
    return read_speeds(upload.read(part), part.name, most)


def _measured(reader: Reader, model: SpeedModel, reading: Reading) -> Measured:
    named = {"name": model.name, "version": model.version, "provider": model.provider}
    return Measured(reading, named, reader.smoothing)


def _filmed(measured: Measured, reader: Reader, pictures: Iterator[tuple[float, Picture]]) -> Measured:
    reading = measured.reading
    told = Told(
        reading.camera, reading.time_s, reading.speed_mps, reading.sd_mps, reading.raw_mps,
        reading.attitudes, reading.troubles, measured.title,
    )  # fmt: skip
    film = TemporaryFile(buffering=0)  # noqa: SIM115 - whoever answers closes it
    try:
        with ahead(pictures, FRAMES_AHEAD) as decoded:
            draw_film(told, decoded, reading.fps, film, reader.check, reporter(READ_OF_FILM, READ))
    except BaseException:
        film.close()
        raise
    return Measured(reading, measured.model, measured.smoothing, film)


def _check() -> Callable[[], None]:
    context = current_context.get()
    return context.check if context else lambda: None
