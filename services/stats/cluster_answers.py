"""Requests for clusters to their answers; run on a worker's thread."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from services.stats import clusters
from services.stats.answers import fields_of
from services.stats.cluster_schemas import ClusterRequest
from services.stats.clusters import Labels, Tree
from services.stats.density_answers import fitted
from services.stats.leastsquares import FloatArray
from services.stats.replies.answer import Answer
from services.stats.rows import distinct, refused, side_by_side
from shared.errors import TooLarge

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODELS = {"k-means": "1", "hierarchical-clustering": "1", "gaussian-mixture-clustering": "1"}
"""What computes, and its version: it changes when answers do."""
_NAMES = dict(zip(("kmeans", "hierarchical", "gmm"), MODELS, strict=True))

MAX_COLUMNS = 500
MAX_TREE_ROWS = 5_000
"""Their distances, 12.5 million, are 100 MB."""
MAX_SEARCH = 100_000_000
"""Most work of k-means, rows x clusters x starts x (columns + 4): some fifteen seconds of one core where it settles
late."""


@dataclass(frozen=True)
class _Grouped:
    labels: Labels
    tree: Tree | None = None
    membership: FloatArray | None = None
    tried: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def cluster_answer(body: ClusterRequest, check: Callable[[], None], report: Callable[[float], None]) -> Answer:
    names, given = side_by_side(body.x, body.names)
    if len(names) > MAX_COLUMNS:
        raise TooLarge(f"{len(names):,} columns; a clustering may have {MAX_COLUMNS}")
    if body.height is not None and (body.method != "hierarchical" or body.k != "auto"):
        raise refused("/height", "goes with hierarchical, and without k")
    table = _scaled(given) if body.scale == "standard" else given
    grouped = _METHODS[body.method](body, table, check, report)
    found = clusters.described(table, grouped.labels)
    score = clusters.silhouette(table, found.labels, seed=body.seed, check=check)
    centres = clusters.described(given, found.labels).centres if body.scale == "standard" else found.centres
    content = {
        "model": {"name": _NAMES[body.method], "version": MODELS[_NAMES[body.method]]},
        "method": body.method,
        "names": names,
        "n": len(table),
        "k": len(found.sizes),
        "labels": found.labels,
        "membership": grouped.membership,
        "sizes": found.sizes,
        "centres": np.ascontiguousarray(centres),
        "inertia": found.inertia,
        "silhouette": score,
        "tree": None if grouped.tree is None else fields_of(grouped.tree),
        "tried": grouped.tried,
        "warnings": grouped.warnings,
    }
    columns = {"labels": None, **({} if grouped.membership is None else {"membership": None})}
    return Answer(content, columns, draw=_picture(body, grouped.tree, len(found.sizes)))


def _scaled(table: FloatArray) -> FloatArray:
    spread = table.std(axis=0)
    scaled: FloatArray = (table - table.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return scaled


def _kmeans(
    body: ClusterRequest, table: FloatArray, check: Callable[[], None], report: Callable[[float], None]
) -> _Grouped:
    tried = body.largest * (body.largest + 1) // 2 if body.k == "auto" else body.k
    work = len(table) * tried * body.starts * (table.shape[1] + 4)
    if work > MAX_SEARCH:
        raise TooLarge(
            f"{len(table):,} rows x {table.shape[1]} columns x {body.starts} starts of {tried} clusters in all are "
            f"{work / MAX_SEARCH:.1f} times the most that is done; take fewer starts, clusters or rows"
        )
    return _best(
        body, table, lambda k: clusters.kmeans(table, k, seed=body.seed, starts=body.starts).labels, check, report
    )


def _hierarchical(
    body: ClusterRequest, table: FloatArray, check: Callable[[], None], report: Callable[[float], None]
) -> _Grouped:
    if len(table) > MAX_TREE_ROWS:
        raise TooLarge(f"{len(table):,} rows; a tree may have {MAX_TREE_ROWS:,}: take kmeans, or a sample")
    if len(table) < 2:
        raise refused("/x", "has one row: a tree needs at least 2")
    tree = clusters.tree(table, body.linkage)
    if body.height is not None:
        return _Grouped(tree.cut(tree.count(body.height)), tree)
    if body.k != "auto" and body.k > len(table):
        raise refused("/k", f"is {body.k}, but there are {len(table)} rows")
    found = _best(body, table, tree.cut, check, report)
    return _Grouped(found.labels, tree, tried=found.tried, warnings=found.warnings)


def _mixture(
    body: ClusterRequest, table: FloatArray, check: Callable[[], None], report: Callable[[float], None]
) -> _Grouped:
    for j in np.flatnonzero(np.ptp(table, axis=0) == 0):
        raise refused("/x" if len(body.x) == 1 else f"/x/{j}", "does not vary: leave it out of a mixture")
    found, criteria = fitted(
        table, body.k, body.largest, shape=body.shape, seed=body.seed, starts=body.starts, check=check, report=report
    )
    parts = found.log_parts(table)
    labels = parts.argmax(axis=1)
    membership = np.exp(parts.max(axis=1) - found.log_density(table))
    tried = [{"k": each["k"], "silhouette": None, "bic": each["bic"]} for each in criteria]
    warnings = list(found.warnings)
    if len(np.unique(labels)) < len(found.weights):
        warnings.append(f"of {len(found.weights)} components some are the likeliest for no row")
    return _Grouped(labels, membership=np.minimum(membership, 1.0), tried=tried, warnings=warnings)


_METHODS = {"kmeans": _kmeans, "hierarchical": _hierarchical, "gmm": _mixture}


def _best(
    body: ClusterRequest,
    table: FloatArray,
    group: Callable[[int], Labels],
    check: Callable[[], None],
    report: Callable[[float], None],
) -> _Grouped:
    """Into the number of clusters that was asked for, or the one of 2 to `largest` with the highest silhouette."""
    if body.k != "auto":
        return _Grouped(group(body.k))
    largest = min(body.largest, distinct(table))
    tried: list[dict[str, Any]] = []
    best, highest = np.zeros(len(table), dtype=np.int64), -2.0
    for k in range(2, largest + 1):
        check()
        labels = group(k)
        score = clusters.silhouette(table, labels, seed=body.seed, check=check)
        tried.append({"k": k, "silhouette": score, "bic": None})
        if score is not None and score > highest:
            best, highest = labels, score
        report((k - 1) / largest)
    warnings = [] if tried else ["there is nothing to tell apart: one cluster"]
    if -2 < highest < 0.25:
        warnings.append(f"the highest silhouette is {highest:.2f}: the rows do not fall into groups")
    return _Grouped(best, tried=tried, warnings=warnings)


def _picture(body: ClusterRequest, tree: Tree | None, k: int) -> "Callable[[], Figure] | None":
    if tree is None:
        return None

    def draw() -> "Figure":
        from services.stats.pictures.tree import draw_tree

        rows = len(tree.left) + 1
        linkage = np.column_stack([tree.left, tree.right, tree.height, tree.size]).astype(np.float64)
        below = tree.height[rows - k - 1] if k < rows else 0.0
        cut = float(below + tree.height[rows - k]) / 2 if k > 1 else None
        labels = [str(row) for row in range(rows)]
        return draw_tree(
            linkage, labels, cut=cut, said=f"{rows:,} rows, {k} clusters", distance=f"distance ({body.linkage} linkage)"
        )

    return draw
