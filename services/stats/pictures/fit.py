"""A regression on one column as a picture: the points, the fit, where its mean is and where a new point will be."""

from typing import Protocol

import numpy as np
from matplotlib.figure import Figure

from services.stats.pictures import paper
from services.stats.pictures.paper import FloatArray

GRID_POINTS = 400


def grid(x: FloatArray) -> FloatArray:
    """Where the fit is to be known, from a little before the points to a little after."""
    low, high = float(np.min(x)), float(np.max(x))
    margin = 0.03 * (high - low)
    return np.linspace(low - margin, high + margin, GRID_POINTS)


class Prediction(Protocol):
    @property
    def y(self) -> FloatArray: ...
    @property
    def ci(self) -> FloatArray: ...
    @property
    def pi(self) -> FloatArray: ...


def draw_fit(
    points: tuple[FloatArray, FloatArray], at: FloatArray, fit: Prediction, *, name: str, confidence: float, said: str
) -> Figure:
    """Points (x, y), and the fit at `at` (m,) with its intervals, which are left out where the method has none; `name`
    is that of x, `said` what the title adds."""
    figure, (axes,) = paper.blank()
    share = f"{100 * confidence:g} %"
    for band, colour, of in ((fit.pi, paper.WIDE_BAND, "a new point"), (fit.ci, paper.BAND, "the mean")):
        if np.isfinite(band).all():
            axes.fill_between(at, band[:, 0], band[:, 1], color=colour, linewidth=0, label=f"{share}: {of}", zorder=1)
    paper.scatter(axes, *points, "points")
    axes.plot(at, fit.y, color=paper.LINE, linewidth=2, label="fit", zorder=3)
    paper.title(axes, f"y on {name}", said)
    paper.label(axes, name, "y")
    paper.legend(axes)
    return figure
