"""Planes to try, shown on the docs page."""

from typing import Any

_LUMA = [[16 * ((column + row) % 9) + 60 for column in range(8)] for row in range(8)]

CHROMA: dict[str, Any] = {
    "One block of 4:4:4, its chroma half of its luma": {
        "luma": _LUMA,
        "chroma": [[value // 2 + 40 for value in row] for row in _LUMA],
        "subsampling": "4:4:4",
        "block": 8,
        "dc": "mean",
    },
    "Four blocks of 4:2:0": {
        "luma": [row + row for row in _LUMA] * 2,
        "chroma": [[128 - value // 4 for value in row] for row in _LUMA],
        "block": 8,
    },
}
