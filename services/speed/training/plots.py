"""The pictures beside a model card, small PNGs: how the training went, errors over time, calibration."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import NormalDist
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from services.speed.training.evaluate import Score

STYLE: Any = {"font.size": 8, "axes.grid": True, "grid.alpha": 0.3, "lines.linewidth": 1.0, "legend.fontsize": 7}
DPI = 90


@contextmanager
def figure(file: Path, rows: int = 1, columns: int = 1, size: tuple[float, float] = (7, 3)) -> Iterator[Sequence[Axes]]:
    """Axes in reading order; saved to `file` on leaving."""
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=size, layout="constrained")
        yield drawn.subplots(rows, columns, squeeze=False).ravel().tolist()
        drawn.savefig(file, dpi=DPI, pil_kwargs={"optimize": True})


def learning(file: Path, history: Sequence[dict[str, float]], period: int) -> None:
    """The loss, the held-out likelihood and the auxiliary target over the epochs; a line at each snapshot."""
    epochs = np.arange(1, len(history) + 1)
    panels = {"loss": ("loss", "nll"), "explained variance of the tilt": ("pitch_r2", "roll_r2")}
    with figure(file, 1, 2) as axes:
        for axis, (title, names) in zip(axes, panels.items(), strict=True):
            for name in names:
                values = [row.get(name, np.nan) for row in history]
                axis.plot(epochs, values, ".-", label=name.replace("nll", "held-out nll"))
            for end in epochs[period - 1 :: period]:
                axis.axvline(end, color="grey", lw=0.5, ls=":")
            axis.set(title=title, xlabel="epoch")
            axis.legend()


def errors(file: Path, scores: Sequence[Score]) -> None:
    """For each clip the speeds above, and below them the error of each track with the causal one's two-sd band."""
    with figure(file, 2 * len(scores), 1, (8, 3.2 * len(scores))) as axes:
        for score, (above, below) in zip(scores, zip(axes[::2], axes[1::2], strict=True), strict=True):
            course = score.course
            above.plot(course.time_s, course.truth, "k", label="truth")
            above.plot(course.time_s, course.kalman, label="causal")
            above.set(title=score.clip, ylabel="m/s")
            band = 2 * course.kalman_sd
            below.fill_between(course.time_s, -band, band, color="C0", alpha=0.15, lw=0, label="2 sd")
            for name, track in (("raw", course.raw), ("causal", course.kalman), ("rts", course.rts)):
                below.plot(course.time_s, track - course.truth, label=name, lw=0.6 if name == "raw" else 1.0)
            limit = max(1.0, float(np.quantile(np.abs(course.kalman - course.truth), 0.99)) * 1.3)
            below.set(ylabel="error, m/s", xlabel="s", ylim=(-limit, limit))
            for axis in (above, below):
                axis.legend(ncols=4)


def calibration(file: Path, scores: Sequence[Score]) -> None:
    """How many of the raw errors lie within so many standard deviations, against a normal's share."""
    wide = np.linspace(0.05, 3.5, 70)
    normal = [2 * NormalDist().cdf(each) - 1 for each in wide]
    with figure(file, 1, 1, (4, 3.4)) as (axis,):
        axis.plot(wide, normal, "k--", label="normal")
        for score in scores:
            off = np.abs(score.course.off())
            axis.plot(wide, [(off < each).mean() for each in wide], label=score.clip)
        axis.set(xlabel="standard deviations", ylabel="share of errors within", ylim=(0, 1.02))
        axis.legend(loc="lower right")


def trials(file: Path, values: Sequence[float], best: Sequence[float], weights: dict[str, float]) -> None:
    """The search: each trial's objective and the best so far; which parameters it hangs on."""
    with figure(file, 1, 2) as (left, right):
        left.plot(values, ".", label="trial")
        left.step(range(len(best)), best, where="post", label="best so far")
        left.set(xlabel="trial", ylabel="cross-drive nll", ylim=(min(values) - 0.02, float(np.median(values)) + 0.15))
        left.legend()
        right.barh(list(weights)[::-1], list(weights.values())[::-1])
        right.set(xlabel="share of the variance (fANOVA)", xlim=(0, 1))
