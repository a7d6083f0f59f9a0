"""Small videos and images made here, whole and broken in chosen ways."""

import io
import os
import struct
import tempfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from services.speed.uploads import Part, Upload

WIDTH, HEIGHT, FPS = 160, 96, 25.0
CONTAINERS = {"mkv": "matroska", "ts": "mpegts"}
"""FFmpeg's names for those that go by another."""


def pictures(count: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """[count, height, width] a smooth random texture that moves down 2 pixels a frame."""
    noise = np.random.default_rng(3).integers(0, 256, (height + 2 * count, width), np.uint8)
    texture = cv2.GaussianBlur(noise, (0, 0), 2)
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX)  # type: ignore[call-overload]
    found = [texture[2 * (count - k) : 2 * (count - k) + height] for k in range(count)]
    return np.array(found, np.uint8).reshape(count, height, width)


def video(count: int = 8, kind: str = "mp4", codec: str = "mp4v", width: int = WIDTH, height: int = HEIGHT) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"clip.{kind}"
        writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), FPS, (width, height))
        assert writer.isOpened()
        for grey in pictures(count, width, height):
            writer.write(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))
        writer.release()
        return path.read_bytes()


def image(index: int = 0, kind: str = "JPEG", width: int = WIDTH, height: int = HEIGHT, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pictures(index + 1, width, height)[-1]).save(out, kind, **options)
    return out.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that announces this size and holds next to nothing."""
    out = b"\x89PNG\r\n\x1a\n"
    for kind, data in (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0" * 100)),
        (b"IEND", b""),
    ):
        out += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return out


def jpeg_header(width: int, height: int) -> bytes:
    """A JPEG of 16 x 16 pixels whose header announces this size."""
    data = bytearray(image(0, "JPEG", 16, 16))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def boxes(data: bytes) -> dict[bytes, tuple[int, int]]:
    """The top boxes of an MP4 file: where each starts and how long it is."""
    found, at = {}, 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4])
        found[data[at + 4 : at + 8]] = (at, size)
        at += max(size, 8)
    return found


def without_index(data: bytes) -> bytes:
    start, size = boxes(data)[b"moov"]
    return data[:start] + data[start + size :]


def index_first(data: bytes) -> bytes:
    """The same MP4 with its index before its data, as for streaming: it can be cut off and still opens."""
    start, size = boxes(data)[b"moov"]
    head, _ = boxes(data)[b"mdat"]
    moov = bytearray(data[start : start + size])
    at = moov.index(b"stco")
    for k in range(int.from_bytes(moov[at + 8 : at + 12])):
        place = at + 12 + 4 * k
        moov[place : place + 4] = (int.from_bytes(moov[place : place + 4]) + size).to_bytes(4)
    return data[:head] + bytes(moov) + data[head:start] + data[start + size :]


def with_frame_times(data: bytes, ticks: list[int]) -> bytes:
    """An MP4, index last, whose frames last that many ticks of its clock: a variable frame rate.

    Its edit list, which would cut it to its former length, goes.
    """
    at = data.index(b"stts")
    old = int.from_bytes(data[at - 4 : at])
    entries = b"".join(struct.pack(">II", 1, each) for each in ticks)
    box = struct.pack(">I4sII", 16 + len(entries), b"stts", 0, len(ticks)) + entries
    out = bytearray(data[: at - 4] + box + data[at - 4 + old :])
    for parent in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        place = out.index(parent) - 4
        out[place : place + 4] = (int.from_bytes(out[place : place + 4]) + len(box) - old).to_bytes(4)
    return bytes(out).replace(b"edts", b"free")


def ticks_per_frame(data: bytes) -> int:
    at = data.index(b"stts")
    return int.from_bytes(data[at + 16 : at + 20])


def turned(data: bytes) -> bytes:
    """An MP4 that asks to be shown turned by 90 degrees, as telephones write it."""
    at = data.index(b"tkhd") + 4 + 40
    matrix = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    return data[:at] + matrix + data[at + 36 :]


def upload(*files: bytes) -> Upload:
    """As the service has it once a body is on disk."""
    file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
    found = Upload(file)
    for data in files:
        found.parts.append(Part("frames", "", found.size, len(data)))
        file.write(data)
        found.size += len(data)
    return found


def encoded(grey: NDArray[np.uint8], kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(grey).save(out, kind)
    return out.getvalue()


def coded(
    count: int = 8,
    codec: str = "libx264",
    kind: str = "mp4",
    pixels: str = "yuv420p",
    *,
    width: int = WIDTH,
    height: int = HEIGHT,
    times: Sequence[int] | None = None,
    shown: Iterable[NDArray[np.uint8]] | None = None,
    options: Mapping[str, str] | None = None,
    turn: int = 0,
    **context: Any,
) -> bytes:
    """`pictures`, or those `shown`, written by FFmpeg's own coder, at FPS or at `times` in thousandths of a second.

    `turn` is how far, in degrees and counterclockwise, players turn the picture; `context` sets the coder's attributes.
    """
    file = io.BytesIO()
    tick = Fraction(1, int(FPS)) if times is None else Fraction(1, 1000)
    os.environ["SVT_LOG"] = "0"
    with av.open(file, "w", format=CONTAINERS.get(kind, kind)) as out:
        stream = cast(av.VideoStream, out.add_stream(codec, rate=int(FPS), options=dict(options or {})))
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.codec_context.time_base = stream.time_base = tick
        for name, value in context.items():
            setattr(stream.codec_context, name, value)
        if turn:
            stream.set_display_rotation(turn)
        out.start_encoding()
        for index, grey in enumerate(pictures(count, width, height) if shown is None else shown):
            frame = av.VideoFrame.from_ndarray(grey, format="gray").reformat(
                format=pixels, src_color_range=2, dst_color_range=2 if pixels.startswith(("yuvj", "gray")) else 1
            )
            frame.pts, frame.time_base = index if times is None else times[index], tick
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file.getvalue()


def sound(kind: str = "mp4") -> bytes:
    """A tenth of a second of silence and no pictures."""
    file = io.BytesIO()
    with av.open(file, "w", format=CONTAINERS.get(kind, kind)) as out:
        stream = out.add_stream("aac", rate=48_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)
    return file.getvalue()


def changing_size() -> bytes:
    """Four frames of one size and then four of another, as MPEG-TS allows."""
    return coded(4, kind="ts") + coded(4, kind="ts", width=176, times=[400, 440, 480, 520])
