"""Tetrachoric correlation: that of the two normal variables of which binary ones tell only whether they are high.

Maximum likelihood of a 2 x 2 table (Pearson 1900; Drasgow 1988): the thresholds are the normal quantiles of the margins
and the correlation is the one whose normal distribution has the table's share of (1, 1). That share is one integral
over the arc sine of the correlation (Drezner & Wesolowsky 1990; Genz 2004, eq. 3), here by Gauss-Legendre nodes, and
its derivative is the integrand, so that Newton's steps need nothing else.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from services.stats.leastsquares import FloatArray

EMPTY = 0.5
"""What an empty cell is counted as, unless told otherwise: without it one would make the correlation -1 or 1."""
_CHUNK = 1 << 10
_STEPS = 100
_PANELS = 1.0 - np.array([1.0, 2.0**-2, 2.0**-4, 2.0**-6, 2.0**-8, 0.0])
"""Where the way to the correlation's arc sine is divided: the integrand turns sharply only at the end."""
_HALF_PI = math.pi / 2


def _rule() -> tuple[FloatArray, FloatArray]:
    """Nodes and weights on 0..1: 16 of Gauss and Legendre a panel."""
    nodes, weights = np.polynomial.legendre.leggauss(16)
    width = np.diff(_PANELS)[:, None]
    return (_PANELS[:-1, None] + width * (nodes + 1) / 2).ravel(), (width * weights / 2).ravel()


_NODES, _WEIGHTS = _rule()


BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Tetrachoric:
    """Of many tables, an entry each, NaN where a margin is empty. `filled` tells which had an empty cell counted as
    something; `se` is the asymptotic standard error, NaN where the correlation is -1 or 1."""

    r: FloatArray
    se: FloatArray
    filled: BoolArray


def tetrachoric(tables: FloatArray, *, empty: float = EMPTY) -> Tetrachoric:
    """Of `tables` of counts (k, 4): neither, the first alone, the second alone, both; the order of the middle two does
    not matter. `empty` (0..1) is put in place of a cell without any, where no margin is."""
    tables = np.asarray(tables, dtype=np.float64)
    parts = [_of(tables[i : i + _CHUNK], empty) for i in range(0, max(1, len(tables)), _CHUNK)]
    return Tetrachoric(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _of(tables: FloatArray, empty: float) -> tuple[FloatArray, FloatArray, BoolArray]:
    neither, first, second, both = tables.T
    varies = (both + first > 0) & (neither + second > 0) & (both + second > 0) & (neither + first > 0)
    filled = varies & (tables == 0).any(axis=1) & (empty > 0)
    cells = np.where((tables == 0) & varies[:, None], empty, tables)
    n = cells.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.where(varies[:, None], cells / n[:, None], 0.25)
    x_high, y_high = shares[:, 3] + shares[:, 1], shares[:, 3] + shares[:, 2]
    h, k = -ndtri(x_high), -ndtri(y_high)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        odds = (cells[:, 0] * cells[:, 3] / (cells[:, 1] * cells[:, 2])) ** (math.pi / 4)
    guess = np.nan_to_num(1 - 2 / (1 + odds))  # Digby 1983; of a table without an empty cell
    angle = _solve(shares[:, 3] - x_high * y_high, h, k, np.arcsin(guess) * 0.99)
    angle = np.where((cells[:, 0] == 0) | (cells[:, 3] == 0), -_HALF_PI, angle)
    angle = np.where((cells[:, 1] == 0) | (cells[:, 2] == 0), _HALF_PI, angle)
    r = np.where(varies, np.sin(angle), np.nan)
    return r, np.where(varies, _error(shares, h, k, r) / np.sqrt(np.maximum(n, 1)), np.nan), filled


def excess(angle: FloatArray, h: FloatArray, k: FloatArray) -> FloatArray:
    """P(X > h, Y > k) - P(X > h) P(Y > k) of a standard normal pair whose correlation is sin(angle)."""
    total: FloatArray = (_density(angle[:, None] * _NODES, h[:, None], k[:, None]) @ _WEIGHTS) * angle
    return total


def _density(angle: FloatArray, h: FloatArray, k: FloatArray) -> FloatArray:
    """The derivative of `excess` by the angle."""
    sine = np.sin(angle)
    density: FloatArray = np.exp(-(h * h + k * k - 2 * h * k * sine) / (2 * (1 - sine * sine) + 1e-300)) / (2 * math.pi)
    return density


def _solve(target: FloatArray, h: FloatArray, k: FloatArray, angle: FloatArray) -> FloatArray:
    """The angle at which `excess` is `target`, by Newton's steps kept within the bracket that they narrow; `angle` is
    where they begin."""
    low, high = np.full_like(target, -_HALF_PI), np.full_like(target, _HALF_PI)
    active = np.arange(len(target))
    for _ in range(_STEPS):
        now, to = angle[active], target[active]
        over = excess(now, h[active], k[active]) - to
        low[active], high[active] = np.where(over < 0, now, low[active]), np.where(over > 0, now, high[active])
        slope = _density(now, h[active], k[active])
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            step = now - over / slope
        inside = (step > low[active]) & (step < high[active])
        angle[active] = np.where(over == 0, now, np.where(inside, step, (low[active] + high[active]) / 2))
        active = active[np.abs(angle[active] - now) > 1e-12]  # the next step would change its square
        if not len(active):
            break
    return angle


def _error(shares: FloatArray, h: FloatArray, k: FloatArray, r: FloatArray) -> FloatArray:
    """Standard error of one observation by the delta method: the table is multinomial and r a function of its shares.

    With a = P(Y > k | X = h), b = P(X > h | Y = k) and f the density at (h, k), the implicit function's derivatives
    are (1 - a - b)/f by the share of (1, 1), -a/f by that of (1, 0), -b/f by that of (0, 1) and 0 by the rest.
    """
    root = np.sqrt((1 - r) * (1 + r))
    with np.errstate(invalid="ignore", divide="ignore"):
        a, b = ndtr((r * h - k) / root), ndtr((r * k - h) / root)
        density = _density(np.arcsin(r), h, k) / root
        by_share = np.column_stack([np.zeros_like(r), -a, -b, 1 - a - b])
        spread = (by_share**2 * shares).sum(axis=1) - (by_share * shares).sum(axis=1) ** 2
        error: FloatArray = np.sqrt(np.maximum(spread, 0.0)) / density
    return np.where(root > 0, error, np.nan)
