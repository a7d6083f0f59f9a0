"""Requests for factors to try, shown on the docs page."""

from typing import Any

# Ability and intelligence tests of 112 people (Smith & Stanley 1983), as R's `ability.cov` has their covariances
_ABILITY = [
    [24.641, 5.991, 33.520, 6.023, 20.755, 29.701],
    [5.991, 6.700, 18.137, 1.782, 4.936, 7.204],
    [33.520, 18.137, 149.831, 19.424, 31.430, 50.753],
    [6.023, 1.782, 19.424, 12.711, 4.757, 9.075],
    [20.755, 4.936, 31.430, 4.757, 52.604, 66.762],
    [29.701, 7.204, 50.753, 9.075, 66.762, 135.292],
]

_ANSWERS = {
    "q1": [1, 1, 1, 1, 0, 0, 1, 1, 0, 1, 0, 1],
    "q2": [1, 0, 1, 1, 0, 1, 1, 0, 0, 1, 0, 1],
    "q3": [1, 0, 1, 0, 0, 0, 1, 1, 0, 1, 0, 0],
    "q4": [0, 0, 1, 1, 0, 0, 1, 0, 1, 1, 0, 1],
}

FACTORS: dict[str, Any] = {
    "Two abilities behind six tests": {
        "matrix": _ABILITY,
        "names": ["general", "picture", "blocks", "maze", "reading", "vocab"],
        "n": 112,
        "method": "ml",
        "n_factors": 2,
        "rotation": "promax",
    },
    "One ability behind right and wrong answers": {"columns": _ANSWERS, "correlation": "tetrachoric"},
    "A restricted Boltzmann machine": {"columns": _ANSWERS, "method": "rbm", "n_factors": 1, "epochs": 50},
}
FACTORS_TABLE = "height,arm,leg,weight\n1.62,0.60,0.78,58\n1.75,0.66,0.85,72.5\n1.81,0.67,0.90,80\n1.68,0.62,0.82,66\n"
