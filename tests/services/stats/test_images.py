import io
import zlib

import numpy as np
import pytest
from PIL import Image

from services.stats.images import planes
from shared.errors import Malformed, TooLarge, UnsupportedMedia


def written(pixels: np.ndarray, kind: str = "PNG", mode: str | None = None) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(pixels.astype(np.uint8))
    (image.convert(mode) if mode else image).save(file, kind)
    return file.getvalue()


def test_jfif_s_conversion() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6, 8, 3))
    luma, blue, red = planes(written(pixels), "4:4:4", 100)
    r, g, b = np.moveaxis(pixels.astype(float), 2, 0)
    # ITU-T T.871, section 7; the library rounds to whole numbers
    np.testing.assert_allclose(luma, 0.299 * r + 0.587 * g + 0.114 * b, atol=1)
    np.testing.assert_allclose(blue, -0.168736 * r - 0.331264 * g + 0.5 * b + 128, atol=1)
    np.testing.assert_allclose(red, 0.5 * r - 0.418688 * g - 0.081312 * b + 128, atol=1)
    _, small, _ = planes(written(pixels), "4:2:0", 100)
    np.testing.assert_allclose(small, blue.reshape(3, 2, 4, 2).mean(axis=(1, 3)), atol=0.5)
    _, half, _ = planes(written(pixels), "4:2:2", 100)
    np.testing.assert_allclose(half, blue.reshape(6, 4, 2).mean(axis=2), atol=0.5)


def test_odd_sizes_grey_and_transparency() -> None:
    pixels = np.zeros((3, 5, 3))
    pixels[2, 4] = 255, 0, 0
    luma, blue, _ = planes(written(pixels), "4:2:0", 100)
    assert (luma.shape, blue.shape) == ((3, 5), (2, 3))
    assert blue[1, 2] == pytest.approx(85, abs=1)  # the last column and row stand for what lacks
    for mode in ("L", "RGBA", "P"):
        assert planes(written(pixels, mode=mode), "4:4:4", 100)[0].shape == (3, 5)
    assert np.all(planes(written(pixels, mode="L"), "4:4:4", 100)[1] == 128)


def test_what_is_no_picture() -> None:
    whole = written(np.random.default_rng(0).integers(0, 256, (40, 40, 3)))
    with pytest.raises(UnsupportedMedia, match="no JPEG, PNG or WebP"):
        planes(b"GIF89a" + b"\0" * 40, "4:2:0", 10_000)
    with pytest.raises(Malformed, match="cannot be read"):
        planes(whole[: len(whole) // 2], "4:2:0", 10_000)
    with pytest.raises(TooLarge, match="40 x 40 pixels; 1,599 at most"):
        planes(whole, "4:2:0", 1599)


def test_a_picture_that_is_huge_is_not_decoded() -> None:
    small = bytearray(written(np.zeros((4, 4, 3))))
    small[16:24] = (60_000).to_bytes(4, "big") * 2
    small[29:33] = zlib.crc32(bytes(small[12:29])).to_bytes(4, "big")
    with pytest.raises(TooLarge):
        planes(bytes(small), "4:2:0", 10_000)
