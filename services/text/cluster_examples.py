"""Clusterings to try the text service with, shown on the docs page."""

from typing import Any

_STATEMENTS = [
    "My card still has not arrived after two weeks.",
    "When will the card that I ordered be delivered?",
    "I never received my new bank card in the post.",
    "How do I change the PIN of my card?",
    "Can I set a new PIN at any cash machine?",
    "I forgot my PIN and it is blocked now.",
    "Why was I charged a fee for the transfer?",
    "The exchange rate of my transfer was wrong.",
    "My transfer to another country is still pending.",
    "[crosstalk 00:58:01]",
]

CLUSTER: dict[str, Any] = {
    "Three topics": {"texts": _STATEMENTS, "k": 3, "projection": "pca", "seed": 1},
    "Let it choose k": {"texts": _STATEMENTS, "k": "auto", "min_words": 3, "projection": "tsne"},
    "A tree of merges, cut where groups are far apart": {
        "texts": _STATEMENTS,
        "method": "agglomerative",
        "linkage": "average",
        "distance_threshold": 0.6,
    },
    "A mixture, with probabilities": {"texts": _STATEMENTS, "method": "gmm", "k": 3, "covariance": "tied"},
    "Who says what, and when": {
        "texts": _STATEMENTS,
        "speakers": ["Ann", "Bob", "Ann", "Bob", "Ann", "Bob", "Ann", "Bob", "Ann", None],
        "times": ["00:05", "00:40", "01:10", "01:30", "02:00", "02:20", "03:00", "03:30", "04:00", None],
        "k": 3,
        "bins": 4,
    },
}
TRANSCRIPT = """speaker,minute,text
Ann,00:05,My card still has not arrived after two weeks.
Bob,00:40,When will the card that I ordered be delivered?
Ann,01:10,Why was I charged a fee for the transfer?
Bob,01:30,The exchange rate of my transfer was wrong.
"""
ASSIGN: dict[str, Any] = {
    "Two new questions": {"texts": ["Where is my new card?", "The PIN does not work."]},
    "Labels alone": {"texts": ["Where is my new card?"], "draw": False},
}
