"""The gates of the recurrent head over a video: as tables, and as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.speed.training.plots import figure
from services.speed.training.recurrent import Gates, Step
from services.speed.training.recurrent_features import Reel

Floats = NDArray[np.float64]
SHOWN = {"input": "let in", "forget": "kept", "cell": "offered", "output": "let out"}


def gathered(reel: Reel, steps: Sequence[Step]) -> dict[str, Floats]:
    """`time_s`, `truth_mps`, `measured_mps`, `speed_mps`, `sd_mps` and `gain`, [T] each, and every field of `Gates`,
    [T, hidden]."""
    found: dict[str, Floats] = {
        "time_s": reel.time_s.double().numpy(),
        "truth_mps": reel.truth.double().numpy(),
        "measured_mps": reel.measured.double().numpy(),
        "speed_mps": np.array([float(step.speed) for step in steps]),
        "sd_mps": np.exp([float(step.log_sd) for step in steps]),
        "gain": np.array([float(step.gain) for step in steps]),
    }
    for name in Gates._fields:
        found[name] = np.stack([getattr(step.gates, name)[0].double().numpy() for step in steps])
    return found


def save(found: dict[str, Floats], folder: Path, name: str = "gates") -> list[Path]:
    """Writes `name`.npz, `name`.csv (a column a unit, `forget_3`) and the picture `name`.png; returns them."""
    folder.mkdir(parents=True, exist_ok=True)
    table, columns, picture = (folder / f"{name}.{kind}" for kind in ("npz", "csv", "png"))
    everything: dict[str, Any] = dict(found)
    np.savez_compressed(table, **everything)
    flat = {
        f"{key}_{k}": column for key, values in found.items() if values.ndim == 2 for k, column in enumerate(values.T)
    }
    shown = {**{key: values for key, values in found.items() if values.ndim == 1}, **flat}
    np.savetxt(
        columns, np.column_stack(list(shown.values())), fmt="%.6g", delimiter=",", header=",".join(shown), comments=""
    )
    draw(found, picture)
    return [table, columns, picture]


def draw(found: dict[str, Floats], file: Path) -> None:
    """The speed above, the gates below: a row a unit, by its number."""
    time = found["time_s"]
    with figure(file, 1 + len(SHOWN), 1, (8, 8)) as axes:
        above = axes[0]
        above.plot(time, found["truth_mps"], "k", label="truth")
        above.plot(time, found["measured_mps"], ".", ms=2, color="grey", label="each pair")
        above.plot(time, found["speed_mps"], label="recurrent")
        above.set(ylabel="m/s", xlim=(time[0], time[-1]), title="speed, and the gates of each unit")
        above.legend(loc="upper right")
        for axis, (name, title) in zip(axes[1:], SHOWN.items(), strict=True):
            rows = found[name].T
            low = -1.0 if name == "cell" else 0.0
            heat = axis.pcolormesh(
                time, np.arange(len(rows)), rows, vmin=low, vmax=1.0, cmap="viridis", shading="nearest"
            )
            axis.set(ylabel=title)
            axis.grid(visible=False)
            axis.figure.colorbar(heat, ax=axis, pad=0.01)
        axes[-1].set(xlabel="s")
