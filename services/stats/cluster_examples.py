"""Requests for clusters to try, shown on the docs page."""

from typing import Any

from services.stats.density_examples import DENSITY

_POINTS = [[1.0, 1.2, 0.8, 5.0, 5.3, 4.9, 9.1, 8.8], [2.0, 1.9, 2.2, 7.1, 6.8, 7.0, 1.0, 1.3]]

CLUSTER: dict[str, Any] = {
    "Three groups in the plane": {"x": _POINTS, "names": ["east", "north"], "k": 3},
    "Their tree": {"x": _POINTS, "method": "hierarchical", "linkage": "average", "height": 2.0},
    "Long waits and short ones": {"x": DENSITY["Old Faithful, by kernels"]["x"], "method": "gmm", "largest": 3},
}
CLUSTER_TABLE = "east,north\n1.0,2.0\n1.2,1.9\n5.0,7.1\n5.3,6.8\n9.1,1.0\n"
