"""Many tests at once: how many of the findings are chance."""

import numpy as np

from services.stats.leastsquares import FloatArray


def benjamini_hochberg(p: FloatArray) -> FloatArray:
    """p adjusted so that, of all that stay below a level, the expected share of chance findings is at most that level
    (Benjamini and Hochberg 1995); NaN stays and does not count as a test."""
    q = np.full(len(p), np.nan)
    tests = np.flatnonzero(~np.isnan(p))
    order = tests[np.argsort(-p[tests], kind="stable")]
    ranks = np.arange(len(order), 0, -1)
    q[order] = np.minimum(1.0, np.minimum.accumulate(p[order] * (len(order) / ranks)))
    return q
