"""Requests for densities to try, shown on the docs page."""

from typing import Any

# Minutes from one eruption of Old Faithful to the next (Azzalini & Bowman 1990), the first forty
_WAITING = [
    80, 71, 57, 80, 75, 77, 60, 86, 77, 56, 81, 50, 89, 54, 90, 73, 60, 83, 65, 82,
    84, 54, 85, 58, 79, 57, 88, 68, 76, 78, 74, 85, 75, 65, 76, 58, 91, 50, 87, 48,
]  # fmt: skip

DENSITY: dict[str, Any] = {
    "Old Faithful, by kernels": {"x": _WAITING, "names": ["waiting_min"], "grid": 50},
    "Old Faithful, as a mixture": {"x": _WAITING, "method": "gmm", "largest": 3, "at": [50, 60, 70, 80, 90]},
    "Two columns, at two points": {
        "x": [[1.0, 1.5, 2.1, 2.9, 3.2, 4.0], [2.1, 1.9, 3.5, 3.0, 4.4, 4.1]],
        "bandwidth": 0.5,
        "at": [[2.0, 3.0], [2.0, 3.0]],
    },
}
DENSITY_TABLE = "waiting_min\n80\n71\n57\n80\n75\n77\n60\n86\n"
