"""Series to filter, and what others make of them."""

from csv import DictReader
from pathlib import Path

import numpy as np

from services.stats.kalman.kernels.step import FloatArray


def nile(data: Path) -> FloatArray:
    """Annual flow at Aswan, 1871 to 1970 (Cobb 1978; Durbin and Koopman 2012)."""
    with (data / "stats" / "nile.csv").open() as lines:
        return np.array([float(row["volume"]) for row in DictReader(lines)])


def with_gaps(z: FloatArray) -> FloatArray:
    z = z.copy()
    z[20:40] = z[60:80] = np.nan
    return z


def walks(series: int, length: int, seed: int = 0) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Walks [m, T] with gaps, their times, some twice the same, and the variances of their measurements [m, T]."""
    rng = np.random.default_rng(seed)
    time = np.cumsum(rng.uniform(0.02, 0.5, length) * (rng.random(length) > 0.1))
    r = rng.uniform(0.05, 0.5, (series, length))
    z = 10 + np.cumsum(rng.normal(0, 0.3, (series, length)), axis=1) + rng.normal(0, np.sqrt(r))
    z[rng.random(z.shape) < 0.15] = np.nan
    return z, time, r
