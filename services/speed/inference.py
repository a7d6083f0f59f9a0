"""Speed under the inference protocol: images as tensors in, the columns of `/v1/speed/frames` out."""

from collections.abc import Callable, Mapping
from typing import Any, get_args

import numpy as np

from services.speed.moments import increasing
from services.speed.reading import Measurer, Reader
from services.speed.smoothing import Smoothing
from services.speed.uploads import InMemory
from services.speed.video import Limits
from services.speed.views import View
from shared.errors import Malformed, TooLarge, Unprocessable, UnsupportedMedia, VernierError
from shared.inference.types import Array, TensorSpec, of_texts

INPUTS = (
    TensorSpec("image", "BYTES", (-1,)),
    TensorSpec("time_s", "FP64", (-1,)),
    TensorSpec("camera", "FP64", (5,), optional=True),
)
"""Images in order, JPEG, PNG or WebP; when they were taken; focal_px, cx_px, cy_px, height_m and pitch_rad of the
camera for the images' own resolution, NaN for those that the preset is to give."""

OUTPUTS = (
    TensorSpec("speed_mps", "FP64", (-1,)),
    TensorSpec("sd_mps", "FP64", (-1,)),
    TensorSpec("raw_mps", "FP64", (-1,)),
    TensorSpec("warnings", "BYTES", (-1,)),
)
"""One entry an image; `warnings` says what was assumed, one entry a warning."""


def reader(
    inputs: Mapping[str, Array],
    parameters: Mapping[str, Any],
    limits: Limits,
    check: Callable[[], None],
    count: Callable[[], None],
) -> Reader:
    """`parameters` may name `camera`, a preset, and `smoothing`, as the query of `/v1/speed/frames` does."""
    numbers = [None if np.isnan(value) else float(value) for value in inputs.get("camera", np.full(5, np.nan))]
    preset = parameters.get("camera")
    if preset is not None and not isinstance(preset, str):
        raise Malformed("parameters: camera is the name of a preset")
    smoothing = parameters.get("smoothing", "kalman")
    if smoothing not in get_args(Smoothing):
        known = ", ".join(get_args(Smoothing))
        raise Unprocessable(f"parameters: smoothing is one of {known}, not {smoothing!r:.60}")
    return Reader(limits, View(preset, *numbers), smoothing, check, count)


def infer(read: Reader, model: Measurer, inputs: Mapping[str, Array], max_images: int) -> dict[str, Array]:
    """The columns, one entry an image. Raises a VernierError that names the input."""
    images, stated = list(inputs["image"]), inputs["time_s"]
    if len(images) > max_images:
        raise TooLarge(f"input 'image' has {len(images):,} images, more than the {max_images:,} that are taken")
    if len(images) < 2:
        raise Unprocessable(f"input 'image' has {len(images)} images; a speed needs two or more")
    if not np.isfinite(stated).all():
        raise Malformed("input 'time_s' holds what is no finite number")
    try:
        times = increasing(stated.tolist(), len(images))
        reading = read.images(model, InMemory(images), times)
    except VernierError as error:
        raise _as_tensor_fault(error) from None
    columns = {"speed_mps": reading.speed_mps, "sd_mps": reading.sd_mps, "raw_mps": reading.raw_mps}
    return {**columns, "warnings": of_texts(reading.warnings)}


def _as_tensor_fault(error: VernierError) -> VernierError:
    """An image that is none makes a tensor at fault, not a body of a wrong type."""
    kind = Malformed if isinstance(error, UnsupportedMedia) else type(error)
    if error.errors and error.errors[0].pointer.startswith("/frames"):
        return kind(f"input 'image': {error.detail}")
    return kind(error.detail) if error.errors else error
