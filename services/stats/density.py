"""Densities by kernels: each row a normal distribution of its own, all alike."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.linalg import solve_triangular

from services.stats.leastsquares import FloatArray
from services.stats.rows import refused

Rule = Literal["scott", "silverman"]
_CHUNK = 1 << 19
_FARTHEST = 1e100
"""Most kernel widths between two rows: their squares are within the range of a double."""


@dataclass(frozen=True)
class Kernels:
    """Of rows less `centre` over `scale`, brought to where the kernel is the unit normal: `rows` (n, d) and `root`
    (d, d), the triangular root of the kernel's covariance there. `covariance` (d, d) is that of the columns as they
    were given."""

    centre: FloatArray
    scale: FloatArray
    rows: FloatArray
    root: FloatArray

    @property
    def covariance(self) -> FloatArray:
        spread = self.scale[:, None] * self.root
        covariance: FloatArray = spread @ spread.T
        return covariance

    def log_density(self, points: FloatArray, check: Callable[[], None] = lambda: None) -> FloatArray:
        """At `points` (m, d); (m,)."""
        from scipy.spatial.distance import cdist

        size, width = self.rows.shape
        z = solve_triangular(self.root, ((points - self.centre) / self.scale).T, lower=True).T
        found = np.empty(len(z))
        step = max(1, _CHUNK // size)
        for start in range(0, len(z), step):
            check()
            part = slice(start, start + step)
            squares = cdist(z[part], self.rows, "sqeuclidean")
            nearest = squares.min(axis=1)
            found[part] = np.log(np.exp((nearest[:, None] - squares) / 2).sum(axis=1)) - nearest / 2
        volume = np.log(np.diagonal(self.root)).sum() + np.log(self.scale).sum()
        found -= volume + math.log(size) + width / 2 * math.log(2 * math.pi)
        return found


def kernels(table: FloatArray, bandwidth: Rule | float = "scott") -> Kernels:
    """On an (n, d) `table` whose columns all vary.

    scott and silverman take the rows' own covariance times n^(-2/(d+4)), silverman's with a further factor
    ((d+2)/4)^(-2/(d+4)) (Scott 1992, eqs. 6.42 and 6.43); a number is the kernel's standard deviation in every
    column's unit. Raises Unprocessable for columns that follow from one another, which only a number serves.
    """
    size, width = table.shape
    centre, scale = table.mean(axis=0), table.std(axis=0, ddof=1)
    z = (table - centre) / scale
    if isinstance(bandwidth, str):
        factor = (size if bandwidth == "scott" else size * (width + 2) / 4) ** (-1 / (width + 4))
        covariance = np.atleast_2d(np.cov(z.T))
        if np.linalg.eigvalsh(covariance)[0] < 1e-10:
            raise refused("/x", "has columns that follow from one another; leave them out, or give a bandwidth")
        root = factor * np.linalg.cholesky(covariance)
    else:
        if np.max(np.ptp(table, axis=0)) / bandwidth > _FARTHEST:
            raise refused(
                "/bandwidth", f"is {bandwidth:g}, nothing beside rows that lie {np.max(np.ptp(table, axis=0)):g} apart"
            )
        root = np.diag(bandwidth / scale)
    return Kernels(centre, scale, solve_triangular(root, z.T, lower=True).T, root)
