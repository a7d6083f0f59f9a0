"""Files broken as disks, networks and enemies break them; the same for the same seed."""

from collections.abc import Callable, Iterator

import numpy as np

from tests.services.speed import clips

Draw = np.random.Generator
Mutation = Callable[[bytes, Draw], bytes]


def videos(count: int = 4, width: int = 80, height: int = 64) -> dict[str, bytes]:
    """Small ones of the usual codecs and containers."""
    x265 = {"x265-params": "log-level=none:pools=none:frame-threads=1"}
    made = {
        "H.264 in MP4": clips.coded(count, width=width, height=height, options={"bf": "2"}),
        "H.264 in MPEG-TS": clips.coded(count, kind="ts", width=width, height=height),
        "H.264 in FLV": clips.coded(count, kind="flv", width=width, height=height),
        "HEVC in Matroska": clips.coded(count, "libx265", "mkv", width=width, height=height, options=x265),
        "VP8 in WebM": clips.coded(
            count, "libvpx", "webm", width=width, height=height, options={"deadline": "realtime"}
        ),
        "VP9 in WebM": clips.coded(
            count, "libvpx-vp9", "webm", width=width, height=height, options={"deadline": "realtime"}
        ),
        "AV1 in MP4": clips.coded(count, "libsvtav1", "mp4", width=width, height=height, options={"preset": "12"}),
        "MPEG-4 in MP4": clips.coded(count, "mpeg4", "mp4", width=width, height=height, turn=90),
        "MPEG-2 in MPEG": clips.coded(count, "mpeg2video", "mpeg", width=width, height=height),
        "MJPEG in AVI": clips.coded(count, "mjpeg", "avi", "yuvj420p", width=width, height=height),
    }
    made["H.264 in MP4, index first"] = clips.index_first(made["H.264 in MP4"])
    return made


def images(width: int = 80, height: int = 64) -> dict[str, bytes]:
    return {
        "JPEG": clips.image(0, "JPEG", width, height),
        "progressive JPEG": clips.image(0, "JPEG", width, height, progressive=True),
        "PNG": clips.image(0, "PNG", width, height),
        "WebP": clips.image(0, "WEBP", width, height),
        "lossless WebP": clips.image(0, "WEBP", width, height, lossless=True),
    }


def mutated(sources: dict[str, bytes], count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """`count` broken files and what each was and went through."""
    draw = np.random.default_rng(seed)
    names = list(sources)
    for index in range(count):
        name = names[index % len(names)]
        data, done = sources[name], []
        for _ in range(int(draw.integers(1, 3))):
            mutation = MUTATIONS[int(draw.integers(len(MUTATIONS)))]
            data = mutation(data, draw)
            done.append(mutation.__name__)
        yield f"{index}: {name}, {' and '.join(done)}", data


def flip_bits(data: bytes, draw: Draw) -> bytes:
    out = bytearray(data)
    for at in draw.integers(0, max(len(out), 1), int(2 ** draw.integers(0, 7))):
        if out:
            out[at] ^= 1 << int(draw.integers(8))
    return bytes(out)


def set_bytes(data: bytes, draw: Draw) -> bytes:
    out = bytearray(data)
    for at in draw.integers(0, max(len(out), 1), int(draw.integers(1, 12))):
        if out:
            out[at] = int(draw.choice([0, 1, 0x7F, 0x80, 0xFF, int(draw.integers(256))]))
    return bytes(out)


def cut_off(data: bytes, draw: Draw) -> bytes:
    return data[: int(draw.integers(len(data) + 1))]


def lose_block(data: bytes, draw: Draw) -> bytes:
    start, end = _span(data, draw)
    return data[:start] + data[end:]


def repeat_block(data: bytes, draw: Draw) -> bytes:
    start, end = _span(data, draw)
    return data[:end] + data[start:end] * int(draw.integers(1, 4)) + data[end:]


def insert_noise(data: bytes, draw: Draw) -> bytes:
    at = int(draw.integers(len(data) + 1))
    return data[:at] + draw.bytes(int(draw.integers(1, 300))) + data[at:]


def swap_blocks(data: bytes, draw: Draw) -> bytes:
    a, b, c, d = sorted(int(each) for each in draw.integers(0, len(data) + 1, 4))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def swap_boxes(data: bytes, draw: Draw) -> bytes:
    """The top boxes of an MP4 in another order; of other files the blocks."""
    if data[4:8] != b"ftyp":
        return swap_blocks(data, draw)
    boxes = [data[start : start + size] for start, size in clips.boxes(data).values() if size >= 8]
    return b"".join(boxes[k] for k in draw.permutation(len(boxes)))


def lie_of_sizes(data: bytes, draw: Draw) -> bytes:
    """Four bytes that may be a length, a count or a dimension become huge, zero or one off."""
    out = bytearray(data)
    if len(out) < 8:
        return data
    for _ in range(int(draw.integers(1, 4))):
        at = int(draw.integers(len(out) - 4))
        old = int.from_bytes(out[at : at + 4])
        new = int(draw.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, old + 1, old // 2, 65_536])) & 0xFFFFFFFF
        out[at : at + 4] = new.to_bytes(4)
    return bytes(out)


def edit_header(data: bytes, draw: Draw) -> bytes:
    head = bytearray(data[:200])
    for at in draw.integers(0, max(len(head), 1), 4):
        if head:
            head[at] = int(draw.integers(256))
    return bytes(head) + data[200:]


def _span(data: bytes, draw: Draw) -> tuple[int, int]:
    start = int(draw.integers(len(data) + 1))
    return start, min(len(data), start + int(2 ** draw.integers(0, 11)))


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits, set_bytes, cut_off, lose_block, repeat_block, insert_noise, swap_blocks, swap_boxes, lie_of_sizes,
    edit_header,
)  # fmt: skip
