"""Images, whole and broken: refused by their headers where that is possible."""

import io
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from services.speed.estimator import Frame
from services.speed.images import open_images
from services.speed.video import Limits
from shared.errors import Malformed, TooLarge, Unprocessable, UnsupportedMedia, VernierError
from tests.services.speed import clips

GOOD = clips.image()


def read(*files: bytes, limits: Limits | None = None) -> list[Frame]:
    with clips.upload(*files).taken() as upload:
        times = [0.1 * k for k in range(len(files))]
        return list(open_images(upload, times, limits or Limits()).frames())


@pytest.mark.parametrize(
    ("kind", "options", "near"), [("JPEG", {"quality": 95}, 3), ("PNG", {}, 0), ("WEBP", {"lossless": True}, 1)]
)
def test_pixels(kind: str, options: dict[str, Any], near: int) -> None:
    """PNG exactly; lossless WebP but for its way through RGB; JPEG within 3 grey levels on average."""
    frames = read(*(clips.image(k, kind, **options) for k in range(3)))
    for k, frame in enumerate(frames):
        assert frame.time_s == pytest.approx(0.1 * k)
        assert frame.grey.dtype == np.uint8
        assert np.abs(frame.grey.astype(int) - clips.pictures(k + 1)[-1]).mean() <= near


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "LA", "1", "I;16", "CMYK"])
def test_every_mode_becomes_grey(mode: str) -> None:
    grey = clips.pictures(1)[0]
    if mode == "I;16":
        picture = Image.fromarray(grey.astype(np.uint16) << 8)
    else:
        picture = Image.fromarray(grey).convert("RGB" if mode == "P" else "L")
        picture = picture.convert(mode, dither=Image.Dither.NONE, palette=Image.Palette.ADAPTIVE)
    out = io.BytesIO()
    picture.save(out, "JPEG" if mode == "CMYK" else "PNG", **({"quality": 95} if mode == "CMYK" else {}))
    frame = read(out.getvalue(), out.getvalue())[0]
    assert frame.grey.shape == grey.shape
    assert frame.grey.dtype == np.uint8
    assert np.corrcoef(frame.grey.ravel(), grey.ravel())[0, 1] > (0.5 if mode == "1" else 0.98)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    """As Pillow's own `exif_transpose` does it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = clips.image(0, kind, exif=exif)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("L"))
    with clips.upload(data, data).taken() as upload:
        images = open_images(upload, [0, 1], Limits())
        assert (images.height, images.width) == expected.shape
        assert next(images.frames()).grey.tolist() == expected.tolist()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")  # as the module has it where tests do not set the filters
def test_damaged_exif_is_left_aside() -> None:
    data = clips.image(0, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x09garbage")
    assert read(data, data)[0].grey.shape == (clips.HEIGHT, clips.WIDTH)


@pytest.mark.parametrize("header", [clips.png_header, clips.jpeg_header])
def test_thirty_thousand_pixels_square_are_refused_undecoded(header: Callable[[int, int], bytes]) -> None:
    """900 million pixels; what is allocated to say no stays under 4 MB."""
    huge = header(30_000, 30_000)
    tracemalloc.start()
    with pytest.raises(TooLarge, match="frame 1") as caught:
        read(GOOD, huge)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20
    assert caught.value.errors[0].pointer == "/frames/1"


@pytest.mark.parametrize(
    ("files", "error", "what"),
    [
        ([GOOD], Unprocessable, "1 part named frames"),
        ([clips.image(0, "PNG", 1, 1)] * 2, Unprocessable, "frame 0 is 1 x 1 pixels"),
        ([GOOD, clips.image(0, "PNG", 200, 96)], Unprocessable, "frame 1 is 200 x 96 pixels, frame 0 is 160 x 96"),
        ([GOOD, b""], Malformed, "frame 1 is empty"),
        ([GOOD, b"GIF89a" + bytes(40)], UnsupportedMedia, "frame 1 is no JPEG"),
        ([GOOD, GOOD[: len(GOOD) // 2]], Malformed, "frame 1 does not decode"),
        ([GOOD, clips.image(0, "PNG")[:400]], Malformed, "frame 1 does not decode"),
        ([GOOD, clips.image(0, "WEBP")[:-50]], Malformed, "frame 1"),
        ([GOOD, clips.png_header(clips.WIDTH, clips.HEIGHT)], Malformed, "frame 1 does not decode"),
    ],
    ids=["one", "1x1", "sizes", "empty", "gif", "half a jpeg", "half a png", "half a webp", "png of nothing"],
)
def test_refusals(files: list[bytes], error: type[VernierError], what: str) -> None:
    with pytest.raises(error, match=what) as caught:
        read(*files)
    assert caught.value.errors[0].pointer.startswith("/frames")


def test_flipped_bytes_end_in_frames_or_a_refusal(capfd: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    for kind in ("JPEG", "PNG", "WEBP"):
        data = clips.image(0, kind)
        for _ in range(100):
            broken = bytearray(data)
            for at in rng.integers(0, len(data), 4):
                broken[at] = rng.integers(256)
            try:
                frames = read(bytes(broken), bytes(broken), limits=Limits(max_pixels=1 << 20))
            except (Malformed, TooLarge, Unprocessable, UnsupportedMedia):
                continue
            assert len(frames) == 2
    assert capfd.readouterr().err == ""
