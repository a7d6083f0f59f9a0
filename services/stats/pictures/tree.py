"""A hierarchical clustering as a picture: its dendrogram."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import dendrogram

from services.stats.pictures import paper
from services.stats.pictures.paper import FloatArray

MOST_LEAVES = 60
"""Of larger trees the last merges are drawn, each branch that is left out as `(its number of points)`."""


def draw_tree(linkage: FloatArray, labels: Sequence[str], *, cut: float | None, said: str, distance: str) -> Figure:
    """`linkage` (n - 1, 4) as SciPy has it; merges above `cut` are between clusters."""
    count = len(linkage) + 1
    some = {"truncate_mode": "lastp", "p": MOST_LEAVES} if count > MOST_LEAVES else {}
    found = dendrogram(linkage, no_plot=True, labels=None if some else list(labels), **some)
    figure, (axes,) = paper.blank()
    for x, heights in zip(found["icoord"], found["dcoord"], strict=True):
        within = cut is None or max(heights) <= cut
        axes.plot(x, heights, color=paper.LINE if within else paper.FAINT, linewidth=1.3)
    if cut is not None:
        axes.axhline(cut, color=paper.POINTS, linewidth=1, linestyle="--", label="where it is cut")
        paper.legend(axes)
    names = [paper.shortened(str(each), 24) for each in found["ivl"]]
    places = 5 + 10 * np.arange(len(names))
    axes.set_xticks(places, names, rotation=90 if max(map(len, names)) * len(names) > 100 else 0, fontsize=8)
    axes.grid(visible=False, axis="x")
    axes.set_xlim(0, 10 * len(names))
    axes.set_ylim(bottom=0)
    paper.title(axes, "", said)
    paper.label(axes, "points; (n): a branch of n" if some else "points", distance)
    return figure
