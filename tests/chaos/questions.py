"""What is asked: many different questions, each of which has one right answer."""

import json
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np


@dataclass(frozen=True)
class Question:
    """To be sent to `path` of the service `service`."""

    service: str
    path: str
    body: bytes

    def same(self, answer: bytes, truth: bytes) -> bool:
        """Whether two answers say the same: numbers of a model to six digits, all else exactly."""
        a, b = json.loads(answer), json.loads(truth)
        if self.service != "text":
            return bool(a == b)
        return a["model"] == b["model"] and bool(np.allclose(_vectors(a), _vectors(b), atol=1e-6))


def _vectors(answer: Any) -> Any:
    return np.array([each["embedding"] for each in answer["data"]])


def question(number: int) -> Question:
    """The same for the same number, another for another."""
    draw = random.Random(number)
    if number % 8 == 7:
        words = " ".join(draw.choice(WORDS) for _ in range(draw.randint(3, 12)))
        return _question("text", "/v1/embeddings", {"model": "text-embedding", "input": [f"{words} {number}"]})
    if number % 8 == 5:
        return _question("speed", "/tally", {"id": f"{number}-{random.SystemRandom().getrandbits(64):x}"})
    x = [draw.gauss(0, 1) for _ in range(draw.randint(6, 40))]
    if number % 8 == 3:
        y = [draw.gauss(2 * each, 1) for each in x]
        return _question("stats", "/v1/stats/regression", {"x": x, "y": y})
    return _question("stats", "/v1/stats/trend", {"series": x})


WORDS = ("road", "river", "train", "bridge", "rain", "quiet", "slow", "heavy", "along", "before", "under", "every")


def _question(service: str, path: str, body: dict[str, Any]) -> Question:
    return Question(service, path, json.dumps(body).encode())


def truths(asked: Iterable[Question], urls: dict[str, str]) -> dict[Question, bytes]:
    """The right answers: what each service says for itself, asked alone and one after the other."""
    with httpx.Client(timeout=60) as client:
        found = {}
        for each in dict.fromkeys(asked):
            headers = {"Content-Type": "application/json"}
            answer = client.post(urls[each.service] + each.path, content=each.body, headers=headers)
            assert answer.status_code == 200, answer.text
            found[each] = answer.content
        return found


def tallied(file: Path) -> Counter[str]:
    """How often each id was counted."""
    return Counter(file.read_text().split())
