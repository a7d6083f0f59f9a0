"""Rounding to N decimals: an operator of torch with a C++ kernel, a CUDA kernel and a form in plain torch."""

from services.speed.training.rounding.build import compiled
from services.speed.training.rounding.operator import MOST_DECIMALS, round_decimals

__all__ = ["MOST_DECIMALS", "compiled", "round_decimals"]
