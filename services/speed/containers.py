"""What a video file says of itself before any decoder touches it: its container, and in MP4 whether it is whole.

Only the containers listed are handed to FFmpeg. Its playlist formats (HLS, concat, DASH) name other files and hosts,
so none of them may be reached from an upload.
"""

import os
from dataclasses import dataclass
from io import FileIO

from shared.errors import Malformed, Unprocessable, UnsupportedMedia

DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg"
NAMES = "MP4, MOV, MKV, WebM, AVI, MPEG-TS, MPEG-PS, FLV or Ogg"
MAGICS = {b"\x1a\x45\xdf\xa3": "matroska", b"\0\0\1\xba": "mpeg", b"FLV\1": "flv", b"OggS": "ogg"}
MP4_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"})
PARENTS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})
MAX_BOXES = 100_000


@dataclass(frozen=True, slots=True)
class Container:
    """`sizes` are the pictures' sizes as (width, height) where the header states them."""

    kind: str
    truncated: bool = False
    sizes: tuple[tuple[int, int], ...] = ()


def inspect(file: FileIO) -> Container:
    """Raises Malformed for an empty file or one whose index is missing, UnsupportedMedia for another kind of file."""
    head = os.pread(file.fileno(), 400, 0)
    if not head:
        raise Malformed("the video is empty: 0 bytes")
    kind = sniff(head)
    if kind is None:
        raise UnsupportedMedia(f"this is no video that is read here; send {NAMES}")
    if kind == "mp4":
        return _inspect_mp4(file.fileno())
    if kind == "avi" and head[24:28] == b"avih":
        return Container(kind, sizes=((_little(head, 64), _little(head, 68)),))
    return Container(kind)


def sniff(head: bytes) -> str | None:
    """The container by its first bytes."""
    if head[4:8] in MP4_BOXES:
        return "mp4"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    for magic, kind in MAGICS.items():
        if head.startswith(magic):
            return kind
    if head[:1] == b"\x47" and head[188:189] in (b"\x47", b""):
        return "mpegts"
    return None


def _little(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


class _Mp4:
    """The boxes of ISO/IEC 14496-12, as far as is asked here."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.end = os.fstat(fd).st_size
        self.boxes = 0
        self.truncated = False
        self.seen: set[bytes] = set()
        self.handlers: set[bytes] = set()
        self.sizes: list[tuple[int, int]] = []

    def walk(self, start: int, end: int, depth: int = 0) -> None:
        while start + 8 <= end and self.boxes < MAX_BOXES:
            self.boxes += 1
            header = os.pread(self.fd, 16, start)
            size, kind, body = int.from_bytes(header[:4]), header[4:8], 8
            if size == 1:
                size, body = int.from_bytes(header[8:16]), 16
            elif size == 0:
                size = end - start
            if size < body:
                return
            self.truncated |= start + size > end
            self._take(kind, start + body, min(start + size, end), depth)
            start += size

    def _take(self, kind: bytes, start: int, end: int, depth: int) -> None:
        self.seen.add(kind)
        if kind in PARENTS and depth < 8:
            self.walk(start, end, depth + 1)
        elif kind == b"hdlr":
            self.handlers.add(os.pread(self.fd, 4, start + 8))
        elif kind == b"stsd":
            entry = os.pread(self.fd, 44, start)
            self.sizes.append((int.from_bytes(entry[40:42]), int.from_bytes(entry[42:44])))


def _inspect_mp4(fd: int) -> Container:
    file = _Mp4(fd)
    file.walk(0, file.end)
    if b"moov" not in file.seen:
        raise Malformed(
            "the MP4 file's index (its moov box) is missing: it was cut off, or its recording was never finished"
        )
    if file.handlers and b"vide" not in file.handlers and b"moof" not in file.seen:
        raise Unprocessable("the file has no video track; a speed needs pictures")
    return Container("mp4", file.truncated, tuple(file.sizes))
