"""Predictions of a fitted regression, with their intervals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from services.stats.design import FloatArray
from services.stats.inference import Regression, student


@dataclass(frozen=True)
class Prediction:
    """At m points: `y` (m,) is the fit, `se` its standard error, `ci` (m, 2) the interval of the mean response and `pi`
    (m, 2) that of a new observation of weight 1, by Student's t; NaN for what the method does not define."""

    y: FloatArray
    se: FloatArray
    ci: FloatArray
    pi: FloatArray
    warnings: list[str] = field(default_factory=list)


@np.errstate(over="ignore", invalid="ignore")
def predict(found: Regression, columns: Sequence[FloatArray], confidence: float = 0.95) -> Prediction:
    """At other values of the columns that `found` was fitted to, each of length m."""
    assert found.fitted is not None
    y, se = found.fitted.mean(columns)
    reach = student(found.df, confidence)
    half, wide = reach * se, reach * np.hypot(se, found.sigma)
    return Prediction(
        y=y,
        se=se,
        ci=np.column_stack([y - half, y + half]),
        pi=np.column_stack([y - wide, y + wide]),
        warnings=_warnings(found, y, se),
    )


def _warnings(found: Regression, y: FloatArray, se: FloatArray) -> list[str]:
    warnings = list(found.warnings)
    if found.dropped:
        shown = ", ".join(found.dropped)
        warnings.append(f"predictions hold where {shown} depend on the other columns as in the points fitted")
    if not np.isfinite(y).all():
        warnings.append("a prediction is beyond the range of a double, null here")
    elif math.isfinite(found.sigma) and np.isnan(se).all():
        warnings.append("this method has no standard errors: ci and pi are null")
    return warnings
