"""Pictures as luma and chroma planes. Pillow reads the size off the header before anything is decoded."""

import io

import numpy as np

from services.stats.chroma import STEPS, IntArray, Subsampling, chroma_shape
from shared.errors import Malformed, TooLarge, UnsupportedMedia

FORMATS = ("JPEG", "PNG", "WEBP")
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError)
"""What Pillow's readers are seen to raise for damaged files."""


def planes(data: bytes, subsampling: Subsampling, most: int) -> tuple[IntArray, IntArray, IntArray]:
    """Y, Cb and Cr of a JPEG, PNG or WebP picture as it is stored, by JFIF's conversion (BT.601, full range); the
    chroma of several pixels is their mean. Of an animation the first picture counts, transparency does not.

    Raises UnsupportedMedia for what is no such picture, Malformed for a damaged one, TooLarge beyond `most` pixels.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            if width * height > most:
                raise TooLarge(f"the picture has {width:,} x {height:,} pixels; {most:,} at most")
            pixels = np.asarray(image.convert("RGB").convert("YCbCr"))
    except UnidentifiedImageError:
        raise UnsupportedMedia("the body is no JPEG, PNG or WebP picture") from None
    except Image.DecompressionBombError:
        raise TooLarge(f"the picture has more than {most:,} pixels") from None
    except _BROKEN as error:
        raise Malformed(f"the picture cannot be read: {error}") from None
    luma, blue, red = (pixels[:, :, channel].astype(np.int32) for channel in range(3))
    return luma, _averaged(blue, subsampling), _averaged(red, subsampling)


def _averaged(plane: IntArray, subsampling: Subsampling) -> IntArray:
    """The mean of the pixels under each chroma sample, halves up; the last column and row stand for what lacks."""
    down, across = STEPS[subsampling]
    high, wide = chroma_shape((plane.shape[0], plane.shape[1]), subsampling)
    padded = np.pad(plane, ((0, high * down - plane.shape[0]), (0, wide * across - plane.shape[1])), mode="edge")
    sums = padded.reshape(high, down, wide, across).sum(axis=(1, 3), dtype=np.int32)
    mean: IntArray = (sums + down * across // 2) // (down * across)
    return mean
