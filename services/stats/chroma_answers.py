"""Planes and pictures to their answers; run on a worker's thread."""

from collections.abc import Callable
from typing import Any

import numpy as np

from services.stats import chroma, images
from services.stats.chroma import Dc, IntArray, Subsampling
from services.stats.chroma_schemas import ChromaOptions, ChromaRequest
from services.stats.leastsquares import FloatArray
from services.stats.rows import refused
from shared.errors import TooLarge, Unprocessable
from shared.responses import json_bytes

MODELS = {"chroma-from-luma": "1"}
"""What computes, and its version: it changes when answers do."""

MAX_PIXELS = 9_000_000
"""Of a picture or a luma plane: 4096 x 2160, and a little; some five seconds of one core in 4:4:4."""
MAX_PREDICTED = 1_000_000
"""Of one whose predicted planes are answered."""


def planes_answer(body: ChromaRequest, check: Callable[[], None]) -> bytes:
    luma = _samples(body.luma, body.bit_depth, "/luma")
    plane = _samples(body.chroma, body.bit_depth, "/chroma")
    expected = chroma.chroma_shape((luma.shape[0], luma.shape[1]), body.subsampling)
    if plane.shape != expected:
        raise refused(
            "/chroma",
            f"has {plane.shape[0]} rows of {plane.shape[1]}; beside luma of {luma.shape[0]} rows of {luma.shape[1]} "
            f"{body.subsampling} has {expected[0]} of {expected[1]}",
        )
    _check_options(luma, body.subsampling, body.block, body.prediction, "body")
    return _answer(
        luma, {"chroma": plane}, body.subsampling, body.block, body.bit_depth, body.dc, body.prediction, check
    )


def picture_answer(data: bytes, options: ChromaOptions, check: Callable[[], None]) -> bytes:
    luma, blue, red = images.planes(data, options.subsampling, MAX_PIXELS)
    block = int(options.block)
    _check_options(luma, options.subsampling, block, options.prediction, "query")
    return _answer(luma, {"cb": blue, "cr": red}, options.subsampling, block, 8, options.dc, options.prediction, check)


def _samples(plane: FloatArray, bit_depth: int, pointer: str) -> IntArray:
    top = (1 << bit_depth) - 1
    wrong = (plane != np.floor(plane)) | (plane < 0) | (plane > top)
    if wrong.any():
        i, j = np.argwhere(wrong)[0]
        raise refused(f"{pointer}/{i}/{j}", f"is {plane[i, j]:g}; a sample is a whole number from 0 to {top}")
    return plane.astype(np.int32)


def _check_options(luma: IntArray, subsampling: Subsampling, block: int, prediction: bool, place: str) -> None:
    if luma.size > MAX_PIXELS:
        raise TooLarge(f"the luma plane has {luma.size:,} samples; {MAX_PIXELS:,} at most")
    if prediction and luma.size > MAX_PREDICTED:
        raise TooLarge(f"{luma.size:,} samples; with prediction {MAX_PREDICTED:,} at most")
    if block == 4 and subsampling != "4:4:4":
        fault = refused(
            "/block", f"is 4, which goes with 4:4:4 alone: a chroma block of {subsampling} would be smaller"
        )
        raise Unprocessable(f"{place} {fault.detail}", errors=fault.errors)


def _answer(
    luma: IntArray,
    planes: dict[str, IntArray],
    subsampling: Subsampling,
    block: int,
    bit_depth: int,
    dc: Dc,
    prediction: bool,
    check: Callable[[], None],
) -> bytes:
    found = {
        name: chroma.fit(luma, plane, subsampling=subsampling, block=block, bit_depth=bit_depth, dc=dc, check=check)
        for name, plane in planes.items()
    }
    rows, columns = next(iter(found.values())).dc.shape
    warnings = ["every block of luma is flat: it says nothing of chroma"] if _flat(found) else []
    return json_bytes(
        {
            "model": {"name": "chroma-from-luma", "version": MODELS["chroma-from-luma"]},
            "subsampling": subsampling,
            "block": block,
            "bit_depth": bit_depth,
            "dc": dc,
            "width": luma.shape[1],
            "height": luma.shape[0],
            "rows": rows,
            "columns": columns,
            "planes": [_plane(name, each, bit_depth, prediction) for name, each in found.items()],
            "warnings": warnings,
        }
    )


def _flat(found: dict[str, chroma.Fit]) -> bool:
    return all(bool(np.isnan(each.alpha_exact).all()) for each in found.values())


def _plane(name: str, found: chroma.Fit, bit_depth: int, prediction: bool) -> dict[str, Any]:
    size = found.prediction.size
    return {
        "name": name,
        "alpha": found.alpha_q3 / 8,
        "alpha_exact": found.alpha_exact,
        "dc": found.dc,
        "sse": found.sse,
        "sse_dc": found.sse_dc,
        "psnr": chroma.psnr(int(found.sse.sum()), size, bit_depth),
        "psnr_dc": chroma.psnr(int(found.sse_dc.sum()), size, bit_depth),
        "prediction": found.prediction if prediction else None,
    }
