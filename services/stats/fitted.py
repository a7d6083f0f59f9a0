"""What predictions and influence are made from, by how the fit was found."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.stats.design import Design, FloatArray
from services.stats.exact import ExactFit
from services.stats.leastsquares import Centred
from services.stats.sandwich import leverages


@dataclass(frozen=True)
class LinearFit:
    """`meat` (k, k) is the covariance of the effects."""

    design: Design
    centred: Centred
    meat: FloatArray

    @np.errstate(over="ignore", invalid="ignore")
    def mean(self, columns: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
        centred = self.centred
        rows = self.design.rows(columns=columns)[:, centred.kept] - centred.centre
        turned = rows @ centred.gain
        variance = np.einsum("ij,jk,ik->i", turned, self.meat, turned, optimize=True)
        fit = centred.y_centre + rows @ centred.coef
        se = np.sqrt(np.maximum(variance, 0.0))
        return np.ldexp(fit, centred.y_exponent), np.ldexp(se, centred.y_exponent)

    def points(self) -> tuple[FloatArray, FloatArray]:
        q, residuals = self.centred.points
        exponent = self.centred.y_exponent + self.centred.w_exponent
        return leverages(q, self.centred.hat), np.ldexp(residuals, exponent)


@dataclass(frozen=True)
class ExactPoints:
    """An exact fit with the points that it was made of; `sigma` is the residual standard error."""

    exact: ExactFit
    y: FloatArray
    weights: FloatArray | None
    sigma: float

    def mean(self, columns: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
        fit, unit_se = self.exact.mean(columns)
        return fit, self.sigma * unit_se

    def points(self) -> tuple[FloatArray, FloatArray]:
        fit, unit_se = self.exact.mean(self.exact.columns)
        weights = np.ones(len(fit)) if self.weights is None else self.weights
        return weights * unit_se**2, np.sqrt(weights) * (self.y - fit)


@dataclass(frozen=True)
class LineFit:
    """A line whose method has no standard errors."""

    slope: float
    intercept: float

    def mean(self, columns: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
        with np.errstate(over="ignore", invalid="ignore"):
            return self.intercept + self.slope * columns[0], np.full(len(columns[0]), math.nan)
