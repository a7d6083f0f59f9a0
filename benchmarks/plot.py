"""The run as a picture: ratios against their goals, latency under overload."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot
from matplotlib.axes import Axes

REACHED, MISSED, PLAIN = "#2a7f62", "#c0392b", "#7f8c8d"
LEFT = 0.05


def plot(result: dict[str, Any], path: Path) -> None:
    """Deterministic but for the figures: no dates, no random names inside."""
    rows = [each for each in result["rows"] if each["unit"] == "ratio" and each["value"] and each["part"] != "overload"]
    latencies = [each for each in result["rows"] if each["raw"].get("latency_ms")]
    height = max(3.0, 0.3 * len(rows) + 1.2)
    with pyplot.rc_context(
        {"svg.hashsalt": "vernier", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    ):
        figure = pyplot.figure(figsize=(11, height + (3.4 if latencies else 0)), layout="constrained")
        grid = figure.add_gridspec(
            2 if latencies else 1, max(1, len(latencies)), height_ratios=[height, 3.4][: 1 + bool(latencies)]
        )
        ratios(figure.add_subplot(grid[0, :]), rows)
        for column, each in enumerate(latencies):
            curves(figure.add_subplot(grid[1, column]), each)
        figure.savefig(path, metadata={"Date": None})
        pyplot.close(figure)


def ratios(axes: Axes, rows: list[dict[str, Any]]) -> None:
    """A bar a row, a mark where its goal stands, a thin line from its lowest to its highest window."""
    for place, each in enumerate(rows):
        colour = {True: REACHED, False: MISSED, None: PLAIN}[each["reached"]]
        axes.barh(place, max(each["value"], LEFT), left=0, color=colour, height=0.62)
        if each["low"] is not None:
            axes.plot([max(each["low"], LEFT), max(each["high"], LEFT)], [place, place], color="black", linewidth=0.8)
        if each["goal"]:
            axes.plot([each["goal"]["value"]] * 2, [place - 0.42, place + 0.42], color="black", linewidth=2.2)
        axes.annotate(f" {each['value']:.2f}", (max(each["high"] or 0, each["value"], LEFT), place), va="center")
    axes.set_xscale("log")
    axes.set_xlim(left=LEFT)
    axes.axvline(1, color="#bbbbbb", linewidth=0.8, zorder=0)
    axes.set_yticks(range(len(rows)), [f"{each['name']}  ·  {each['against']}" for each in rows])
    axes.invert_yaxis()
    axes.set_title("Times what it is measured against; thick: the goal", loc="left")


def curves(axes: Axes, row: dict[str, Any]) -> None:
    """Latency by percentile, on a scale that spreads the tail."""
    for name, values in row["raw"]["latency_ms"].items():
        if values:
            places = [1 / (1 - float(percent) / 100) for percent in values]
            axes.plot(places, list(values.values()), marker="o", markersize=3, label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks([2, 10, 100, 1000], ["p50", "p90", "p99", "p99.9"])
    axes.minorticks_off()
    axes.set_ylabel("latency, ms")
    axes.set_title(row["name"].partition(":")[0] + ", open loop", loc="left")
    axes.legend(frameon=False)
