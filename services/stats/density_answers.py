"""Requests for densities to their answers; run on a worker's thread."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from services.stats import density, mixtures
from services.stats.density import Kernels
from services.stats.density_schemas import DensityRequest
from services.stats.leastsquares import FloatArray
from services.stats.mixtures import Mixture
from services.stats.replies.answer import Answer
from services.stats.rows import refused, side_by_side
from shared.errors import TooLarge

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODELS = {"kernel-density": "1", "gaussian-mixture": "1"}
"""What computes, and its version: it changes when answers do."""

MAX_COLUMNS = 50
MAX_POINTS = 100_000
MAX_PAIRS = 500_000_000
"""Most distances (rows x points) of a kernel density: some ten seconds of one core."""
MAX_FIT = 20_000_000
"""Most work of mixtures, rows x components x starts x (columns squared + 10): some fifteen seconds of one core where
they settle late."""
_GRID = {1: 256, 2: 50}


def density_answer(body: DensityRequest, check: Callable[[], None], report: Callable[[float], None]) -> Answer:
    names, table = side_by_side(body.x, body.names)
    if table.shape[1] > MAX_COLUMNS:
        raise TooLarge(f"{table.shape[1]:,} columns; a density may have {MAX_COLUMNS}")
    if len(table) < 2:
        raise refused("/x", "has one row: a density needs at least 2")
    for j in np.flatnonzero(np.ptp(table, axis=0) == 0):
        raise refused("/x" if len(names) == 1 else f"/x/{j}", "does not vary: it has no density")
    if body.at is not None and body.grid is not None:
        raise refused("/grid", "stands beside at: give one of them")
    found, facts = _kernels(body, table) if body.method == "kde" else _mixture(body, table, check, report)
    points = _points(body, table, found)
    if body.method == "kde" and len(points) * len(table) > MAX_PAIRS:
        raise TooLarge(
            f"{len(table):,} rows x {len(points):,} points; {MAX_PAIRS:,} distances at most: ask for fewer points, or "
            "set method to gmm"
        )
    log_density = found.log_density(points, check) if isinstance(found, Kernels) else found.log_density(points)
    with np.errstate(over="ignore", under="ignore"):
        values = np.exp(log_density)
    warnings = list(found.warnings) if isinstance(found, Mixture) else []
    if np.isinf(values).any():
        warnings.append("some densities are beyond the range of a double: null; log_density has them")
    content = {
        "model": _model("kernel-density" if body.method == "kde" else "gaussian-mixture"),
        "method": body.method,
        "names": names,
        "n": len(table),
        "at": {name: np.ascontiguousarray(column) for name, column in zip(names, points.T, strict=True)},
        "density": values,
        "log_density": log_density,
        **facts,
        "warnings": warnings,
    }
    drawn = len(names) == 1 and bool(np.all(np.diff(points[:, 0]) > 0)) and len(points) > 1
    picture = _picture(names[0], table[:, 0], points, values, found) if drawn else None
    return Answer(content, {"at": None, "density": None, "log_density": None}, draw=picture)


def _kernels(body: DensityRequest, table: FloatArray) -> tuple[Kernels, dict[str, Any]]:
    found = density.kernels(table, body.bandwidth)
    facts = {
        "kernel_sd": np.sqrt(np.diagonal(found.covariance)),
        "kernel_covariance": np.ascontiguousarray(found.covariance),
        **dict.fromkeys(("components", "k", "criteria", "loglik")),
    }
    return found, facts


def _mixture(
    body: DensityRequest, table: FloatArray, check: Callable[[], None], report: Callable[[float], None]
) -> tuple[Mixture, dict[str, Any]]:
    found, criteria = fitted(
        table, body.k, body.largest, shape=body.shape, seed=body.seed, starts=body.starts, check=check, report=report
    )
    spread = np.outer(found.scale, found.scale)
    components = [
        {
            "weight": weight,
            "mean": mean * found.scale + found.centre,
            "covariance": np.ascontiguousarray(covariance * spread),
        }
        for weight, mean, covariance in zip(found.weights.tolist(), found.means, found.covariances, strict=True)
    ]
    facts = {
        "kernel_sd": None,
        "kernel_covariance": None,
        "components": components,
        "k": len(components),
        "criteria": criteria,
        "loglik": found.loglik,
    }
    return found, facts


def fitted(
    table: FloatArray,
    k: int | str,
    largest: int,
    *,
    shape: mixtures.Shape,
    seed: int,
    starts: int,
    check: Callable[[], None],
    report: Callable[[float], None],
) -> tuple[Mixture, list[dict[str, float]]]:
    """The mixture of `k` components, or of the number with the least BIC, and the criteria of all that were tried.
    Raises TooLarge for more work than the limits allow."""
    tried = largest * (largest + 1) // 2 if isinstance(k, str) else k
    work = len(table) * tried * starts * (table.shape[1] ** 2 + 10)
    if work > MAX_FIT:
        raise TooLarge(
            f"{len(table):,} rows x {table.shape[1]} columns x {starts} starts of {tried} components in all are "
            f"{work / MAX_FIT:.1f} times the most that is done; take fewer starts, components or rows"
        )
    if isinstance(k, str):
        all_tried = mixtures.choose(table, largest, shape=shape, seed=seed, starts=starts, check=check, report=report)
    else:
        all_tried = [mixtures.fit(table, k, shape=shape, seed=seed, starts=starts)]
    criteria = [{"k": len(each.weights), "bic": each.bic, "aic": each.aic, "loglik": each.loglik} for each in all_tried]
    return min(all_tried, key=lambda each: each.bic), criteria


def _points(body: DensityRequest, table: FloatArray, found: Kernels | Mixture) -> FloatArray:
    width = table.shape[1]
    if body.at is not None:
        if len(body.at) != width or len({len(each) for each in body.at}) > 1:
            raise refused("/at", f"must have {width} columns, those of x, of one length")
        points = np.column_stack(body.at)
    elif width > 2:
        if body.grid is not None:
            raise refused("/grid", f"is for one or two columns, not {width}: give the points as at")
        points = table
    else:
        size = body.grid or _GRID[width]
        if size**width > MAX_POINTS:
            raise TooLarge(f"{size**width:,} points; {MAX_POINTS:,} at most")
        low, high = _reach(table, found)
        axes = np.meshgrid(*(np.linspace(a, b, size) for a, b in zip(low, high, strict=True)), indexing="ij")
        points = np.column_stack([each.ravel() for each in axes])
    if len(points) > MAX_POINTS:
        raise TooLarge(f"{len(points):,} points; {MAX_POINTS:,} at most")
    return points


def _reach(table: FloatArray, found: Kernels | Mixture) -> tuple[FloatArray, FloatArray]:
    """Where all but a ten-thousandth of the density lies, along each axis."""
    if isinstance(found, Kernels):
        spread = 4 * np.sqrt(np.diagonal(found.covariance))
        return table.min(axis=0) - spread, table.max(axis=0) + spread
    spread = 4 * np.sqrt(np.diagonal(found.covariances, axis1=1, axis2=2)) * found.scale
    means = found.means * found.scale + found.centre
    return (means - spread).min(axis=0), (means + spread).max(axis=0)


def _picture(
    name: str, values: FloatArray, points: FloatArray, found_density: FloatArray, found: Kernels | Mixture
) -> "Callable[[], Figure]":
    def draw() -> "Figure":
        from services.stats.pictures.density import draw_density

        parts = np.exp(found.log_parts(points)).T if isinstance(found, Mixture) else ()
        what = f"{len(found.weights)} components" if isinstance(found, Mixture) else "kernels"
        said = f"{what}, {len(values):,} values"
        return draw_density(values, points[:, 0], found_density, name=name, said=said, parts=list(parts))

    return draw


def _model(name: str) -> dict[str, str]:
    return {"name": name, "version": MODELS[name]}
