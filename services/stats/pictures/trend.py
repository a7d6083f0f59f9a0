"""Trends as pictures: the series, Sen's line, and the lines at the ends of its slope's interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from services.stats.pictures import paper
from services.stats.pictures.paper import FloatArray
from shared.errors import NotAcceptable

MOST = 12
"""Series in one picture."""
ACROSS = 3


class Found(Protocol):
    """What `trend` finds of series, one entry each."""

    @property
    def trend(self) -> Sequence[str | None]: ...
    @property
    def p(self) -> FloatArray: ...
    @property
    def tau(self) -> FloatArray: ...
    @property
    def slope(self) -> FloatArray: ...
    @property
    def slope_ci(self) -> FloatArray: ...
    @property
    def intercept(self) -> FloatArray: ...


def draw_trends(
    series: Mapping[str, FloatArray],
    time: FloatArray | None,
    found: Found,
    *,
    confidence: float,
    period: int | None = None,
) -> Figure:
    """A panel a series, NaN where values are missing; `slope_ci` covers `confidence`. Without `time` a slope is a step,
    or a cycle of `period` values. Raises NotAcceptable for more series than a picture shows."""
    if len(series) > MOST:
        raise NotAcceptable(f"a picture shows up to {MOST} series, these are {len(series):,}; ask for a table")
    step = "step" if period is None else "cycle"
    columns = min(ACROSS, len(series))
    rows = -(-len(series) // columns)
    figure, axes = paper.blank(rows, columns)
    for k, (each, (name, values)) in enumerate(zip(axes, series.items(), strict=False)):
        clock = np.arange(len(values), dtype=np.float64) / (period or 1) if time is None else time
        there = ~np.isnan(values)
        panel = _Panel(
            name, clock[there], values[there], found, k, confidence, f"a {step}" if time is None else "a unit"
        )
        panel.draw(each, large=len(series) == 1)
        last = k + columns >= len(series)
        paper.label(each, (step if time is None else "time") if last else "", (name or "value") if rows == 1 else "")
    for each in axes[len(series) :]:
        each.set_visible(False)
    return figure


@dataclass(frozen=True)
class _Panel:
    name: str
    time: FloatArray
    values: FloatArray
    found: Found
    place: int
    confidence: float
    unit: str

    def draw(self, axes: Axes, *, large: bool) -> None:
        paper.scatter(axes, self.time, self.values, "values")
        trend = self.found.trend[self.place]
        if trend is None:
            said = "too few values"
        else:
            said = f"{trend}, {paper.p_value(self.found.p[self.place])}, tau = {self.found.tau[self.place] + 0.0:.2f}"
            self._draw_line(axes)
        paper.title(axes, self.name, said, large=large)
        if large:
            paper.legend(axes)

    def _draw_line(self, axes: Axes) -> None:
        slope, (low, high) = self.found.slope[self.place], self.found.slope_ci[self.place]
        middle = float(np.median(self.time))
        pivot = self.found.intercept[self.place] + slope * middle
        grid = np.array([self.time[0], middle, self.time[-1]])
        name = f"Sen's slope, {paper.number(slope)} {self.unit}"
        axes.plot(grid, pivot + slope * (grid - middle), color=paper.LINE, linewidth=2, label=name, zorder=3)
        if np.isfinite(low) and np.isfinite(high):
            bounds = np.sort([pivot + low * (grid - middle), pivot + high * (grid - middle)], axis=0)
            name = f"its {100 * self.confidence:g} % interval, {paper.number(low)} to {paper.number(high)}"
            axes.fill_between(grid, *bounds, color=paper.BAND, alpha=0.45, linewidth=0, label=name, zorder=1)
