"""What all pictures look like."""

import math

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

FloatArray = npt.NDArray[np.float64]
INK, FAINT, GRID = "#202836", "#6b7480", "#e4e7ec"
LINE, BAND, WIDE_BAND = "#0e54a8", "#9cc4ec", "#dbe9f8"
POINTS = "#3d9a5f"
SIZE_INCHES = (9.6, 5.4)
MANY = 3_000
"""Points beyond which they are dots, and a picture within an SVG."""


def blank(rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    width, height = SIZE_INCHES
    figure = Figure(figsize=(width, max(height, 2.7 * rows)), layout="constrained", facecolor="white")
    axes = [figure.add_subplot(rows, columns, k + 1) for k in range(rows * columns)]
    for each in axes:
        each.grid(color=GRID, linewidth=0.8)
        each.set_axisbelow(True)
        each.tick_params(colors=INK, length=3)
        for side, spine in each.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(FAINT)
    return figure, axes


def title(axes: Axes, name: str, said: str, *, large: bool = True) -> None:
    """What it is of and what is said of it; in two lines where there is little room."""
    if large:
        text = f"{shortened(name, 50)}: {said}" if name else said[:1].upper() + said[1:]
    else:
        text = f"{shortened(name, 32)}\n{said}"
    axes.set_title(text, loc="left", color=INK, fontsize=12 if large else 9, fontweight="bold")


def label(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(shortened(x, 60), color=INK)
    axes.set_ylabel(shortened(y, 40), color=INK)
    for axis in (axes.xaxis, axes.yaxis):
        if isinstance(formatter := axis.get_major_formatter(), ScalarFormatter):
            formatter.set_useOffset(False)


def scatter(axes: Axes, x: FloatArray, y: FloatArray, name: str) -> None:
    many = len(x) > MANY
    axes.plot(
        x, y, "." if many else "o", color=POINTS, markersize=1.5 if many else 4.5, alpha=0.75,
        markeredgewidth=0, linestyle="none", label=name, rasterized=many, zorder=2,
    )  # fmt: skip


def legend(axes: Axes) -> None:
    axes.legend(frameon=True, framealpha=0.85, edgecolor="none", labelcolor=INK, fontsize=9, loc="best")


def shortened(text: str, most: int = 110) -> str:
    """A client's words as they stand: on one line, and no formula."""
    line = "".join(each if each.isprintable() else " " for each in text).replace("$", r"\$")
    return line if len(line) <= most else line[: most - 1] + "…"


def number(value: float) -> str:
    return "?" if math.isnan(value) else f"{value:.4g}"


def p_value(p: float) -> str:
    if math.isnan(p):
        return "p ?"
    return f"p = {p:.2g}" if p > 0 else "p < 1e-300"
