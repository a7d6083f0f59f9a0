"""A clustering request from its texts to its answer: which texts take part, how they group, what each group says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from services.text import clustering, projection, terms
from services.text.clustering import Clustering
from services.text.embedder import Vectors
from services.text.projection import Projection
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
    """`terms` and `representatives` (positions in the selection) have an entry a cluster."""

    clustering: Clustering
    projection: Projection | None
    terms: dict[int, list[str]]
    representatives: list[list[int]]

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
    k: int | Literal["auto"],
    plane: projection.Method | None,
    seed: int,
    check: Callable[[], None] = lambda: None,
    report: Callable[[float], None] = lambda _: None,
) -> Grouping:
    """`vectors` has a row of length 1 for each selected text; `check` may raise between steps to end the work, `report`
    hears what share of it is done."""
    if k == "auto":
        found = clustering.kmeans_auto(vectors, seed, check, lambda share: report(GROUPED * share))
    else:
        found = clustering.kmeans(vectors, k, seed)
    check()
    report(GROUPED)
    points = projection.project(vectors, plane, seed) if plane else None
    return Grouping(
        found,
        points,
        terms.class_terms(selection.texts, found.labels.tolist()),
        clustering.representatives(vectors, found),
    )


def spread(
    values: np.ndarray[tuple[int], np.dtype[np.float64]], indices: Sequence[int], size: int
) -> list[float | None]:
    """`values` at `indices` of a column of `size`, null elsewhere."""
    column: list[float | None] = [None] * size
    for index, value in zip(indices, values.tolist(), strict=True):
        column[index] = value
    return column
