"""Requests to try sessions with, shown on the docs page."""

from typing import Any

_VISITS = [
    ["/", "/cards", "/cards/order", "/cards/delivery"],
    ["/cards", "/cards/delivery", "/cards/order"],
    ["/", "/cards/order", "/cards/delivery"],
    ["/transfers", "/transfers/fees", "/transfers/abroad"],
    ["/", "/transfers/abroad", "/transfers/fees"],
    ["/transfers", "/transfers/abroad"],
]

SESSIONS: dict[str, Any] = {
    "Visits of a bank's pages": {"sessions": _VISITS, "dimensions": 8, "window": 3, "min_count": 2}
}

LOG = "\n".join(
    f'192.0.2.{visitor} - - [17/May/2015:10:0{minute}:00 +0000] "GET {page} HTTP/1.1" 200 100 "-" "Mozilla/5.0"'
    for visitor, visit in enumerate(_VISITS * 2)
    for minute, page in enumerate(visit)
)

SIMILAR: dict[str, Any] = {
    "Neighbours": {"positive": ["/cards"], "top": 3},
    "An analogy": {"positive": ["/cards/order", "/transfers"], "negative": ["/cards"], "top": 3},
}

ITEM_CLUSTER: dict[str, Any] = {"Two groups": {"k": 2, "projection": "pca"}}
