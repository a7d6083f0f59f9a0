"""Requests to try the stats service with, shown on the docs page."""

from typing import Any

# NIST StRD, Longley (1967): y is total employment of the United States, 1947 to 1962
_LONGLEY = {
    "names": ["deflator", "gnp", "unemployed", "armed_forces", "population", "year"],
    "x": [
        [83.0, 88.5, 88.2, 89.5, 96.2, 98.1, 99.0, 100.0, 101.2, 104.6, 108.4, 110.8, 112.6, 114.2, 115.7, 116.9],
        [
            234289, 259426, 258054, 284599, 328975, 346999, 365385, 363112,
            397469, 419180, 442769, 444546, 482704, 502601, 518173, 554894,
        ],
        [2356, 2325, 3682, 3351, 2099, 1932, 1870, 3578, 2904, 2822, 2936, 4681, 3813, 3931, 4806, 4007],
        [1590, 1456, 1616, 1650, 3099, 3594, 3547, 3350, 3048, 2857, 2798, 2637, 2552, 2514, 2572, 2827],
        [
            107608, 108632, 109773, 110929, 112075, 113270, 115094, 116219,
            117388, 118734, 120445, 121950, 123366, 125368, 127852, 130081,
        ],
        [1947, 1948, 1949, 1950, 1951, 1952, 1953, 1954, 1955, 1956, 1957, 1958, 1959, 1960, 1961, 1962],
    ],
    "y": [
        60323, 61122, 60171, 61187, 63221, 63639, 64989, 63761,
        66019, 67857, 68169, 66513, 68655, 69564, 69331, 70551,
    ],
}  # fmt: skip

REGRESSION: dict[str, Any] = {
    "A line": {"x": [1, 2, 3, 4, 5], "y": [2.1, 3.9, 6.2, 7.8, 10.1]},
    "A parabola, exactly": {
        "x": [0, 1, 2, 3, 4],
        "y": [0.1, 0.9, 4.2, 8.8, 16.1],
        "degree": 2,
        "precision": "high",
    },
    "Longley's six columns": _LONGLEY,
    "A line past an outlier": {
        "x": [1, 2, 3, 4, 5, 6, 7],
        "y": [2.1, 3.9, 6.2, 77.8, 10.1, 11.9, 14.2],
        "method": "tukey",
    },
    "Errors of unequal variance, and what each point weighs": {
        "x": [1, 2, 3, 4, 5, 6, 7, 8],
        "y": [2.0, 4.1, 5.8, 8.4, 9.5, 12.9, 12.8, 17.6],
        "covariance": "HC3",
        "influence": True,
    },
    "Two columns nearly the same, by ridge": {
        "x": [[1, 2, 3, 4, 5], [1.1, 2, 3, 4, 5.1]],
        "y": [2.1, 3.9, 6.2, 7.8, 10.1],
        "method": "ridge",
        "alpha": 0.1,
    },
}
PREDICTION: dict[str, Any] = {
    "A line, further on": {"x": [1, 2, 3, 4, 5], "y": [2.1, 3.9, 6.2, 7.8, 10.1], "at": [6, 7, 8]},
    "Where y is missing": {"x": [1, 2, 3, 4, 5, 6], "y": [2.1, 3.9, None, 7.8, 10.1, None], "method": "huber"},
}

TREND: dict[str, Any] = {
    "The Nile at Aswan, 1871 to 1900": {
        "series": [
            1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020,
            960, 1180, 799, 958, 1140, 1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840,
        ]
    },
    "Two series, one with a gap": {
        "series": {"rising": [1.0, 2.5, None, 3.1, 4.0, 4.4, 5.2], "flat": [2.0, 2.1, 1.9, 2.0, 2.1, 2.0, 1.9]},
        "time": [2015, 2016, 2017, 2018, 2019, 2020, 2021],
    },
    "The Nile, with autocorrelation allowed for": {
        "series": [
            1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020,
            960, 1180, 799, 958, 1140, 1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840,
        ],
        "method": "hamed_rao",
        "lag": 3,
    },
    "Passengers by quarter, thousands": {
        "series": [362, 385, 432, 341, 382, 409, 498, 387, 473, 513, 582, 474, 544, 582, 681, 557],
        "method": "seasonal",
        "period": 4,
    },
    "Flow, given rain": {
        "series": {"flow": [3.1, 2.9, 3.6, 3.3, 3.9, 4.2, 3.8, 4.4], "rain": [71, 64, 80, 70, 78, 90, 75, 82]},
        "method": "partial",
    },
}  # fmt: skip

COVARIANCE: dict[str, Any] = {
    "Two columns": {"columns": {"height": [1.62, 1.75, 1.81, 1.68], "weight": [58.0, 72.5, 80.0, 66.0]}},
    "Correlations with holes": {
        "columns": {"a": [1, 2, 3, 4, 5], "b": [2.0, None, 6.1, 8.2, 9.9], "c": [5, 3, 4, 1, None]},
        "kind": "pearson",
        "missing": "pairwise",
    },
    "Questions answered right or wrong": {
        "columns": {"q1": [1, 1, 1, 1, 0, 0, 1, 1, 0, 1], "q2": [1, 0, 1, 1, 0, 1, 1, 0, 0, 1]},
        "kind": "tetrachoric",
    },
}

REGRESSION_TABLE = "dose,age,response\n1,30,2.1\n2,41,3.9\n3,35,6.2\n4,52,7.8\n5,47,10.1\n"
PREDICTION_TABLE = "dose,response\n1,2.1\n2,3.9\n3,6.2\n4,7.8\n5,\n6,\n"
TREND_TABLE = "year,rising,flat\n2015,1.0,2.0\n2016,2.5,2.1\n2017,,1.9\n2018,3.1,2.0\n2019,4.0,2.1\n2020,4.4,2.0\n"
COVARIANCE_TABLE = "height,weight\n1.62,58\n1.75,72.5\n1.81,80\n1.68,66\n"

AGGREGATE: dict[str, Any] = {
    "A fleet's speeds": {"kind": ["count", "mean", "variance", "quantiles"], "columns": ["speed_mps"]},
    "A day's speeds, forgotten a day after the last": {
        "kind": ["mean", "max"],
        "columns": ["speed_mps"],
        "ttl_s": 86400,
    },
    "A line through points": {"kind": ["covariance", "regression"], "columns": ["load", "time"], "y": "time"},
}
VALUES: dict[str, Any] = {"Speeds": {"values": {"speed_mps": [8.2, 8.4, None, 8.9]}}}
VALUES_TABLE = "speed_mps\n8.2\n8.4\n\n8.9\n"
FOLD: dict[str, Any] = {
    "Two columns": {"kind": ["mean", "covariance"], "values": {"a": [1, 2, 4], "b": [2.5, 3.5, 5.0]}},
    "One array": {"kind": ["sum", "min", "max"], "values": [0.1, 0.2, 0.3]},
}
_STATE = {
    "version": 1,
    "kind": ["count", "sum"],
    "columns": ["x"],
    "rows": 3,
    "parts": {"count": {"x": 3}, "sum": {"x": ["3", 1]}},
}
MERGE: dict[str, Any] = {"Three values": {"state": _STATE}}
STATES: dict[str, Any] = {"Three values, twice": {"states": [_STATE, _STATE]}}

KALMAN: dict[str, Any] = {
    "The Nile's level, 1871 to 1890": {
        "z": [
            1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140,
            995, 935, 1110, 994, 1020, 960, 1180, 799, 958, 1140,
        ],
        "model": "level", "q": 1469.1, "r": 15099,
    },
    "Two tracks with a gap and an outlier": {
        "z": {"a": [0.1, 1.1, None, 2.9, 4.2, 5.0], "b": [5.0, 4.4, 4.1, 9.9, 3.0, 2.4]},
        "time": [0, 0.5, 1.0, 1.4, 2.0, 2.5], "q": {"a": 0.1, "b": 0.2}, "r": 0.05, "gate": 0.999,
    },
}  # fmt: skip
KALMAN_FIT: dict[str, Any] = {
    "The Nile's level": {key: value for key, value in next(iter(KALMAN.values())).items() if key in ("z", "model")}
}
KALMAN_TABLE = "time,z\n0,0.1\n0.5,1.1\n1,\n1.4,2.9\n2,4.2\n2.5,5.0\n"

STREAM: dict[str, Any] = {
    "A range that is measured every second or so": {"model": "velocity", "q": 0.1, "r": 0.05, "gate": 0.999},
    "A level, forgotten after a day of silence": {"model": "level", "q": 1469.1, "r": 15099, "ttl_s": 86400},
}
OBSERVATIONS: dict[str, Any] = {
    "Three, one of them missing": {"time": [0, 0.5, 1.0], "z": [0.1, 1.1, None]},
}
OBSERVATIONS_TABLE = "time,z\n0,0.1\n0.5,1.1\n1,\n"
