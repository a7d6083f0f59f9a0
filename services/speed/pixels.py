"""Decoded frames as pictures for measuring and for looking at: luma or colour, upright, with square pixels."""

from dataclasses import dataclass
from typing import Any, cast

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

NARROW_RANGE, FULL_RANGE = 1, 2
"""FFmpeg's AVCOL_RANGE_MPEG, luma from 16 to 235 (ITU-R BT.601 and BT.709), and AVCOL_RANGE_JPEG, from 0 to 255."""
EXPANDED = np.clip((np.arange(256) - 16) * 255 // 219, 0, 255).astype(np.uint8)
"""Luma of 16 to 235 brought to 0 to 255."""
LUMA_FIRST = ("yuv", "gray", "nv1", "nv2", "p01", "p21", "p41")
"""How the names of pixel formats begin whose first plane is luma."""
PACKED = ("yuyv", "yuv2")
MOST_STRETCH = 4.0
LEAST_STRETCH = 0.005
"""Pixels that are further from square than the one are nonsense, nearer than the other square."""


@dataclass(frozen=True, slots=True)
class Upright:
    """How a picture as coded becomes one as shown: pixels squared first, then transposed, then mirrored."""

    stretch: float = 1.0
    transposed: bool = False
    mirrored: bool = False
    flipped: bool = False

    @classmethod
    def of(cls, frame: av.VideoFrame, sample_aspect_ratio: Any) -> "Upright":
        """By the display matrix of the frame, turns to the nearest quarter, and the shape of its pixels."""
        ratio = float(sample_aspect_ratio or 1)
        sane = 1 / MOST_STRETCH <= ratio <= MOST_STRETCH and abs(ratio - 1) > LEAST_STRETCH
        matrix = _display_matrix(frame)
        if matrix is None:
            return cls(ratio if sane else 1.0)
        a, b, _, c, d, *_ = matrix
        transposed = abs(b) > abs(a)
        across, down = (c, b) if transposed else (a, d)
        return cls(ratio if sane else 1.0, transposed, across < 0, down < 0)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height as shown of frames coded in that size."""
        wide = round(width * self.stretch)
        return (height, wide) if self.transposed else (wide, height)

    def apply(self, picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        if self.stretch != 1:
            size = (round(width * self.stretch), height)
            how = cv2.INTER_AREA if self.stretch < 1 else cv2.INTER_LINEAR
            picture = cv2.resize(picture, size, interpolation=how).astype(np.uint8, copy=False)
        if self.transposed:
            picture = picture.swapaxes(0, 1)
        if self.mirrored:
            picture = picture[:, ::-1]
        if self.flipped:
            picture = picture[::-1]
        return np.ascontiguousarray(picture)


def _display_matrix(frame: av.VideoFrame) -> NDArray[np.int32] | None:
    """ISO/IEC 14496-12, 6.2.2: a b u, c d v, x y w, taking (x, y) of the picture to (ax + cy, bx + dy)."""
    data = cast(Any, frame.side_data).get("DISPLAYMATRIX")
    return None if data is None else np.frombuffer(bytes(data), np.int32, 9)


def luma(frame: av.VideoFrame) -> Picture:
    """[height, width] brightness from 0 to 255 of a frame of any format, as coded."""
    name, plane = frame.format.name, frame.planes[0]
    bits = frame.format.components[0].bits
    if not _has_luma_plane(name) or plane.line_size < plane.width or not 8 <= bits <= 16:
        return _woven(frame, _converted(frame, "gray"))
    data = memoryview(plane)
    if bits == 8:
        grey = np.frombuffer(data, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
    else:
        deep = np.frombuffer(data, np.uint16).reshape(plane.height, plane.line_size // 2)[:, : plane.width]
        grey = (deep >> (8 if name.startswith("p") else bits - 8)).astype(np.uint8)
    return _woven(frame, grey.copy() if _full(frame) else cv2.LUT(grey, EXPANDED).astype(np.uint8, copy=False))


def colour(frame: av.VideoFrame) -> Picture:
    """[height, width, 3] blue, green, red, as coded."""
    return _woven(frame, _converted(frame, "bgr24"))


def _has_luma_plane(name: str) -> bool:
    return name.startswith(LUMA_FIRST) and not name.startswith(PACKED) and not name.endswith("be")


def _full(frame: av.VideoFrame) -> bool:
    """Where a file does not say, grey is taken to be of full range and everything else not, as FFmpeg does."""
    name = frame.format.name
    if name.startswith("gray"):
        return frame.color_range != NARROW_RANGE
    return frame.color_range == FULL_RANGE or name.startswith("yuvj")


def _converted(frame: av.VideoFrame, name: str) -> Picture:
    """By FFmpeg's own scaler."""
    return cast(Picture, frame.to_ndarray(format=name))


def _woven(frame: av.VideoFrame, picture: Picture) -> Picture:
    """Of an interlaced frame the lines of one field, those of the other, which shows another moment, from between."""
    if frame.interlaced_frame and len(picture) > 2:
        upper, lower = picture[0:-2:2], picture[2::2]
        picture[1:-1:2] = upper // 2 + lower // 2 + (upper & lower & 1)
    return picture
