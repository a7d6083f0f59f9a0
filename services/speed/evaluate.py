"""How good a prediction is, by the measure of the speed challenge: the mean squared error over all frames."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from shared.errors import FieldError, Unprocessable
from shared.kalman import Array

Grade = Literal["good", "better", "heart"]

GRADES: tuple[tuple[float, Grade], ...] = ((3.0, "heart"), (5.0, "better"), (10.0, "good"))
"""The challenge's own words for errors below that, (m/s)^2, best first."""


@dataclass(frozen=True, slots=True)
class Score:
    """`mse` in (m/s)^2, `rmse`, `mae` and `bias` in m/s; bias is above 0 where the prediction is too fast.

    `within_1_sd` and `within_2_sd` are the shares of frames whose truth lies that near, of a prediction that states its
    sd: 0.68 and 0.95 where that is calibrated and errors are Gaussian."""

    frames: int
    mse: float
    rmse: float
    mae: float
    bias: float
    grade: Grade | None
    within_1_sd: float | None
    within_2_sd: float | None


def score(predicted_mps: Array, truth_mps: Array, sd_mps: Array | None = None) -> Score:
    """Of a prediction [T] against the truth [T], both finite. Raises Unprocessable where they differ in length."""
    if len(predicted_mps) != len(truth_mps):
        detail = f"has {len(predicted_mps):,} speeds and truth {len(truth_mps):,}; they are to be of the same frames"
        raise Unprocessable(f"file {detail}", errors=[FieldError("/file", detail)])
    error = predicted_mps - truth_mps
    mse = float(np.mean(error**2))
    within = [None, None] if sd_mps is None else [float(np.mean(np.abs(error) <= k * sd_mps)) for k in (1, 2)]
    return Score(
        frames=len(error),
        mse=mse,
        rmse=mse**0.5,
        mae=float(np.mean(np.abs(error))),
        bias=float(np.mean(error)),
        grade=next((word for limit, word in GRADES if mse < limit), None),
        within_1_sd=within[0],
        within_2_sd=within[1],
    )
