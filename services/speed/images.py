"""Frames that come as images: JPEG, PNG or WebP, all of one size.

Pillow reads the size off the header before anything is decoded, and the same library then decodes: two would not
always agree on the size, and OpenCV fills what a truncated JPEG lacks with grey and says so on stderr only. An EXIF
orientation is applied, so sizes and camera are those of the image as shown. Of an animation the first picture counts.
"""

import io
import struct
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from services.speed.estimator import Frame
from services.speed.uploads import Files, InMemory, Part
from services.speed.video import Limits
from shared.errors import FieldError, Malformed, TooLarge, Unprocessable, UnsupportedMedia, VernierError

Image.MAX_IMAGE_PIXELS = None
"""Pillow only warns at its own limit; `Limits` refuses."""
warnings.filterwarnings("ignore", module=r"PIL\.")

FORMATS = ("JPEG", "PNG", "WEBP")
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How a picture of each EXIF orientation is brought upright (CIPA DC-008, 4.6.4)."""
TURNED = frozenset({5, 6, 7, 8})
"""Those that swap width and height."""
ORIENTATION = 0x0112
BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError)
"""What Pillow's readers are seen to raise for damaged files."""


@dataclass(frozen=True, slots=True)
class Images:
    """The images of one request, their headers read. Width and height as shown."""

    files: Files
    parts: Sequence[Part]
    times: Sequence[float]
    width: int
    height: int

    def frames(self, check: Callable[[], None] = lambda: None) -> Iterator[Frame]:
        """Grey frames in order. Raises Malformed naming the frame that does not decode."""
        for index, (part, time_s) in enumerate(zip(self.parts, self.times, strict=True)):
            check()
            yield Frame(time_s, _decode(self.files.read(part), index, _grey))

    def pictures(self, check: Callable[[], None] = lambda: None) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        """The same in colour: uint8 [height, width, 3], blue, green, red."""
        for index, (part, time_s) in enumerate(zip(self.parts, self.times, strict=True)):
            check()
            yield time_s, _decode(self.files.read(part), index, _colour)


def open_images(files: Files, times: Sequence[float], limits: Limits) -> Images:
    """Reads the headers. Raises UnsupportedMedia, Malformed, TooLarge or Unprocessable, naming the frame."""
    if len(files.parts) < 2:
        raise Unprocessable(
            f"the form has {len(files.parts)} part named frames; a speed needs two or more",
            errors=[FieldError("/frames", "two or more images are needed")],
        )
    sizes = [_size(files, part, index, limits) for index, part in enumerate(files.parts)]
    for index, size in enumerate(sizes):
        if size != sizes[0]:
            raise _at(
                Unprocessable, index,
                f"is {size[0]} x {size[1]} pixels, frame 0 is {sizes[0][0]} x {sizes[0][1]}; all must be of one size",
            )  # fmt: skip
    return Images(files, files.parts, times, *sizes[0])


def read_image(data: bytes, index: int, limits: Limits) -> NDArray[np.uint8]:
    """One image by itself, grey. Raises as `open_images` and `Images.frames` do."""
    files = InMemory([data])
    _size(files, files.parts[0], index, limits)
    return _decode(data, index, _grey)


def _size(files: Files, part: Part, index: int, limits: Limits) -> tuple[int, int]:
    if part.size == 0:
        raise _at(Malformed, index, "is empty")
    with _open(files.read(part), index) as image:
        width, height = image.size
        if _orientation(image) in TURNED:
            width, height = height, width
    try:
        limits.check_size(width, height, f"frame {index}")
    except (TooLarge, Unprocessable) as error:
        raise type(error)(error.detail, errors=[FieldError(f"/frames/{index}", error.detail)]) from None
    return width, height


def _open(data: bytes, index: int) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise _at(UnsupportedMedia, index, "is no JPEG, PNG or WebP image") from None
    except BROKEN as error:
        raise _at(Malformed, index, f"cannot be read: {error}") from None


def _orientation(image: Image.Image) -> int:
    """As the header says it; EXIF data that is damaged, or stands after the pixels, says nothing."""
    exif = Image.Exif()
    try:
        exif.load(image.info.get("exif", b""))
        return int(exif.get(ORIENTATION, 1))
    except (*BROKEN, struct.error):
        return 1


def _decode(data: bytes, index: int, convert: Callable[[Image.Image], NDArray[np.uint8]]) -> NDArray[np.uint8]:
    with _open(data, index) as image:
        turn = TURNS.get(_orientation(image))
        try:
            if image.format == "JPEG" and convert is _grey:
                image.draft("L", image.size)
            return convert(image if turn is None else image.transpose(turn))
        except BROKEN as error:
            raise _at(Malformed, index, f"does not decode: {error}") from None


def _grey(image: Image.Image) -> NDArray[np.uint8]:
    """Luma after ITU-R BT.601; 16-bit greys keep their upper 8 bits."""
    if image.mode.startswith("I;16") or image.mode == "I":
        return (np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8)
    return np.asarray(image if image.mode == "L" else image.convert("L"), dtype=np.uint8)


def _colour(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith("I"):
        return np.repeat(_grey(image)[:, :, None], 3, axis=2)
    return np.ascontiguousarray(np.asarray(image.convert("RGB"), dtype=np.uint8)[:, :, ::-1])


def _at(kind: type[VernierError], index: int, what: str) -> VernierError:
    return kind(f"frame {index} {what}", errors=[FieldError(f"/frames/{index}", what)])
