"""What trend tests do about values that depend on those before them.

All take values at equal steps, NaN where missing: a missing value takes no part in any product, and a lag is counted
in steps whether or not the values between are there.
"""

from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import ndtri

from services.stats import products
from services.stats.leastsquares import FloatArray

_DIRECT = 12_000
"""Up to so many points all lags are summed; beyond, the first few, or all at once by FFT."""
_FEW = 100


@dataclass(frozen=True)
class Correction:
    """`factor` by which autocorrelation changes the variance of the score; `asked` is it before it was made usable."""

    factor: float
    asked: float


def hamed_rao(x: FloatArray, slope: float, alpha: float, lag: int | None) -> Correction:
    """Hamed and Rao (1998): the autocorrelations of the ranks of the detrended values that are significant at `alpha`,
    of the first `lag` (all without)."""
    there = ~np.isnan(x)
    n = int(np.count_nonzero(there))
    ranks = np.full(len(x), np.nan)
    ranks[there] = products.ranks(_detrended(x, slope)[there, None])[:, 0]
    rho = autocorrelations(ranks, _lags(x, lag))
    bound = float(ndtri(1 - alpha / 2)) / np.sqrt(n)
    total = 0.0
    for i in np.flatnonzero(np.abs(rho) > bound).tolist():
        if 0 < i < n:
            total += (n - i) * (n - i - 1) * (n - i - 2) * rho[i]
    return _usable(1 + (2 / (n * (n - 1) * (n - 2))) * total)


def yue_wang(x: FloatArray, slope: float, lag: int | None) -> Correction:
    """Yue and Wang (2004): all of the first `lag` autocorrelations of the detrended values (of all without)."""
    n = int(np.count_nonzero(~np.isnan(x)))
    rho = autocorrelations(_detrended(x, slope), _lags(x, lag))
    lags = np.arange(1, min(len(rho), n))
    return _usable(1 + 2 * float(np.sum((1 - lags / n) * rho[lags])))


def whitened(x: FloatArray) -> FloatArray:
    """x less what the value before says of it (von Storch 1995; Yue and Wang 2002): one value fewer, missing where
    either is."""
    rho = autocorrelations(x, 1)[1]
    white: FloatArray = x[1:] - x[:-1] * rho
    return white


def trend_free_whitened(x: FloatArray, slope: float) -> FloatArray:
    """As `whitened`, of the detrended values, the trend put back (Yue et al. 2002)."""
    return np.asarray(whitened(_detrended(x, slope)) + np.arange(1, len(x)) * slope)


def autocorrelations(x: FloatArray, lags: int) -> FloatArray:
    """At 0, 1, ... `lags`; 0 beyond the first where the values do not vary."""
    there = ~np.isnan(x)
    n = np.count_nonzero(there)
    y = np.where(there, x - x[there].mean(), 0.0)
    if len(y) <= _DIRECT:
        products = np.correlate(y, y, "full")[len(y) - 1 :][: lags + 1]
    elif lags <= _FEW:
        products = np.array([y[k:] @ y[: len(y) - k] for k in range(lags + 1)])
    else:
        size = next_fast_len(2 * len(y), real=True)
        products = irfft(np.abs(rfft(y, size)) ** 2, size)[: lags + 1]
    covariances = products / float(n)
    if covariances[0] == 0:
        return np.where(np.arange(lags + 1) == 0, 1.0, 0.0)
    rho: FloatArray = covariances / covariances[0]
    return rho


def _detrended(x: FloatArray, slope: float) -> FloatArray:
    detrended: FloatArray = x - np.arange(1, len(x) + 1) * slope
    return detrended


def _lags(x: FloatArray, lag: int | None) -> int:
    return len(x) - 1 if lag is None else min(lag, len(x) - 1)


def _usable(factor: float) -> Correction:
    return Correction(factor if factor > 0 else 1.0, factor)
