"""Requests made odd in a seeded way: each is answered or refused, and no null goes without a warning."""

import copy
import random
from collections import Counter
from typing import Any

import orjson
import pytest

from services.stats import examples
from services.stats.regression_answers import prediction_answer, regression_answer
from services.stats.regression_schemas import PredictionRequest, RegressionRequest
from shared.bodies import parse
from shared.errors import Malformed, TooLarge, Unprocessable
from shared.responses import json_bytes

MUTATIONS = 250
ODD: list[Any] = [None, True, -1, 2**63, 1e308, "", "x", [], {}, [1], [[1]]]
NUMBERS: list[Any] = [0, 1, 3, 0.0, 1e100, 1e150, -1e150, 1e-150, 7.3]
OPTIONS: dict[str, list[Any]] = {
    "degree": [1, 2, 5, 20],
    "intercept": [True, False],
    "method": ["ols", "ridge", "huber", "tukey", "theil_sen", "siegel"],
    "alpha": [0, 1e-150, 1, 1e150],
    "covariance": ["nonrobust", "HC0", "HC1", "HC2", "HC3", "HAC"],
    "lag": [0, 1, 4],
    "precision": ["high", "default"],
    "confidence": [0.5, 1e-9, 1 - 1e-12],
    "influence": [True],
}


def mutated(body: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    body = copy.deepcopy(body)
    for _ in range(chance.choice([1, 1, 2, 3])):
        what = chance.random()
        if what < 0.5:
            name = chance.choice(list(OPTIONS))
            body[name] = chance.choice(OPTIONS[name])
            if body.get("method") == "ridge":
                body.setdefault("alpha", 1.0)
            elif chance.random() < 0.8:
                body.pop("alpha", None)
        elif what < 0.8:
            column = body[chance.choice([name for name in ("x", "y", "at") if name in body])]
            if isinstance(column[0], list) and column[0]:
                column = column[0]
            column[chance.randrange(len(column))] = chance.choice([*NUMBERS, chance.gauss(0, 1), chance.choice(ODD)])
        elif what < 0.9:
            rows, number = chance.choice([1, 2, 3, 8]), chance.choice(NUMBERS)
            body["x"] = [[number] * rows for _ in range(chance.choice([1, 2, 3]))]
            body["y"] = [chance.gauss(0, 1) for _ in range(rows)]
        else:
            body["weights"] = [chance.choice([1e150, 1e-150, 1, 2.5]) for _ in body["y"]]
    return body


@pytest.mark.parametrize("seed", range(2))
def test_each_is_answered_or_refused(seed: int) -> None:
    chance, outcomes = random.Random(seed), Counter[str]()
    for _ in range(MUTATIONS):
        predicts = chance.random() < 0.5
        shown = examples.PREDICTION if predicts else examples.REGRESSION
        body = mutated(chance.choice(list(shown.values())), chance)
        content = orjson.dumps(body)
        try:
            if predicts:
                answer = prediction_answer(parse(PredictionRequest, content), lambda: None)
            else:
                answer = regression_answer(parse(RegressionRequest, content), lambda: None)
        except (Malformed, TooLarge, Unprocessable):
            outcomes["refused"] += 1
            continue
        outcomes["answered"] += 1
        found = orjson.loads(json_bytes(answer.content))
        nulls = [name for name in ("coef", "y", "sigma") if name in found and None in listed(found[name])]
        if found["method"] in {"ols", "ridge", "huber", "tukey"}:
            nulls += [name for name in ("se", "t", "p", "pi") if name in found and None in listed(found[name])]
        assert found["warnings"] or not nulls, (nulls, body)
    assert min(outcomes["answered"], outcomes["refused"]) > MUTATIONS / 5


def listed(value: Any) -> list[Any]:
    return [leaf for each in value for leaf in listed(each)] if isinstance(value, list) else [value]
