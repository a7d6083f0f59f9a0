import asyncio
import json
from collections.abc import Sequence
from typing import Any, cast

import pytest

from services.speed.additions import Additions
from services.speed.aggregation import Aggregation
from shared.context import RequestContext


class Counted:
    """What an aggregate counts: each key once."""

    def __init__(self) -> None:
        self.batches: dict[str, list[float | None]] = {}

    async def add(
        self,
        id: str,
        key: str,
        values: Sequence[float | None],
        context: RequestContext | None,  # noqa: ARG002
    ) -> str | None:
        self.batches.setdefault(f"{id} {key}", list(values))
        return None if id == "fleet" else "away"


def additions(counted: Counted, aggregate: str = "fleet") -> Additions:
    return Additions(cast(Aggregation, counted), aggregate, "s")


def test_batches_are_numbered_and_nan_is_no_speed() -> None:
    counted = Counted()
    some = additions(counted)
    for value in (1.0, float("nan"), 2.0):
        some.note(value)
    assert asyncio.run(some.send(None)) is None
    assert asyncio.run(some.send(None)) is None
    some.note(3.0)
    asyncio.run(some.send(None))
    assert counted.batches == {"fleet s-0": [1.0, 2.0], "fleet s-1": [3.0]}


def test_a_warning_is_handed_on() -> None:
    some = additions(Counted(), "other")
    some.note(1.0)
    assert asyncio.run(some.send(None)) == "away"


@pytest.mark.parametrize("sent_before_the_break", [False, True])
def test_after_a_break_each_speed_counts_once(sent_before_the_break: bool) -> None:
    counted = Counted()
    some = additions(counted)
    some.note(1.0)
    some.note(2.0)
    state = json.loads(json.dumps(some.state()))
    if sent_before_the_break:
        asyncio.run(some.send(None))
    other = Additions.restored(cast(Aggregation, counted), "s", state)
    asyncio.run(other.send(None))
    other.note(3.0)
    asyncio.run(other.send(None))
    assert counted.batches == {"fleet s-0": [1.0, 2.0], "fleet s-1": [3.0]}


@pytest.mark.parametrize(
    "state", [{}, {"aggregate": "a", "number": "x", "waiting": []}, {"aggregate": "a", "number": 1, "waiting": 1}]
)
def test_a_state_that_is_none(state: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Additions.restored(cast(Aggregation, Counted()), "s", state)
