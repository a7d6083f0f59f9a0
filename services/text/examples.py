"""Requests to try the text service with, shown on the docs page."""

from typing import Any

EMBEDDINGS: dict[str, Any] = {
    "Two sentences": {"input": ["A man is riding a horse.", "Someone rides an animal."], "model": "text-embedding"},
    "64 dimensions, packed": {"input": "How do I top up my card?", "dimensions": 64, "encoding_format": "base64"},
}

EMBED: dict[str, Any] = {
    "One sentence": {"inputs": "What is deep learning?"},
    "Two, as they come out of the model": {"inputs": ["A man rides.", "A horse runs."], "normalize": False},
}
SIMILARITY: dict[str, Any] = {
    "One against two": {
        "inputs": {
            "source_sentence": "How old are you?",
            "sentences": ["What is your age?", "How heavy are you?"],
        }
    },
}

_CONVERSATION = [
    "The unemployment rate in Ohio fell to four percent in March.",
    "Yeah, mm-hmm.",
    "I think that the rate will fall.",
    "Uh-huh.",
]

INFORMATION: dict[str, Any] = {
    "A conversation, beside what is spoken elsewhere": {
        "texts": _CONVERSATION,
        "background": "spoken",
        "per_token": True,
    },
    "Words in their order": {"texts": _CONVERSATION, "estimator": "ngram"},
    "Against a corpus": {
        "texts": ["the dog chased a comet"],
        "corpus": ["the dog chased the cat", "a cat slept", "the dog slept"],
        "smoothing": 1,
    },
    "By compression": {"texts": _CONVERSATION, "estimator": "compression"},
}

RANKING: dict[str, Any] = {
    "A conversation and when each was said": {
        "texts": _CONVERSATION,
        "time_s": [0, 4.5, 6, 8.2],
        "background": "spoken",
        "top": 2,
    },
}

CORPUS_TEXTS: dict[str, Any] = {"Three texts": {"texts": _CONVERSATION[:3]}}
CORPUS: dict[str, Any] = {
    **CORPUS_TEXTS,
    "For an hour after its last use": {"texts": _CONVERSATION, "keep_s": 3600},
}
