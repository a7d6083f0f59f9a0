"""A stream's speeds on their way into an aggregate: a batch now and then, each counted once."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from services.speed.aggregation import Aggregation
from shared.context import RequestContext


class Additions:
    """The batches of one session, numbered; a batch that has been sent is never sent with another content."""

    def __init__(self, aggregation: Aggregation, aggregate: str, session: str) -> None:
        self._aggregation = aggregation
        self.aggregate = aggregate
        self._session = session
        self._number = 0
        self._waiting: list[float] = []

    def note(self, speed_mps: float) -> None:
        if isfinite(speed_mps):
            self._waiting.append(speed_mps)

    async def send(self, context: RequestContext | None) -> str | None:
        """What was noted since the last time; a warning, or None."""
        if not self._waiting:
            return None
        batch, self._waiting = self._waiting, []
        key = f"{self._session}-{self._number}"
        self._number += 1
        return await self._aggregation.add(self.aggregate, key, batch, context)

    def state(self) -> dict[str, Any]:
        return {"aggregate": self.aggregate, "number": self._number, "waiting": list(self._waiting)}

    @classmethod
    def restored(cls, aggregation: Aggregation, session: str, state: Mapping[str, Any]) -> "Additions":
        """As they were when `state` was taken; to be sent before anything is noted, since that batch may have been sent
        already. Raises KeyError, TypeError and ValueError for what is no such state."""
        additions = cls(aggregation, str(state["aggregate"]), session)
        additions._number, additions._waiting = int(state["number"]), [float(each) for each in state["waiting"]]
        return additions
