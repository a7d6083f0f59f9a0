"""How much each point weighs in a least squares fit (Cook 1977; Belsley, Kuh and Welsch 1980)."""

import math

import numpy as np

from services.stats.design import FloatArray
from services.stats.inference import Influence

_WHOLE = 64 * float(np.finfo(float).eps)


@np.errstate(divide="ignore", invalid="ignore")
def influence_of(leverage: FloatArray, residuals: FloatArray, rank: int) -> Influence:
    """By the hat matrix's diagonal and the residuals times the roots of the weights, both (n,)."""
    df = len(leverage) - rank
    left = np.where(1 - leverage > _WHOLE, 1 - leverage, np.nan)
    sigma = math.sqrt(float(residuals @ residuals) / df) if df > 0 else math.nan
    standardized = residuals / (sigma * np.sqrt(left)) if sigma > 0 else np.full(len(leverage), np.nan)
    cooks = standardized**2 * leverage / left / rank
    others = df - standardized**2
    studentized = standardized * np.sqrt(np.where(others > 0, (df - 1) / others, np.nan))
    return Influence(leverage, cooks, standardized, studentized)


def influence_warnings(found: Influence) -> list[str]:
    alone = np.flatnonzero(np.isnan(found.standardized))
    if not len(alone):
        return []
    if len(alone) == len(found.leverage):
        return ["the fit leaves no residual: no point's influence is defined but its leverage"]
    shown = ", ".join(map(str, alone[:5].tolist())) + (", ..." if len(alone) > 5 else "")
    return [f"points that alone determine a coefficient leave no residual, so that their entries are null: {shown}"]
