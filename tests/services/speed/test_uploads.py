"""Bodies on their way to disk, as they come over the wire and cut anywhere."""

import os
import tempfile
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from typing import cast

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from services.speed.forms import receive_form
from services.speed.uploads import WRITE_BYTES, Upload, receive_raw
from shared.errors import ClientGone, Malformed, Overloaded, TooLarge, Unprocessable, VernierError

BOUNDARY = "frontier"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def part(name: str, data: bytes, filename: str | None = None) -> bytes:
    disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename else "")
    return f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + data + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


def request(chunks: Sequence[bytes], content_type: str = TYPE, hangs_up: bool = False) -> Request:
    messages = [{"type": "http.request", "body": each, "more_body": True} for each in chunks]
    messages.append(
        {"type": "http.disconnect"} if hangs_up else {"type": "http.request", "body": b"", "more_body": False}
    )
    queue = iter(messages)

    async def receive() -> dict[str, object]:
        return next(queue)

    return Request({"type": "http", "headers": [(b"content-type", content_type.encode())]}, receive)


def pieces(upload: Upload) -> list[bytes]:
    return [upload.read(each) for each in upload.parts]


@given(files=st.lists(st.binary(max_size=300), min_size=1, max_size=5), size=st.integers(1, 200))
async def test_form_in_chunks_of_any_size(files: list[bytes], size: int) -> None:
    body = b"".join(part("frames", data, f"{k}.png") for k, data in enumerate(files)) + part("fps", b"20") + END
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    async with receive_form(request(chunks), {"frames": 9}, ("fps",)) as upload:
        assert pieces(upload) == files
        assert upload.fields == {"fps": ["20"]}


async def test_raw_body_of_several_mebibytes() -> None:
    chunks = [bytes([k]) * 700_000 for k in range(5)]
    async with receive_raw(request(chunks, "video/mp4")) as upload:
        assert upload.size == 3_500_000
        with upload.taken(), open(upload.path, "rb") as again:  # noqa: ASYNC230
            assert again.read() == b"".join(chunks)


@pytest.mark.parametrize(
    ("body", "error", "what"),
    [
        (b"", Malformed, "breaks off"),
        (b"not a form", Malformed, "no multipart"),
        (part("frames", b"x"), Malformed, "breaks off"),
        (END, Unprocessable, "no part named frames"),
        (part("frame", b"x") + END, Unprocessable, "'frame'.* frames and fps would be"),
        (part("frames", b"x") * 4 + END, TooLarge, "more than 3 parts"),
        (part("fps", b"\xff") + END, Malformed, "not UTF-8"),
        (part("fps", b"1" * (1 << 20) + b"1") + END, TooLarge, "1,048,576"),
        (f"--{BOUNDARY}\r\nContent-Type: a/b\r\n\r\nx\r\n".encode() + END, Malformed, "Content-Disposition"),
    ],
)
async def test_refusals(body: bytes, error: type[VernierError], what: str) -> None:
    with pytest.raises(error, match=what):
        async with receive_form(request([body]), {"frames": 3}, ("fps",)):
            pass


async def test_no_boundary() -> None:
    with pytest.raises(Malformed, match="boundary"):
        async with receive_form(request([END], "multipart/form-data"), {"frames": 1}):
            pass


async def test_files_of_two_names() -> None:
    body = part("truth", b"123") + part("file", b"4567") + END
    async with receive_form(request([body]), {"file": 1, "truth": 1}) as upload:
        assert [(each.name, upload.read(each)) for each in upload.parts] == [("truth", b"123"), ("file", b"4567")]
        with upload.taken(), upload.alone(upload.parts[1]) as alone:
            assert (alone.size, Path(alone.path).read_bytes()) == (4, b"4567")  # noqa: ASYNC240
    with pytest.raises(Unprocessable, match="no part named truth"):
        async with receive_form(request([part("file", b"1") + END]), {"file": 1, "truth": 1}):
            pass
    with pytest.raises(TooLarge, match="more than 1 parts named file"):
        async with receive_form(request([part("file", b"1") * 2 + END]), {"file": 1, "truth": 1}):
            pass


@pytest.mark.parametrize("content_type", [TYPE, "video/mp4"])
async def test_cut_off_by_the_client(content_type: str) -> None:
    cut = request([part("file", b"x")[:-9]], content_type, hangs_up=True)
    with pytest.raises(ClientGone):
        async with receive_form(cut, {"file": 1}) if content_type == TYPE else receive_raw(cut):
            pass


async def test_who_computes_closes_the_file() -> None:
    async with receive_raw(request([b"abc"], "video/mp4")) as upload:
        taken = upload.taken()
        taken.__enter__()
    assert not upload.file.closed
    taken.__exit__(None, None, None)
    assert upload.file.closed


async def test_a_discarded_upload_is_not_computed() -> None:
    async with receive_raw(request([b"abc"], "video/mp4")) as upload:
        pass
    assert upload.file.closed
    with pytest.raises(ClientGone), upload.taken():
        pass


async def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """/dev/full answers every write as a full disk does."""

    def on_full_disk(buffering: int) -> FileIO:
        return cast(FileIO, open("/dev/full", "r+b", buffering=buffering))

    monkeypatch.setattr(tempfile, "TemporaryFile", on_full_disk)
    with pytest.raises(Overloaded, match="no room"):
        async with receive_raw(request([b"x" * WRITE_BYTES], "video/mp4")):
            pass


@pytest.mark.parametrize(("size", "of_disk"), [(10, False), (WRITE_BYTES - 1, False), (WRITE_BYTES, True)])
async def test_small_bodies_stay_in_memory(size: int, of_disk: bool) -> None:
    body = bytes(size)
    async with receive_raw(request([body[:7], body[7:]], "video/mp4")) as upload:
        assert upload.size == size
        assert os.pread(upload.file.fileno(), size + 1, 0) == body
        assert ("memfd:" not in os.readlink(upload.path)) == of_disk
