"""Tables of points, and statsmodels without the warnings of its own imports."""

import warnings

import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import statsmodels.api as sm
    from statsmodels.stats.outliers_influence import OLSInfluence

__all__ = ["OLSInfluence", "sm", "table"]


def table(
    seed: int, rows: int = 40, columns: int = 3, *, heavy: bool = False
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Columns of x, y with errors that are normal, or have tails like Student's t with 2 degrees, and weights."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(columns, rows))
    errors = rng.standard_t(2, size=rows) if heavy else rng.normal(size=rows)
    return list(x), 1 + x.T @ np.arange(1, columns + 1) + errors, rng.uniform(0.5, 3, rows)
