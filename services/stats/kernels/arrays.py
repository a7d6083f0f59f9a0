"""What kernels take and give."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Bins = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]
Limits = tuple[float, float, float]
"""How far values and times reach about their middle, and the least gap between times."""
Work = tuple[Any, ...]
"""Scratch arrays; see `services.stats.kernels.rows.workspace`."""
