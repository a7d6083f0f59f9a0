"""States from outside: read if they are whole, else refused at the right place; never a crash."""

import base64
import copy
import random
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from services.stats.aggregates.aggregate import KINDS, Aggregate
from services.stats.aggregates.aggregator import StateFault
from services.stats.aggregates.sketches import Distinct, Quantiles
from shared.errors import Unprocessable
from tests.services.stats.aggregates.test_laws import leaves

AGGREGATE = Aggregate.of(KINDS, ["x", "y"])
DAMAGES = 400


def state(count: int = 30) -> dict[str, Any]:
    values = np.random.default_rng(count).normal(size=(2, count))
    document: dict[str, Any] = AGGREGATE.dump(AGGREGATE.fold(dict(zip("xy", values, strict=True))))
    return document


def damaged(document: Any, chance: random.Random) -> Any:
    """One place of it made into something else."""
    odd: list[Any] = [None, True, -1, 0, 2**63, 1e308, -1e308, "", "ff", "-", [], {}, [1], 0.5]
    if isinstance(document, dict) and document and chance.random() < 0.95:
        key = chance.choice(list(document))
        return {**document, key: damaged(document[key], chance)}
    if isinstance(document, list) and document and chance.random() < 0.95:
        place = chance.randrange(len(document))
        return [*document[:place], damaged(document[place], chance), *document[place + 1 :]]
    return chance.choice(odd)


@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_state_is_refused_or_answers_with_numbers(seed: int) -> None:
    chance, whole, refused = random.Random(seed), state(), 0
    for _ in range(DAMAGES):
        document = damaged(copy.deepcopy(whole), chance)
        try:
            summary = AGGREGATE.load(document)
        except StateFault:
            refused += 1
            continue
        with np.errstate(all="ignore"):
            orjson.dumps(AGGREGATE.present(AGGREGATE.merge([AGGREGATE.load(whole), summary, summary])))
    assert refused > DAMAGES / 2


def bent(content: bytes, chance: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 4])):
        place = chance.randrange(min(len(data), chance.choice([8, 24, 64, len(data)])))
        what = chance.random()
        if what < 0.7:
            data[place] = chance.choice([0, 1, 255, 128, chance.randrange(256)])
        elif what < 0.85:
            data = data[: max(1, chance.randrange(len(data)))]
        else:
            data[place : place + 4] = chance.randbytes(4)
    return bytes(data)


@pytest.mark.parametrize("kind", [Quantiles(), Distinct()], ids=["quantiles", "distinct"])
def test_damaged_sketches_never_reach_the_library(kind: Quantiles | Distinct) -> None:
    """Unchecked, a few hundred of these end the process."""
    chance, values = random.Random(9), np.random.default_rng(9)
    whole = [kind.prepare(values.random(count)) for count in (0, 1, 2, 30, 3_000, 50_000)]
    read = 0
    for _ in range(3_000):
        try:
            summary = kind.load(base64.b64encode(bent(chance.choice(whole), chance)).decode())
        except StateFault:
            continue
        read += 1
        orjson.dumps(kind.present(kind.merge(kind.merge(whole[4], summary), summary)))
    assert 0 < read < 1_500


def test_values_that_stay_whole_are_read() -> None:
    for kind in (Quantiles(), Distinct()):
        for count in (0, 1, 2, 401, 5_000, 200_000):
            summary = kind.prepare(np.random.default_rng(1).normal(size=count))
            assert kind.load(kind.dump(summary)) == summary
            merged = kind.merge(summary, kind.prepare(np.arange(700.0)))
            assert kind.load(kind.dump(merged)) == merged


@pytest.mark.parametrize(
    ("path", "value", "pointer"),
    [
        (("version",), 2, "/version"),
        (("kind",), ["count"], "/kind"),
        (("columns",), ["x", "z"], "/columns"),
        (("y",), "x", "/y"),
        (("rows",), -1, "/rows"),
        (("rows",), 3.5, "/rows"),
        (("parts",), [], "/parts"),
        (("parts", "count", "x"), "3", "/parts/count/x"),
        (("parts", "sum", "y", 0), "2", "/parts/sum/y"),
        (("parts", "sum", "y", 0), "one", "/parts/sum/y/0"),
        (("parts", "variance", "x"), [1, 2.0, 3.0], "/parts/variance/x"),
        (("parts", "quantiles", "x"), "AAAA", "/parts/quantiles/x"),
        (("parts", "distinct", "y"), None, "/parts/distinct/y"),
        (("more",), 1, ""),
    ],
    ids=lambda value: "/".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_a_fault_is_named_where_it_is(path: tuple[Any, ...], value: Any, pointer: str) -> None:
    document = state()
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(StateFault) as fault:
        AGGREGATE.load(document)
    assert fault.value.pointer == pointer


@pytest.mark.parametrize(
    ("kind", "columns", "y", "pointer"),
    [
        (["mean"], ["x", "x"], None, "/columns"),
        (["mean"], ["x"], "x", "/y"),
        (["regression"], ["x"], None, "/columns"),
        (["regression"], ["x", "y"], "z", "/y"),
    ],
    ids=["twice", "no-regression", "alone", "unknown"],
)
def test_a_definition_without_meaning(kind: Any, columns: list[str], y: str | None, pointer: str) -> None:
    with pytest.raises(Unprocessable) as refusal:
        Aggregate.of(kind, columns, y)
    assert refusal.value.errors[0].pointer == pointer


def test_the_response_is_y_or_the_last_column() -> None:
    assert [Aggregate.of(["regression"], columns).y for columns in (["a", "y", "b"], ["a", "b"])] == ["y", "b"]
    assert Aggregate.of(["mean"], ["a", "b"]).y is None


def test_a_column_that_depends_on_others_is_dropped_and_said_to_be() -> None:
    x = np.arange(20.0)
    aggregate = Aggregate.of(["regression"], ["x", "twice", "y"])
    parts = [aggregate.fold({"x": each, "twice": 2 * each, "y": 3 * each + 1}) for each in np.split(x, 4)]
    found = aggregate.present(aggregate.merge(parts))["regression"]
    assert (found["dropped"], found["rank"]) == (["twice"], 2)
    assert found["coef"] == [pytest.approx(1.0), pytest.approx(3.0), None]
    assert any("twice" in each for each in found["warnings"])


def test_what_does_not_vary_has_no_correlation_and_what_is_not_there_no_number() -> None:
    aggregate = Aggregate.of(KINDS, ["x", "y"])
    level = aggregate.present(aggregate.fold({"x": np.full(3, 7.0), "y": np.arange(3.0)}))
    assert level["covariance"]["correlation"] == [[None, None], [None, 1.0]]
    assert level["moments"]["x"]["skewness"] is None
    assert (level["variance"]["x"]["sd"], level["variance"]["x"]["n"]) == (0.0, 3)
    nothing = aggregate.present(aggregate.merge([]))
    assert (nothing["count"]["x"], nothing["sum"]["x"], nothing["mean"]["x"], nothing["min"]["x"]) == (
        0,
        0.0,
        None,
        None,
    )
    assert nothing["regression"]["coef"] == [None, None]
    assert nothing["quantiles"]["x"]["value"] == [None] * 9
    assert nothing["distinct"]["x"]["estimate"] == 0


def test_a_state_of_version_1_is_merged_for_ever() -> None:
    """As the first release wrote it, of the values below; whatever reads it later must make the same of it."""
    document = orjson.loads((Path(__file__).parent / "version1.json").read_bytes())
    old = AGGREGATE.load(document)
    known = {"x": [1.5, 2.0, np.nan, -0.25, 8.0], "y": [0.1, 0.2, 0.3, 0.4, 7.5]}
    more = {"x": np.array([4.0, np.nan, 0.5]), "y": np.array([1.0, 2.0, -3.0])}
    both = {name: np.array([*known[name], *more[name]]) for name in known}
    merged = AGGREGATE.present(AGGREGATE.merge([old, AGGREGATE.fold(more)]))
    whole = AGGREGATE.present(AGGREGATE.fold(both))
    for kind in KINDS:
        found, truth = (each[kind]["coef"] if kind == "regression" else each[kind] for each in (merged, whole))
        if kind == "covariance":
            found, truth = found["matrix"], truth["matrix"]
        assert leaves(found) == pytest.approx(leaves(truth), rel=1e-13, abs=1e-14), kind
    assert AGGREGATE.dump(old) == document
