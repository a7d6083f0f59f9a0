"""A clustering that is kept, as bytes: NumPy's own archive, which holds numbers and runs nothing when it is read."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from services.text.assignment import Plane, Reference
from services.text.axes import Axes
from services.text.mixture import Mixture

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Kept:
    """`answer` is the clustering's, as JSON; `version` is that of the sentence model, whose vectors alone compare."""

    version: str
    min_words: int
    answer: bytes
    reference: Reference


def packed(kept: Kept, release: int = FORMAT) -> bytes:
    """Vectors are kept in half precision: their directions move by less than 0.001."""
    reference, plane, mixture = kept.reference, kept.reference.plane, kept.reference.mixture
    header = {
        "format": release,
        "version": kept.version,
        "min_words": kept.min_words,
        "method": reference.method,
        "seed": reference.seed,
        "plane": plane.method if plane else None,
        "covariance": mixture.covariance if mixture else None,
    }
    arrays: dict[str, Any] = {
        "header": np.frombuffer(orjson.dumps(header), dtype=np.uint8),
        "answer": np.frombuffer(kept.answer, dtype=np.uint8),
        "labels": reference.labels.astype(np.int32),
        "centres": reference.centres,
        "limits": reference.limits,
        "vectors": None if reference.vectors is None else reference.vectors.astype(np.float16),
        "means": reference.means,
        "points": plane.points if plane else None,
        **_axes("plane", plane.axes if plane else None),
        **_axes("mixture", mixture.axes if mixture else None),
    }
    if mixture is not None:
        arrays |= {"weights": mixture.weights, "component_means": mixture.means, "roots": mixture.roots}
    file = io.BytesIO()
    np.savez(file, **{name: array for name, array in arrays.items() if array is not None})
    return file.getvalue()


def unpacked(content: bytes) -> Kept | None:
    """None where another release packed it."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    header = orjson.loads(arrays["header"].tobytes())
    if header["format"] != FORMAT:
        return None
    plane = Plane(header["plane"], _axes_of("plane", arrays), arrays.get("points")) if header["plane"] else None
    vectors = arrays.get("vectors")
    reference = Reference(
        header["method"],
        header["seed"],
        arrays["labels"].astype(np.int64),
        arrays["centres"],
        arrays["limits"],
        None if vectors is None else vectors.astype(np.float32),
        arrays.get("means"),
        _mixture(header["covariance"], arrays),
        plane,
    )
    return Kept(header["version"], header["min_words"], arrays["answer"].tobytes(), reference)


def _axes(name: str, axes: Axes | None) -> dict[str, Any]:
    return {} if axes is None else {f"{name}_mean": axes.mean, f"{name}_directions": axes.directions}


def _axes_of(name: str, arrays: dict[str, Any]) -> Axes | None:
    directions = arrays.get(f"{name}_directions")
    return None if directions is None else Axes(arrays[f"{name}_mean"], directions)


def _mixture(covariance: Any, arrays: dict[str, Any]) -> Mixture | None:
    axes = _axes_of("mixture", arrays)
    if axes is None:
        return None
    return Mixture(axes, arrays["weights"], arrays["component_means"], arrays["roots"], covariance, None)
