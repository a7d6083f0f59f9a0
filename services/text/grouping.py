"""A clustering request from its texts to its answer: which texts take part, how they group, what each group says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.text import clustering, methods, outliers, projection, terms
from services.text.clustering import Clustering, Floats, Options
from services.text.embedder import Vectors
from services.text.projection import Projection
from services.text.terms import Term
from services.text.words import strip_stage_directions, words

GROUPED = 0.6
"""Share of `group` that its clusters are, about; the rest is the plane."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The texts that take part: their positions in the request, and what is left of each to be read."""

    indices: list[int]
    texts: list[str]


@dataclass(frozen=True, slots=True)
class Grouping:
    """`terms` and `representatives` (positions in the selection) have an entry a cluster; `distance` (texts,) is to
    the centre, `limits` a cluster's largest that is none of an outlier, and `outliers` are positions in the selection.
    """

    clustering: Clustering
    projection: Projection | None
    terms: dict[int, list[Term]]
    representatives: list[list[int]]
    distance: Floats
    limits: Floats
    outliers: list[int]

    @property
    def warnings(self) -> list[str]:
        return [*self.clustering.warnings, *(self.projection.warnings if self.projection else [])]


def select(texts: Sequence[str], min_words: int) -> Selection:
    """Those of `min_words` words or more, at least 1, stage directions not counted and taken out."""
    indices = [index for index, text in enumerate(texts) if len(words(text)) >= max(1, min_words)]
    return Selection(indices, [strip_stage_directions(texts[index]).strip() for index in indices])


def group(
    selection: Selection,
    vectors: Vectors,
    *,
    options: Options,
    plane: projection.Method | None,
    check: Callable[[], None] = lambda: None,
    report: Callable[[float], None] = lambda _: None,
) -> Grouping:
    """`vectors` has a row of length 1 for each selected text; `check` may raise between steps to end the work, `report`
    hears what share of it is done."""
    found = methods.cluster(vectors, options, check, lambda share: report(GROUPED * share))
    check()
    report(GROUPED)
    distance = outliers.distances(vectors, found.labels, found.centres)
    bounds = outliers.limits(distance, found.labels, found.k)
    return Grouping(
        found,
        _drawn(vectors, plane, options.seed, check, report) if plane else None,
        terms.class_terms(selection.texts, found.labels.tolist()),
        clustering.representatives(vectors, found),
        distance,
        bounds,
        outliers.beyond(distance, found.labels, bounds),
    )


def _drawn(
    vectors: Vectors,
    plane: projection.Method,
    seed: int,
    check: Callable[[], None],
    report: Callable[[float], None],
) -> Projection:
    return projection.project(vectors, plane, seed, check, lambda share: report(GROUPED + (1 - GROUPED) * share))


def spread(values: Floats, indices: Sequence[int], size: int) -> list[float | None]:
    """`values` at `indices` of a column of `size`, null elsewhere."""
    column: list[float | None] = [None] * size
    for index, value in zip(indices, values.tolist(), strict=True):
        column[index] = value
    return column
