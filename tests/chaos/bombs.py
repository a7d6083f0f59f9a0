"""Bodies that are small on the wire and large, or without end, for whoever believes them."""

import gzip
import io
import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

TREND, EMBED, FRAMES, VIDEO = "/v1/stats/trend", "/v1/embeddings", "/v1/speed/frames", "/v1/speed/video"
INFORMATION, INFER = "/v1/text/information", "/v2/models/text-embedding/infer"
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Bomb:
    """`body` makes it anew: some are too large to be held by all tests."""

    path: str
    body: Callable[[], bytes]
    headers: dict[str, str] = field(default_factory=lambda: JSON)


def png(width: int, height: int) -> bytes:
    """A bit a pixel, all black: 1,000 to 1 on the wire, 8,000 to 1 as bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(1)
    row = b"\0" * ((width + 7) // 8 + 1)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    """A small one that says it is large."""
    found, packed = cv2.imencode(".jpg", np.zeros((16, 16), np.uint8))
    assert found
    data = bytearray(packed.tobytes())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def form(*images: bytes, boundary: str = "b", end: str = "--b--\r\n") -> bytes:
    out = io.BytesIO()
    out.write(f'--{boundary}\r\nContent-Disposition: form-data; name="fps"\r\n\r\n20\r\n'.encode())
    for number, image in enumerate(images):
        out.write(f'--{boundary}\r\nContent-Disposition: form-data; name="frames"; filename="{number}"\r\n'.encode())
        out.write(b"Content-Type: application/octet-stream\r\n\r\n" + image + b"\r\n")
    return out.getvalue() + end.encode()


MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}


def tensor(**changed: object) -> dict[str, object]:
    return {"name": "text", "datatype": "BYTES", "shape": [1], **changed}


def infer(*inputs: dict[str, object]) -> bytes:
    return json.dumps({"inputs": inputs}).encode()


def binary(claimed: int, header: dict[str, object] | None = None, rest: bytes = b"") -> Bomb:
    head = json.dumps({"inputs": [header or tensor(parameters={"binary_data_size": len(rest)})]}).encode()
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(claimed or len(head))}
    return Bomb(INFER, lambda: head + rest, headers)


ZEROS = gzip.compress(b'{"series":[' + b"0," * 5_000_000 + b"0]}")
BOMBS = {
    "gzip": Bomb(TREND, lambda: ZEROS, {**JSON, "Content-Encoding": "gzip"}),
    "deflate": Bomb(EMBED, lambda: zlib.compress(b" " * 10_000_000), {**JSON, "Content-Encoding": "deflate"}),
    "gzipped video": Bomb(VIDEO, lambda: ZEROS, {"Content-Type": "video/mp4", "Content-Encoding": "gzip"}),
    "large PNG": Bomb(FRAMES, lambda: form(png(30_000, 30_000), png(30_000, 30_000)), MULTIPART),
    "wide PNG": Bomb(FRAMES, lambda: form(png(1_000_000, 64), png(1_000_000, 64)), MULTIPART),
    "large JPEG": Bomb(FRAMES, lambda: form(jpeg(65_500, 65_500), jpeg(65_500, 65_500)), MULTIPART),
    "image as video": Bomb(VIDEO, lambda: png(30_000, 30_000), {"Content-Type": "video/mp4"}),
    "zip as video": Bomb(VIDEO, lambda: b"PK\x03\x04" + b"\0" * 100_000, {"Content-Type": "video/mp4"}),
    "many parts": Bomb(FRAMES, lambda: form(*[b""] * 20_000), MULTIPART),
    "no last boundary": Bomb(FRAMES, lambda: form(jpeg(16, 16), jpeg(16, 16), end=""), MULTIPART),
    "no boundary at all": Bomb(FRAMES, lambda: b"x" * 100_000, MULTIPART),
    "no boundary named": Bomb(FRAMES, lambda: form(b""), {"Content-Type": "multipart/form-data"}),
    "long part header": Bomb(FRAMES, lambda: b"--b\r\nX: " + b"x" * 5_000_000, MULTIPART),
    "deep": Bomb(TREND, lambda: b'{"series":' + b"[" * 1_000_000),
    "deep texts": Bomb(EMBED, lambda: b'{"model":"text-embedding","input":' + b"[" * 1_000_000),
    "deep tensors": Bomb(INFER, lambda: b'{"inputs":' + b"[" * 1_000_000),
    "deep objects": Bomb(INFORMATION, lambda: b'{"texts":' + b'{"a":' * 500_000),
    "long number": Bomb(TREND, lambda: b'{"series":[1,2,' + b"1" * 1_000_000 + b"]}"),
    "long fraction": Bomb(TREND, lambda: b'{"series":[1,2,"' + b"1" * 1_000_000 + b'"]}'),
    "infinite number": Bomb(TREND, lambda: b'{"series":[1,2,1e999]}'),
    "long exponent": Bomb(TREND, lambda: b'{"series":[1,2,1e' + b"9" * 1_000_000 + b"]}"),
    "long text": Bomb(INFORMATION, lambda: b'{"texts":["' + b"word " * 4_000_000 + b'"]}'),
    "long text to embed": Bomb(EMBED, lambda: b'{"model":"text-embedding","input":"' + b"w" * 20_000_000 + b'"}'),
    "many texts": Bomb(EMBED, lambda: b'{"model":"text-embedding","input":[' + b'"a",' * 1_000_000 + b'"a"]}'),
    "no UTF-8": Bomb(INFORMATION, lambda: b'{"texts":["\xff\xfe"]}'),
    "lone surrogate": Bomb(INFORMATION, lambda: b'{"texts":["a \\ud800 b"]}'),
    "lone surrogate to embed": Bomb(EMBED, lambda: b'{"model":"text-embedding","input":"a \\udfff b"}'),
    "lone surrogate in a tensor": Bomb(INFER, lambda: infer(tensor(data=["?"])).replace(b"?", b"\\ud800")),
    "tensor of a shape without end": Bomb(INFER, lambda: infer(tensor(shape=[1 << 40, 1 << 40], data=["a"]))),
    "tensor of a negative shape": Bomb(INFER, lambda: infer(tensor(shape=[-1], data=["a"]))),
    "many tensors": Bomb(INFER, lambda: infer(*[tensor(data=["a"])] * 100_000)),
    "binary head beyond its body": binary(1 << 40),
    "binary tensor beyond its body": binary(0, tensor(parameters={"binary_data_size": 1 << 40})),
    "binary tensor of negative size": binary(0, tensor(parameters={"binary_data_size": -8}), b"\1\0\0\0a"),
    "binary text beyond its tensor": binary(0, rest=struct.pack("<I", 0xFFFFFFFF) + b"a"),
    "one wide line of CSV": Bomb(TREND, lambda: b"," * 5_000_000, {"Content-Type": "text/csv"}),
}  # fmt: skip
