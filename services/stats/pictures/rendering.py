"""Figures as PNG or SVG: the same figure makes the same bytes."""

import io
import threading

import matplotlib
from matplotlib.figure import Figure

PNG, SVG = "image/png", "image/svg+xml"
DPI = 150
_LOCK = threading.Lock()
"""matplotlib's fonts and layouts are shared by all figures, and are not made for several threads."""

matplotlib.rcParams["svg.hashsalt"] = "vernier"  # ids within a document, at random otherwise


def render(figure: Figure, media_type: str) -> bytes:
    sink = io.BytesIO()
    with _LOCK:
        if media_type == SVG:
            figure.savefig(sink, format="svg", metadata={"Date": None, "Creator": None})
        else:
            figure.savefig(sink, format="png", dpi=DPI, metadata={"Software": None})
    return sink.getvalue()
