"""A density of one column as a picture: the values' histogram, the curve, and what it is the sum of."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from services.stats.pictures import paper
from services.stats.pictures.paper import FloatArray

MOST_BINS = 80


def draw_density(
    values: FloatArray,
    at: FloatArray,
    density: FloatArray,
    *,
    name: str,
    said: str,
    parts: Sequence[FloatArray] = (),
) -> Figure:
    """`density` (m,) at `at` (m,), increasing; `parts` (m,) each, a mixture's components with their weights."""
    figure, (axes,) = paper.blank()
    bins = int(np.clip(2 * len(values) ** (1 / 3), 5, MOST_BINS))
    axes.hist(values, bins=bins, density=True, color=paper.WIDE_BAND, edgecolor="white", label="values", zorder=1)
    for k, part in enumerate(parts):
        axes.plot(at, part, color=paper.FAINT, linewidth=1, linestyle="--", label="" if k else "components", zorder=2)
    axes.plot(at, density, color=paper.LINE, linewidth=2, label="density", zorder=3)
    axes.set_ylim(bottom=0)
    paper.title(axes, name, said)
    paper.label(axes, name, f"density, a unit of {name}")
    paper.legend(axes)
    return figure
