"""The methods of clustering, each from vectors and options to one kind of answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from services.text import density, hierarchy, kmeans, mixture
from services.text.choosing import Fit, Fitter, best_of, candidates, curve
from services.text.clustering import (
    Clustering,
    Floats,
    Labels,
    Options,
    centres_of,
    count_distinct,
    renamed,
    silhouette,
    sizes_first,
)
from services.text.embedder import Vectors
from services.text.hierarchy import Tree
from services.text.mixture import Mixture
from services.text.threads import one_thread

MUCH_NOISE = 0.4
FEW = "fewer than 4 texts, or all alike: they make one cluster"


def _nothing() -> None: ...


def cluster(
    vectors: Vectors,
    options: Options,
    check: Callable[[], None] = _nothing,
    report: Callable[[float], None] = lambda _: None,
) -> Clustering:
    """Groups of unit rows (n, d), n >= 1, and n >= `options.k` where that is a number; the same options, the same
    answer. `check` is called between steps and may raise to end the work, `report` with the share of it that is done.

    Fewer than k clusters come out, with a warning, where fewer than k rows differ.
    """
    with one_thread():
        return _cluster(vectors, options, check, report)


def _cluster(
    vectors: Vectors, options: Options, check: Callable[[], None], report: Callable[[float], None]
) -> Clustering:
    distinct = count_distinct(vectors)
    if options.method == "hdbscan":
        return _dense(vectors, options, distinct)
    if options.distance_threshold is not None:
        return _below(vectors, options, check)
    if options.k == "auto":
        return _chosen(vectors, options, distinct, check, report)
    k, warnings = min(options.k, distinct), []
    if k < options.k:
        found = "is one cluster" if k == 1 else f"are {k} clusters"
        warnings.append(f"only {k} of the {len(vectors)} texts are distinct, so there {found}, not {options.k}")
    fitter, tree = _prepared(vectors, options, check, sample=False)
    check()
    return _finished(vectors, fitter(k), tree, options, warnings)


def _chosen(
    vectors: Vectors,
    options: Options,
    distinct: int,
    check: Callable[[], None],
    report: Callable[[float], None],
) -> Clustering:
    first = 1 if options.method == "gmm" else 2
    ks = candidates(min(len(vectors) // 2, distinct, options.k_max), first)
    if not ks or ks[-1] < 2:
        fitter, tree = _prepared(vectors, options, check, sample=False)
        return _finished(vectors, fitter(1), tree, options, [FEW])
    trees: list[Tree] = []

    def prepare(rows: Vectors, sample: bool) -> Fitter:
        fitter, tree = _prepared(rows, options, check, sample=sample)
        trees.append(tree)
        return fitter

    points, fits = curve(vectors, ks, prepare, options.seed, check, report)
    chosen, warnings = best_of(points)
    return replace(_finished(vectors, fits[chosen], trees[0], options, warnings), curve=points)


def _prepared(vectors: Vectors, options: Options, check: Callable[[], None], *, sample: bool) -> tuple[Fitter, Tree]:
    """All methods but HDBSCAN start from a tree; it is the answer of one, and where the others begin."""
    linkage = options.linkage if options.method == "agglomerative" else "ward"
    tree = hierarchy.grow(vectors, linkage, check)
    axes = mixture.space(vectors) if options.method == "gmm" else None

    def by_means(k: int) -> Fit:
        return Fit(kmeans.fit(vectors, tree, k, options.seed, 0 if sample else kmeans.STARTS))

    def by_mixture(k: int) -> Fit:
        if axes is None or not len(axes.directions):
            return Fit(tree.cut(k))
        found = mixture.fit(vectors, axes, tree.cut(k), options.covariance)
        return Fit(np.argmax(found.posterior(vectors), axis=1).astype(np.int64), found)

    fitters: dict[str, Fitter] = {"kmeans": by_means, "gmm": by_mixture}
    return fitters.get(options.method, lambda k: Fit(tree.cut(k))), tree


def _below(vectors: Vectors, options: Options, check: Callable[[], None]) -> Clustering:
    assert options.distance_threshold is not None
    tree = hierarchy.grow(vectors, options.linkage, check)
    return _finished(vectors, Fit(tree.cut_at(options.distance_threshold)), tree, options, [])


def _finished(vectors: Vectors, fit: Fit, tree: Tree, options: Options, warnings: Sequence[str]) -> Clustering:
    names = sizes_first(fit.labels)
    labels = renamed(fit.labels, names)
    kept: Mixture | None = fit.mixture.keep(names) if fit.mixture else None
    empty = 0 if fit.mixture is None else len(fit.mixture.weights) - len(names)
    notes = [f"{empty} of the {empty + len(names)} components have no text and are left out"] if empty else []
    probability = None if kept is None else kept.posterior(vectors).max(axis=1)
    found = _described(vectors, labels, probability, [*warnings, *notes])
    return replace(
        found,
        tree=tree if options.method == "agglomerative" else None,
        mixture=kept,
        dimensions=None if kept is None else len(kept.axes.directions),
    )


def _dense(vectors: Vectors, options: Options, distinct: int) -> Clustering:
    if distinct == 1:
        alike = f"the {len(vectors)} texts are all alike: they make one cluster"
        return _described(vectors, np.zeros(len(vectors), dtype=np.int64), np.ones(len(vectors)), [alike])
    labels, probability, dimensions = density.fit(vectors, options.min_cluster_size)
    names = sizes_first(labels)
    found = _described(vectors, renamed(labels, names), probability, [])
    noise = float(np.mean(labels < 0))
    warnings = []
    if not len(names):
        warnings.append("no part is denser than the rest: all texts are noise; try kmeans or agglomerative")
    elif noise > MUCH_NOISE:
        warnings.append(f"{noise:.0%} of the texts are noise; kmeans or agglomerative give each text a cluster")
    return replace(found, dimensions=dimensions, warnings=warnings)


def _described(vectors: Vectors, labels: Labels, probability: Floats | None, warnings: list[str]) -> Clustering:
    centres = centres_of(vectors, labels, int(labels.max()) + 1)
    return Clustering(labels, centres, silhouette(vectors, labels), probability, warnings=warnings)
